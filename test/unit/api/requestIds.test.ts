import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aFire, startApi, TOKEN_ONE } from '../../support/api.ts';

describe('the id of a request', () => {
  it("is the client's where it is sane, and a new one of ours where it is not", async () => {
    const { call } = startApi();
    const sane = fc.stringMatching(/^[A-Za-z0-9._-]{1,128}$/);
    const other = fc
      .string({
        unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
        minLength: 1,
      })
      .filter((text) => !/^[\w.-]{1,128}$/.test(text));
    await fc.assert(
      fc.asyncProperty(sane, other, async (good, bad) => {
        const ids = [];
        for (const id of [good, bad, 'x'.repeat(129)]) {
          ids.push(
            (await call('GET', '/nothing', { headers: { 'x-request-id': id } })).headers.get('x-request-id'),
          );
        }
        const made = expect.stringMatching(/^[0-9a-f-]{36}$/);
        expect(ids).toEqual([good, made, made]);
        expect(ids[1]).not.toBe(ids[2]);
      }),
    );
  });

  it('is on every answer, in every problem and in every line of the log', async () => {
    const { call, world } = startApi({ publish: () => Promise.reject(new Error('broken')) });
    const asked = [
      ['GET', '/sequences', {}],
      ['GET', '/sequences', { token: 'st_wrong' }],
      ['GET', '/sequences/none', {}],
      ['GET', '/nothing', {}],
      ['PUT', '/ingest', {}],
      ['GET', '/healthz', { token: null }],
      ['POST', '/sequences', { body: {} }],
      ['POST', '/ingest', { body: { lead_id: 'l', event_type: 't' } }],
    ] as const;
    for (const [index, [method, path, options]] of asked.entries()) {
      const id = `request-${index}`;
      world.log.length = 0;
      const answer = await call(method, path, { ...options, headers: { 'x-request-id': id } });
      expect(answer.headers.get('x-request-id')).toBe(id);
      if (answer.status >= 400) expect(answer.json.request_id).toBe(id);
      expect(world.log.length).toBeGreaterThan(0);
      for (const { fields } of world.log) expect(fields.requestId).toBe(id);
    }
  });
});

describe('the line of a request', () => {
  it('names method, route, status, time, size, OU, token and id, and nothing that the client wrote', async () => {
    const { call, create, world } = startApi();
    const { id } = await create();
    world.fires = [aFire({ id: 'fire-secret' })];
    world.log.length = 0;
    const headers = { 'x-request-id': 'r-1' };
    const read = await call('GET', '/sequence-events?lead_id=secret-lead', { headers });
    await call('GET', '/sequence-events/fire-secret', { headers });
    await call('POST', '/sequences?x=secret', { body: { name: 'secret-name' }, headers });
    const changed = await call('PATCH', `/sequences/${id}`, { body: { name: 'secret-name' }, headers });
    await call('POST', '/ingest', { body: { lead_id: 'secret-lead', event_type: 't' }, headers });
    await call('GET', '/sequences/secret/secret-lead/secret', { headers });
    await call('GET', '/sequences', { token: 'st_secret', headers });
    const common = { durationMs: 0, requestId: 'r-1' };
    const known = { ...common, ou: 'one', tokenId: 'tok-one' };
    const unknown = { ...common, ou: undefined, tokenId: undefined };
    const bytes = expect.any(Number);
    expect(world.log.map(({ level, fields }) => [level, fields])).toEqual([
      ['debug', { ...known, method: 'GET', route: '/sequence-events', status: 200, bytes: read.text.length }],
      ['debug', { ...known, method: 'GET', route: '/sequence-events/{id}', status: 200, bytes }],
      ['info', { ...known, method: 'POST', route: '/sequences', status: 400, bytes }],
      [
        'info',
        { ...known, method: 'PATCH', route: '/sequences/{id}', status: 200, bytes: changed.text.length },
      ],
      ['debug', { ...known, method: 'POST', route: '/ingest', status: 202, bytes }],
      ['info', { ...known, method: 'GET', route: null, status: 404, bytes }],
      ['debug', { ...unknown, method: 'GET', route: '/sequences', status: 401, bytes }],
    ]);
    const written = JSON.stringify(world.log);
    expect(written).not.toMatch(/secret|st_/);
    expect(written).not.toContain(TOKEN_ONE);
    expect(written).not.toContain(String(id));
  });
});
