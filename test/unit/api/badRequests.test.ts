import { describe, expect, it } from 'vitest';
import { show } from '../../../src/api/validation.ts';
import { errorsOf, MINIMAL_SEQUENCE, startApi } from '../../support/api.ts';

const LONE_SURROGATE = '"\\ud800"';

/** A field of a new sequence, a value that it must not have, and the path that the error names. */
const BAD_FIELDS: readonly (readonly [string, unknown, string?])[] = [
  ['name', undefined],
  ['name', null],
  ['name', 7],
  ['name', ''],
  ['name', ' \t '],
  ['name', 'x'.repeat(201)],
  ['name', 'a\0b'],
  ['event_types', undefined],
  ['event_types', 'view'],
  ['event_types', { 0: 'view' }],
  ['event_types', []],
  ['event_types', Array(21).fill('view')],
  ['event_types', Array(100_000).fill(0)],
  ['event_types', ['view', ''], 'event_types[1]'],
  ['event_types', ['view', 3], 'event_types[1]'],
  ['event_types', [null], 'event_types[0]'],
  ['event_types', ['é'.repeat(65)], 'event_types[0]'],
  ['event_types', ['a\0'], 'event_types[0]'],
  ['window_seconds', undefined],
  ['window_seconds', 0],
  ['window_seconds', -1],
  ['window_seconds', 1.5],
  ['window_seconds', 31_536_001],
  ['window_seconds', '60'],
  ['window_seconds', 1e300],
  ['window_unit', ''],
  ['window_unit', 'x'.repeat(51)],
  ['window_unit', 7],
  ['ordered', 'true'],
  ['ordered', 1],
  ['webhook_url', ''],
  ['webhook_url', 7],
  ['webhook_url', 'example.com/hook'],
  ['webhook_url', 'ftp://example.com/hook'],
  ['webhook_url', 'javascript:alert(1)'],
  ['webhook_url', 'http:example.com'],
  ['webhook_url', 'http://'],
  ['webhook_url', 'http:///example.com'],
  ['webhook_url', 'https://exa mple.com/'],
  ['webhook_url', ' https://example.com/'],
  ['webhook_url', 'https://example.com/\n'],
  ['webhook_url', 'https://user@example.com/'],
  ['webhook_url', 'https://user:secret@example.com/'],
  ['webhook_url', `https://user:${'secret'.repeat(40)}@example.com/`],
  ['webhook_url', 'https://example.com:99999/'],
  ['webhook_url', `https://example.com/${'x'.repeat(2_030)}`],
  ['emails', 'a@example.com'],
  ['emails', Array(21).fill('a@example.com')],
  ['emails', ['not-an-address'], 'emails[0]'],
  ['emails', ['a@example.com', 'b@localhost'], 'emails[1]'],
  ['emails', ['Ann <a@example.com>'], 'emails[0]'],
  ['emails', ['a@example.com\r\nBcc: b@example.com'], 'emails[0]'],
  ['emails', ['a..b@example.com'], 'emails[0]'],
  ['emails', ['a@-example.com'], 'emails[0]'],
  ['emails', [`${'x'.repeat(65)}@example.com`], 'emails[0]'],
  ['emails', [`a@${'x.'.repeat(130)}com`], 'emails[0]'],
  ['emails', [5], 'emails[0]'],
  ['email_subject', 'x'.repeat(201)],
  ['email_subject', 'a\r\nBcc: b@example.com'],
  ['email_subject', 'a\nb'],
  ['email_subject', 'a\u2028b'],
  ['email_subject', []],
  ['email_preheader', 'x'.repeat(201)],
  ['email_preheader', 'a\rb'],
  ['email_message', 'x'.repeat(10_001)],
  ['email_message', 'a\0b'],
  ['email_message', {}],
  ['active', 'yes'],
  ['refire', 'every'],
  ['refire', {}, 'refire.mode'],
  ['refire', { mode: 'sometimes' }, 'refire.mode'],
  ['refire', { mode: 'cooldown' }, 'refire.cooldown_seconds'],
  ['refire', { mode: 'cooldown', cooldown_seconds: null }, 'refire.cooldown_seconds'],
  ['refire', { mode: 'cooldown', cooldown_seconds: 0 }, 'refire.cooldown_seconds'],
  ['refire', { mode: 'every', cooldown_seconds: 5 }, 'refire.cooldown_seconds'],
  ['refire', { mode: 'every', seconds: 5 }, 'refire.seconds'],
  ['max_fire_delay_seconds', 0],
  ['max_fire_delay_seconds', '5'],
  ['max_fire_delay_seconds', 0.5],
  ['id', 'seq-mine'],
  ['version', 2],
  ['created_at', '2026-01-01T00:00:00Z'],
  ['updated_at', null],
  ['signing_key', 'mine'],
  ['eventTypes', ['view']],
  ['__proto__x', 1],
  ['constructor', 1],
];

describe('a new sequence with a bad field is a 400 that names it', () => {
  const named = BAD_FIELDS.map(([field, value, path = field]) => ({
    field,
    value,
    path,
    shown: show(value),
  }));
  it.each(named)('$field: $shown', async ({ field, value, path }) => {
    const { call, world } = startApi();
    const answer = await call('POST', '/sequences', { body: { ...MINIMAL_SEQUENCE, [field]: value } });
    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.json).toMatchObject({ type: 'about:blank', title: 'Bad Request', status: 400 });
    expect([...errorsOf(answer).keys()]).toEqual([path]);
    expect(answer.json.detail).toContain(path);
    expect(answer.text).not.toMatch(/\bat .*\.ts|node_modules|x{100}|secret/);
    expect(world.catalogWrites).toBe(0);
  });

  it('also in a change, where nothing is required', async () => {
    const { call, create, world } = startApi();
    const { id } = await create();
    for (const [field, value, path = field] of BAD_FIELDS) {
      if (value === undefined) continue;
      const answer = await call('PUT', `/sequences/${id}`, { body: { [field]: value } });
      expect([field, value, answer.status, [...errorsOf(answer).keys()]]).toEqual([
        field,
        value,
        400,
        [path],
      ]);
    }
    expect(world.catalogWrites).toBe(1);
  });

  it('names all wrong fields at once, with the values that came and what is allowed', async () => {
    const { call } = startApi();
    const body = { name: 12, event_types: ['a', ''], window_seconds: 'long', colour: 'red' };
    const errors = errorsOf(await call('POST', '/sequences', { body }));
    expect([...errors.keys()].sort()).toEqual(['colour', 'event_types[1]', 'name', 'window_seconds']);
    expect(errors.get('name')).toMatch(/1 to 200 characters.*; got 12$/);
    expect(errors.get('window_seconds')).toBe('must be an integer from 1 to 31,536,000; got "long"');
    expect(errors.get('colour')).toMatch(/not known here; known are name, event_types/);
  });

  it('refuses text that is not well-formed Unicode', async () => {
    const { call } = startApi();
    for (const field of ['name', 'window_unit', 'email_subject', 'email_message', 'webhook_url']) {
      const rest = JSON.stringify({ ...MINIMAL_SEQUENCE, [field]: undefined }).slice(1);
      const answer = await call('POST', '/sequences', { rawBody: `{"${field}":${LONE_SURROGATE},${rest}` });
      expect([...errorsOf(answer).keys()]).toEqual([field]);
    }
  });

  it('takes a __proto__ in the body for an unknown field', async () => {
    const { call } = startApi();
    const rest = JSON.stringify(MINIMAL_SEQUENCE).slice(1);
    const answer = await call('POST', '/sequences', { rawBody: `{"__proto__":{"active":false},${rest}` });
    expect([...errorsOf(answer).keys()]).toEqual(['__proto__']);
  });
});

describe('what the server sets', () => {
  const fields = ['id', 'version', 'created_at', 'updated_at', 'webhook_secret'];

  it.each(fields)('%s is refused as such, in a new sequence and in a change', async (field) => {
    const { call, create } = startApi();
    const { id } = await create();
    const message = 'is set by the server and cannot be sent';
    const created = await call('POST', '/sequences', { body: { ...MINIMAL_SEQUENCE, [field]: 'x' } });
    expect([created.status, [...errorsOf(created)]]).toEqual([400, [[field, message]]]);
    const changed = await call('PATCH', `/sequences/${id}`, { body: { [field]: 'x' } });
    expect([changed.status, [...errorsOf(changed)]]).toEqual([400, [[field, message]]]);
  });
});

describe('a list of excluded types without any', () => {
  it('is the same as none', async () => {
    const { call, create } = startApi();
    const { id, exclude } = await create({ exclude: [] });
    expect(exclude).toBeNull();
    await call('PATCH', `/sequences/${id}`, { body: { exclude: ['x'] } });
    expect((await call('PATCH', `/sequences/${id}`, { body: { exclude: [] } })).json.exclude).toBeNull();
  });
});

describe('a text that is too long', () => {
  it('is measured in characters and in bytes', async () => {
    const { call } = startApi();
    const body = { ...MINIMAL_SEQUENCE, name: '😀'.repeat(201) };
    const message = errorsOf(await call('POST', '/sequences', { body })).get('name');
    expect(message).toMatch(/^must be a string of 1 to 200 characters.*… \(201 characters, 804 bytes\)$/);
  });
});

describe('what is just within the limits is accepted', () => {
  it.each([
    ['name', '😀'.repeat(200)],
    ['event_types', Array(20).fill('é'.repeat(64))],
    ['window_seconds', 31_536_000],
    ['window_unit', 'x'.repeat(50)],
    ['webhook_url', `https://example.com/${'x'.repeat(2_028)}`],
    ['webhook_url', 'http://example.com/a@b?c=d@e'],
    ['emails', Array(20).fill('a@example.com')],
    ['email_subject', 'x'.repeat(200)],
    ['email_message', 'é\r\n'.repeat(3_333)],
    ['max_fire_delay_seconds', 1],
  ])('%s', async (field, value) => {
    const { create } = startApi();
    expect((await create({ [field]: value }))[field]).toEqual(value);
  });
});

describe('a body that is no JSON object', () => {
  it.each([
    ['', 400],
    ['{', 400],
    ['{"name":}', 400],
    ['null', 400],
    ['7', 400],
    ['"text"', 400],
    ['[]', 400],
    ['[{}]', 400],
    [new Uint8Array([0x22, 0xff, 0x22]), 400],
    ['{"name":"a"} trailing', 400],
  ])('%j', async (rawBody, status) => {
    const { call } = startApi();
    for (const path of ['/sequences', '/ingest']) {
      expect((await call('POST', path, { rawBody })).status).toBe(status);
    }
  });

  it('is a 400 also when it is nested half a million levels deep', async () => {
    const { call } = startApi();
    const levels = 500_000;
    for (const rawBody of ['['.repeat(levels), '['.repeat(levels) + ']'.repeat(levels)]) {
      for (const path of ['/sequences', '/ingest']) {
        expect((await call('POST', path, { rawBody })).status).toBe(400);
      }
    }
  });

  it.each([
    ['text/plain'],
    ['application/x-www-form-urlencoded'],
    ['multipart/form-data; boundary=x'],
    ['application/jsonp'],
    ['application/json; charset=latin1'],
    [''],
  ])('answers 415 to the content type %j', async (type) => {
    const { call } = startApi();
    const headers = { 'content-type': type };
    const answer = await call('POST', '/sequences', { body: MINIMAL_SEQUENCE, headers });
    expect(answer.status).toBe(415);
    expect(answer.json.detail).toContain('application/json');
  });

  it.each(['application/json', 'Application/JSON; charset="UTF-8"', 'application/vnd.example+json'])(
    'takes the content type %s',
    async (type) => {
      const { call } = startApi();
      const headers = { 'content-type': type };
      expect((await call('POST', '/sequences', { body: MINIMAL_SEQUENCE, headers })).status).toBe(201);
    },
  );

  it('answers 415 to a compressed body', async () => {
    const { call } = startApi();
    const headers = { 'content-encoding': 'gzip' };
    expect((await call('POST', '/ingest', { rawBody: 'x', headers })).status).toBe(415);
  });

  it('answers 413 to a body over 1 MiB, and reads one of exactly that', async () => {
    const { call } = startApi();
    const padded = (bytes: number) => JSON.stringify(MINIMAL_SEQUENCE).padEnd(bytes, ' ');
    for (const path of ['/sequences', '/ingest']) {
      expect((await call('POST', path, { rawBody: padded(1_048_577) })).status).toBe(413);
    }
    expect((await call('POST', '/sequences', { rawBody: padded(1_048_576) })).status).toBe(201);
  });
});

describe('a bad query parameter is a 400 that names it', () => {
  const LISTS = ['/sequence-events', '/deliveries', '/rejected-events'];
  const ON_EVERY_LIST = [
    ['page=0', 'page'],
    ['page=-1', 'page'],
    ['page=1.5', 'page'],
    ['page=', 'page'],
    ['page=one', 'page'],
    ['page=1e3', 'page'],
    ['page=99999999999999999999', 'page'],
    ['page=1&page=2', 'page'],
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['limit=%20', 'limit'],
    ['limit=10;', 'limit'],
    ['offset=5', 'offset'],
    ['Page=1', 'Page'],
    ['__proto__=1', '__proto__'],
    ['%ff=1', '\ufffd'],
  ] as const;
  const ON_ONE = [
    ['/sequences?page=1', 'page'],
    ['/sequence-events?sequence_id=', 'sequence_id'],
    ['/sequence-events?sequence_id=a%00b', 'sequence_id'],
    [`/sequence-events?sequence_id=${'x'.repeat(129)}`, 'sequence_id'],
    ['/sequence-events?lead_id=', 'lead_id'],
    [`/sequence-events?lead_id=${'x'.repeat(257)}`, 'lead_id'],
    ['/sequence-events?from=yesterday', 'from'],
    ['/sequence-events?from=2026-01-01', 'from'],
    ['/sequence-events?from=2026-01-01T00:00:00', 'from'],
    ['/sequence-events?from=2026-01-01T00:00:00+02:00', 'from'],
    ['/sequence-events?to=2026-02-30T00:00:00Z', 'to'],
    ['/sequence-events?to=1600-01-01T00:00:00Z', 'to'],
    ['/sequence-events?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', 'from'],
    ['/sequence-events?status=dead', 'status'],
    ['/deliveries?status=lost', 'status'],
    ['/deliveries?status=', 'status'],
    ['/deliveries?status=DEAD', 'status'],
    ['/deliveries?sequence_id=%2F', 'sequence_id'],
    ['/deliveries?lead_id=x', 'lead_id'],
    ['/rejected-events?sequence_id=x', 'sequence_id'],
  ] as const;
  const all = [
    ...LISTS.flatMap((list) => ON_EVERY_LIST.map(([q, p]) => [`${list}?${q}`, p] as const)),
    ...ON_ONE,
  ];

  it.each(all)('%s names %s', async (path, name) => {
    const answer = await startApi().call('GET', path);
    expect(answer.status).toBe(400);
    expect([...errorsOf(answer).keys()]).toEqual([name]);
    expect(answer.text).not.toContain('x'.repeat(100));
  });
});

describe('an id that cannot be one', () => {
  /** A port of which no method may be called. */
  const untouched = new Proxy({}, { get: () => () => Promise.reject(new Error('it was asked')) }) as never;

  it.each([
    ['GET', '/sequences/{id}', undefined],
    ['PATCH', '/sequences/{id}', {}],
    ['DELETE', '/sequences/{id}', undefined],
    ['POST', '/sequences/{id}/test', undefined],
    ['POST', '/sequences/{id}/redeliver', { from: '2026-01-01T00:00:00Z', to: '2026-01-01T00:00:00Z' }],
    ['GET', '/sequence-events/{id}', undefined],
    ['GET', '/deliveries/{id}', undefined],
    ['POST', '/deliveries/{id}/redeliver', undefined],
    ['GET', '/destinations/{id}', undefined],
    ['POST', '/destinations/{id}/pause', undefined],
  ])('is a 404 for %s %s, and reaches no store', async (method, path, body) => {
    const ports = { catalog: untouched, fires: untouched, deliveries: untouched };
    const { call } = startApi({ ...ports, destinations: untouched, redelivery: untouched });
    expect((await call(method, path.replace('{id}', 'plausible'), { body })).status).toBe(500);
    for (const id of ['a%00b', '%20', 'a%2Fb', 'x'.repeat(129)]) {
      expect((await call(method, path.replace('{id}', id), { body })).status).toBe(404);
    }
  });
});

describe('a path or method that does not exist', () => {
  it.each([
    ['GET', '/'],
    ['GET', '/nothing'],
    ['GET', '/sequences/'],
    ['GET', '/sequences/a/b'],
    ['POST', '/sequences/a/rotate'],
    ['GET', '/sequences/%ff'],
    ['GET', '/sequences/..%2f..%2fetc'],
    ['GET', `/sequences/${'x'.repeat(5_000)}`],
    ['DELETE', `/sequences/${'x'.repeat(5_000)}`],
    ['GET', '/sequence-events/a%00b'],
    ['GET', '/deliveries/%20'],
    ['GET', '/healthz/x'],
  ])('%s %s is a 404 problem', async (method, path) => {
    const answer = await startApi().call(method, path);
    expect(answer.status).toBe(404);
    expect(answer.json).toMatchObject({ title: 'Not Found', status: 404 });
  });

  it.each([
    ['DELETE', '/sequences', 'GET, HEAD, POST'],
    ['POST', '/sequences/seq-1', 'GET, HEAD, PUT, PATCH, DELETE'],
    ['GET', '/sequences/seq-1/rotate-secret', 'POST'],
    ['GET', '/ingest', 'POST'],
    ['PUT', '/sequence-events', 'GET, HEAD'],
    ['DELETE', '/deliveries/dlv-1', 'GET, HEAD'],
    ['POST', '/rejected-events', 'GET, HEAD'],
    ['POST', '/healthz', 'GET, HEAD'],
    ['OPTIONS', '/sequences', 'GET, HEAD, POST'],
  ])('%s %s is a 405 that allows %s', async (method, path, allow) => {
    const answer = await startApi().call(method, path);
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe(allow);
  });

  it('HEAD is answered like GET, without a body', async () => {
    const answer = await startApi().call('HEAD', '/sequences');
    expect([answer.status, answer.text]).toEqual([200, '']);
  });
});
