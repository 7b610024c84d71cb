import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { startApi } from '../../support/api.ts';

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
    'rejected-events',
    'rotate-secret',
    'x',
  ),
  fc
    .string({ unit: 'binary', maxLength: 5 })
    .map((text) => encodeURIComponent(text.replace(/\p{Surrogate}/gu, ''))),
  fc.constantFrom('%', '%zz', '%00', '%ff', '..', '*', ':id'),
);
const parameter = fc.tuple(
  fc.constantFrom('page', 'limit', 'sequence_id', 'lead_id', 'from', 'to', 'status', 'other'),
  fc.oneof(fc.constantFrom('1', '0', '%00', '%ff', '2026-01-01T00:00:00Z', 'dead'), segment),
);
const path = fc
  .tuple(fc.array(segment, { maxLength: 3 }), fc.array(parameter, { maxLength: 4 }))
  .map(([segments, query]) => `/${segments.join('/')}?${query.map((pair) => pair.join('=')).join('&')}`);

describe('no request is answered with a 500', () => {
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
          const { status } = await call(verb, target, { body: value });
          expect([200, 201, 202, 400, 413]).toContain(status);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('whatever the bytes of a body', async () => {
    const { call } = startApi();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array(), async (rawBody) => {
        expect((await call('POST', '/ingest', { rawBody })).status).toBe(400);
      }),
      { numRuns: 300 },
    );
  });

  it('whatever the method, path and query', async () => {
    const { call } = startApi();
    await fc.assert(
      fc.asyncProperty(method, path, async (verb, target) => {
        expect([200, 204, 400, 404, 405, 415]).toContain((await call(verb, target)).status);
      }),
      { numRuns: 2_000 },
    );
  });
});
