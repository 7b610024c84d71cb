import { describe, expect, it } from 'vitest';
import {
  aDelivery,
  aDestination,
  aFire,
  aToken,
  MINIMAL_SEQUENCE,
  START_MS,
  startApi,
  TOKEN_ONE,
  TOKEN_TWO,
} from '../../support/api.ts';

/** Every route that needs a token; `{id}` is that of a sequence. */
const ROUTES = (
  [
    ['GET', '/sequences'],
    ['POST', '/sequences', MINIMAL_SEQUENCE],
    ['GET', '/sequences/{id}'],
    ['PUT', '/sequences/{id}', { name: 'taken' }],
    ['PATCH', '/sequences/{id}', { name: 'taken' }],
    ['DELETE', '/sequences/{id}'],
    ['POST', '/sequences/{id}/rotate-secret'],
    ['POST', '/sequences/{id}/test'],
    ['POST', '/sequences/{id}/redeliver', { from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' }],
    ['POST', '/ingest', { lead_id: 'l', event_type: 't' }],
    ['GET', '/sequence-events'],
    ['GET', '/sequence-events/fire-1'],
    ['GET', '/deliveries'],
    ['GET', '/deliveries/dlv-1'],
    ['POST', '/deliveries/dlv-1/redeliver'],
    ['GET', '/destinations'],
    ['GET', '/destinations/dst-1'],
    ['PATCH', '/destinations/dst-1', { rate_per_second: 5 }],
    ['PUT', '/destinations/dst-1', { rate_per_second: 5 }],
    ['POST', '/destinations/dst-1/pause'],
    ['POST', '/destinations/dst-1/resume'],
    ['GET', '/rejected-events'],
    ['GET', '/tokens'],
    ['POST', '/tokens', { name: 'x' }],
    ['GET', '/tokens/tok-1'],
    ['DELETE', '/tokens/tok-1'],
  ] satisfies readonly (readonly [string, string, object?])[]
).map(([method, path, body]) => ({ method, path, body }));

async function apiWithOneOfEach() {
  const api = startApi();
  const { id } = await api.create({ name: 'Belongs to one' });
  api.world.fires = [aFire({ sequenceName: 'Belongs to one' })];
  api.world.deliveries = [aDelivery({ destination: 'https://one.example.com/' })];
  api.world.destinations = [aDestination()];
  api.world.tokens.set('st_first', aToken({ name: 'Belongs to one' }));
  const event = {
    reason: 'not_json',
    detail: 'Belongs to one',
    streamSequence: 1,
    rejectedAtMicros: START_MS * 1000,
    subject: 'events.one',
    payloadText: 'one',
    payloadBytes: 3,
  };
  api.world.rejected = [{ ou: 'one', event }];
  return { ...api, id: String(id) };
}

describe('a token', () => {
  it.each(ROUTES)('is required for $method $path', async ({ method, path, body }) => {
    const { call, id, world } = await apiWithOneOfEach();
    const target = path.replace('{id}', id);
    const attempts: readonly [string, Record<string, string>, RegExp][] = [
      ['none', {}, /required/],
      ['wrong', { authorization: 'Bearer st_wrong' }, /not known/],
      ['other scheme', { authorization: `Basic ${TOKEN_ONE}` }, /Bearer/],
      ['empty', { authorization: 'Bearer ' }, /Bearer/],
      ['two words', { authorization: `Bearer ${TOKEN_ONE} ${TOKEN_TWO}` }, /Bearer/],
      ['too long', { authorization: `Bearer ${'x'.repeat(10_000)}` }, /not known/],
    ];
    for (const [name, headers, detail] of attempts) {
      const answer = await call(method, target, { token: null, body, headers });
      expect([name, answer.status]).toEqual([name, 401]);
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer /);
      expect(answer.json.detail).toMatch(detail);
    }
    expect(world.catalogWrites).toBe(1);
    expect(world.published).toEqual([]);
  });

  it('is taken whatever the case of the scheme', async () => {
    const { call } = startApi();
    const headers = { authorization: `bearer  ${TOKEN_ONE}` };
    expect((await call('GET', '/sequences', { token: null, headers })).status).toBe(200);
  });

  it('is asked for on every request, so that a revoked one stops at once', async () => {
    const { call, world } = startApi();
    expect((await call('GET', '/sequences')).status).toBe(200);
    world.tokens.delete(TOKEN_ONE);
    expect((await call('GET', '/sequences')).status).toBe(401);
  });
});

describe('the OU of a token', () => {
  it.each(ROUTES.filter(({ path }) => /{id}|-1/.test(path)))(
    'hides what belongs to another: $method $path is a 404',
    async ({ method, path, body }) => {
      const { call, id, world } = await apiWithOneOfEach();
      const foreign = await call(method, path.replace('{id}', id), { token: TOKEN_TWO, body });
      const absent = await call(method, path.replace(/{id}|fire-1|dlv-1|dst-1|tok-1/, 'seq-absent'), {
        token: TOKEN_TWO,
        body,
      });
      const { request_id: _id, ...told } = foreign.json;
      expect([foreign.status, absent.json]).toEqual([404, { ...told, request_id: expect.any(String) }]);
      expect(world.catalogWrites).toBe(1);
      expect(world.sequences.get(`one/${id}`)?.name).toBe('Belongs to one');
    },
  );

  it.each(['/sequences', '/sequence-events', '/deliveries', '/destinations', '/rejected-events'])(
    'is what %s lists, and nothing of another',
    async (path) => {
      const { call } = await apiWithOneOfEach();
      expect((await call('GET', path, { token: TOKEN_ONE })).text).toMatch(/one/);
      const other = await call('GET', path, { token: TOKEN_TWO });
      expect(other.status).toBe(200);
      expect(other.text).not.toMatch(/one/);
      expect(Object.values(other.json)[0]).toEqual([]);
    },
  );

  it('is where sequences and events go, whatever a body says', async () => {
    const { call, world } = startApi();
    await call('POST', '/ingest', { token: TOKEN_TWO, body: { lead_id: 'l', event_type: 't', ou: 'one' } });
    await call('POST', '/sequences', { token: TOKEN_TWO, body: MINIMAL_SEQUENCE });
    expect(world.published.map(({ ou }) => ou)).toEqual(['two']);
    expect([...world.sequences.values()].map(({ ou }) => ou)).toEqual(['two']);
    expect((await call('GET', '/sequences')).json).toEqual({ sequences: [] });
  });
});

describe('operations', () => {
  it('are answered without a token', async () => {
    const { call } = startApi();
    const health = await call('GET', '/healthz', { token: null });
    expect([health.status, health.json]).toEqual([200, { status: 'ok' }]);
    const ready = await call('GET', '/readyz', { token: null });
    expect([ready.status, ready.json]).toEqual([200, { ready: true, reasons: [] }]);
    const metrics = await call('GET', '/metrics', { token: null });
    expect([metrics.status, metrics.text]).toEqual([200, 'events_total 1\n']);
    expect(metrics.headers.get('content-type')).toBe('text/plain; version=0.0.4');
  });

  it('readyz is 503 with the reasons while something is missing', async () => {
    const readiness = () => ({ ready: false, reasons: ['replaying'], details: { position: 7 } });
    const answer = await startApi({ readiness }).call('GET', '/readyz', { token: null });
    expect(answer.status).toBe(503);
    expect(answer.json).toEqual({ ready: false, reasons: ['replaying'], position: 7 });
  });
});

describe('an unexpected exception', () => {
  it('is a 500 problem without internals, and is logged', async () => {
    const publish = () => Promise.reject(new Error('disk /var/lib is on fire'));
    const { call, world } = startApi({ publish });
    const answer = await call('POST', '/ingest', { body: { lead_id: 'l', event_type: 't' } });
    expect(answer.status).toBe(500);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.text).not.toMatch(/fire|stack|\.ts/);
    const logged = world.log.filter(({ level }) => level === 'error');
    expect(logged.map(({ fields }) => String(fields.err))).toEqual(['Error: disk /var/lib is on fire']);
  });
});

describe('every answer', () => {
  it('carries no-store, errors too', async () => {
    const { call } = startApi();
    for (const path of ['/sequences', '/nothing', '/sequences/x', '/healthz']) {
      expect((await call('GET', path)).headers.get('cache-control')).toBe('no-store');
    }
  });
});
