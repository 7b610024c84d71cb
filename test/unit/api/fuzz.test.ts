import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Answer, startApi, TOKEN_ONE } from '../../support/api.ts';
import { objectText, valueText } from '../../support/hostile.ts';

/** A campaign: so many times the runs of an ordinary test. */
const RUNS = Number(process.env.RUNS ?? 1);

const INHERITED = Object.getOwnPropertyNames(Object.prototype);

const FIELDS = [
  'name',
  'event_types',
  'window_seconds',
  'window_unit',
  'ordered',
  'webhook_url',
  'emails',
  'email_subject',
  'email_message',
  'active',
  'refire',
  'max_fire_delay_seconds',
  'lead_id',
  'event_type',
  'id',
  'created_at',
  'timestamp',
  'metadata',
  'events',
  'mode',
  'cooldown_seconds',
  'from',
  'to',
  'status',
  'after',
  'reason',
  'rate_per_second',
];

/** Bodies that look right often enough to get past the first check. */
const { value: body } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.jsonValue(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '2026-01-01T00:00:00Z',
      'https://example.com/',
      'a@example.com',
      'cooldown',
      60,
      true,
      null,
    ),
    fc.webUrl(),
    fc.emailAddress(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...FIELDS), tie('value'), { maxKeys: 8 }),
  ),
}));

const method = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS');
const segment = fc.oneof(
  fc.constantFrom(
    'sequences',
    'ingest',
    'sequence-events',
    'deliveries',
    'destinations',
    'rejected-events',
    'rotate-secret',
    'redeliver',
    'test',
    'pause',
    'resume',
    'docs',
    'tokens',
    'openapi.json',
    'x',
  ),
  fc
    .string({ unit: 'binary', maxLength: 5 })
    .map((text) => encodeURIComponent(text.replace(/\p{Surrogate}/gu, ''))),
  fc.constantFrom('%', '%zz', '%00', '%ff', '..', '*', ':id'),
);
const parameter = fc.tuple(
  fc.constantFrom('page', 'limit', 'sequence_id', 'lead_id', 'from', 'to', 'status', 'paused', 'other'),
  fc.oneof(fc.constantFrom('1', '0', '%00', '%ff', '2026-01-01T00:00:00Z', 'dead'), segment),
);
const path = fc
  .tuple(fc.array(segment, { maxLength: 3 }), fc.array(parameter, { maxLength: 4 }))
  .map(([segments, query]) => `/${segments.join('/')}?${query.map((pair) => pair.join('=')).join('&')}`);

/** Objects as text, with names that stand twice or that an object literal would not take. */
const bodyText = objectText(
  fc.array(fc.tuple(fc.constantFrom(...FIELDS, '__proto__', 'constructor', 'toString', ''), valueText), {
    maxLength: 8,
  }),
);

const headerName = fc.constantFrom(
  'accept',
  'authorization',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'idempotency-key',
  'if-match',
  'if-none-match',
  'range',
  'transfer-encoding',
  'x-forwarded-for',
  'x-http-method-override',
  'x-request-id',
);
const headerValue = fc.oneof(
  fc.constantFrom(
    '',
    'Bearer',
    `Bearer ${TOKEN_ONE}`,
    `Bearer  ${TOKEN_ONE} x`,
    `Basic ${btoa(`a:${TOKEN_ONE}`)}`,
    'application/json; charset=utf-16',
    'application/json; charset="utf-8"',
    'application/problem+json',
    'text/plain',
    'multipart/form-data; boundary=x',
    'gzip',
    'chunked',
    '-1',
    '1e9',
    '99999999999999999999',
    'bytes=0-',
    'DELETE',
    'x'.repeat(20_000),
  ),
  fc.string({
    unit: fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code)),
    maxLength: 20,
  }),
);

/** Every answer is what is documented: JSON or nothing, problems as RFC 9457 has them, and nothing from inside. */
function expectDocumented({ status, headers, text, json }: Answer): void {
  expect([200, 201, 202, 204, 304, 400, 401, 404, 405, 409, 412, 413, 415, 422]).toContain(status);
  expect(headers.get('cache-control')).toBe('no-store');
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(text).not.toMatch(/node_modules|\n {4}at |\.ts:\d|st_one/);
  if (text === '' || status < 400) return;
  expect(headers.get('content-type')).toBe('application/problem+json');
  const { errors, ...problem } = json;
  expect(problem).toEqual({
    type: 'about:blank',
    title: expect.any(String),
    status,
    detail: expect.any(String),
    request_id: headers.get('x-request-id'),
  });
  expect(text.length).toBeLessThan(200_000);
  for (const error of (errors ?? []) as readonly object[]) {
    expect(error).toEqual({ path: expect.any(String), message: expect.any(String) });
  }
}

describe('no request is answered with a 500', () => {
  it('whatever the text of a body, and nothing in it changes what objects inherit', async () => {
    const { call, create, world } = startApi();
    const { id } = await create();
    await fc.assert(
      fc.asyncProperty(bodyText, async (rawBody) => {
        for (const [verb, target] of [
          ['POST', '/sequences'],
          ['PATCH', `/sequences/${id}`],
          ['POST', '/ingest'],
        ] as const) {
          expectDocumented(await call(verb, target, { rawBody }));
        }
        expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(INHERITED);
      }),
      { numRuns: 1_500 * RUNS },
    );
    for (const sequence of world.sequences.values()) {
      expect(Object.getPrototypeOf(sequence)).toBe(Object.prototype);
    }
  });

  it('whatever the headers', async () => {
    const { call, world } = startApi();
    await fc.assert(
      fc.asyncProperty(fc.dictionary(headerName, headerValue), method, async (headers, verb) => {
        const rawBody = verb === 'GET' || verb === 'HEAD' ? undefined : '{"lead_id":"l","event_type":"t"}';
        expectDocumented(
          await call(verb, '/ingest', { headers, ...(rawBody === undefined ? {} : { rawBody }) }),
        );
      }),
      { numRuns: 1_500 * RUNS },
    );
    expect(world.published.length).toBeGreaterThan(0);
  });

  it('whatever the body of a sequence, a change or an ingest', async () => {
    const { call, create } = startApi();
    const { id } = await create();
    await fc.assert(
      fc.asyncProperty(body, async (value) => {
        for (const [verb, target] of [
          ['POST', '/sequences'],
          ['PUT', `/sequences/${id}`],
          ['POST', '/ingest'],
        ] as const) {
          const answer = await call(verb, target, { body: value });
          expect([200, 201, 202, 400, 413]).toContain(answer.status);
          expectDocumented(answer);
        }
      }),
      { numRuns: 1_000 * RUNS },
    );
  });

  it('whatever the bytes of a body', async () => {
    const { call } = startApi();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array(), async (rawBody) => {
        expect((await call('POST', '/ingest', { rawBody })).status).toBe(400);
      }),
      { numRuns: 300 * RUNS },
    );
  });

  it('whatever the method, path and query', async () => {
    const { call } = startApi();
    await fc.assert(
      fc.asyncProperty(method, path, async (verb, target) => {
        const answer = await call(verb, target);
        expect([200, 204, 400, 404, 405, 415]).toContain(answer.status);
        expectDocumented(answer);
      }),
      { numRuns: 2_000 * RUNS },
    );
  });
});
