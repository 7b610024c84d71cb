import { describe, expect, it } from 'vitest';
import { errorsOf, startApi } from '../../support/api.ts';

const EVENT = { lead_id: 'lead-1', event_type: 'view' };

/** A field of an event and a value that it must not have. */
const BAD_FIELDS: readonly (readonly [string, unknown])[] = [
  ['lead_id', undefined],
  ['lead_id', null],
  ['lead_id', 5],
  ['lead_id', ''],
  ['lead_id', 'x'.repeat(257)],
  ['lead_id', '😀'.repeat(65)],
  ['event_type', undefined],
  ['event_type', ''],
  ['event_type', ['view']],
  ['event_type', 'é'.repeat(65)],
  ['id', ''],
  ['id', 12],
  ['id', 'x'.repeat(257)],
  ['score', '12'],
  ['score', true],
  ['created_at', 'yesterday'],
  ['created_at', 1_767_225_600],
  ['created_at', ''],
  ['created_at', '2026-01-01T00:00:00'],
  ['created_at', '2026-13-01T00:00:00Z'],
  ['created_at', '2026-02-29T00:00:00Z'],
  ['created_at', '2026-01-01T24:00:00Z'],
  ['created_at', '9999-01-01T00:00:00Z'],
  ['timestamp', 'yesterday'],
  ['timestamp', true],
  ['metadata', 'text'],
  ['metadata', []],
  ['metadata', 5],
];

describe('POST /ingest', () => {
  it('hands one event to the stream, with its own id and its time in UTC', async () => {
    const { call, world } = startApi();
    const body = {
      ...EVENT,
      id: 'e-1',
      created_at: '2026-03-01T09:30:00.1234567+02:00',
      metadata: { a: [1] },
      score: 12.5,
    };
    const answer = await call('POST', '/ingest', { body });
    expect(answer.status).toBe(202);
    expect(answer.json).toEqual({ accepted: 1, ids: ['e-1'] });
    const createdAt = '2026-03-01T07:30:00.123456Z';
    const event = {
      id: 'e-1',
      leadId: 'lead-1',
      eventType: 'view',
      createdAt,
      metadata: { a: [1] },
      score: 12.5,
    };
    expect(world.published).toEqual([{ ou: 'one', events: [event] }]);
  });

  it('hands on metadata as it came, whatever its keys are', async () => {
    const { call, world } = startApi();
    const metadata =
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"a":{"__proto__":2}}';
    const rawBody = `{"lead_id":"l","event_type":"t","metadata":${metadata}}`;
    expect((await call('POST', '/ingest', { rawBody })).status).toBe(202);
    expect(JSON.stringify(world.published[0]?.events[0]?.metadata)).toBe(metadata);
    expect('polluted' in {}).toBe(false);
  });

  it('takes timestamp for created_at, null for absent, and drops fields it does not know', async () => {
    const { call, world } = startApi();
    const events = [
      { ...EVENT, timestamp: '2026-01-01T00:00:00Z', ou: 'two', colour: 'red' },
      { ...EVENT, created_at: null, timestamp: null, id: null, metadata: null },
      { ...EVENT, created_at: '2026-01-01T01:00:00+01:00', timestamp: '2026-01-01T00:00:00Z' },
    ];
    const answer = await call('POST', '/ingest', { body: { events } });
    const published = world.published.flatMap((each) => each.events);
    expect(published.map(({ createdAt }) => createdAt)).toEqual([
      '2026-01-01T00:00:00Z',
      null,
      '2026-01-01T00:00:00Z',
    ]);
    expect(world.published[0]?.ou).toBe('one');
    expect(published[0]).not.toHaveProperty('colour');
    expect(answer.json.ids).toEqual(published.map(({ id }) => id));
    expect(new Set(published.map(({ id }) => id)).size).toBe(3);
  });

  it('refuses created_at and timestamp that contradict each other', async () => {
    const body = { ...EVENT, created_at: '2026-01-01T00:00:00Z', timestamp: '2026-01-01T00:00:01Z' };
    const answer = await startApi().call('POST', '/ingest', { body });
    expect(answer.status).toBe(400);
    expect([...errorsOf(answer).keys()]).toEqual(['timestamp']);
  });

  it('leaves opaque fields as they are', async () => {
    const { call, world } = startApi();
    const body = { lead_id: ' Lead\u0000 ', event_type: '\tPage View\n', id: ' 1\r\n' };
    expect((await call('POST', '/ingest', { body })).status).toBe(202);
    expect(world.published[0]?.events[0]).toMatchObject({
      leadId: body.lead_id,
      eventType: body.event_type,
      id: body.id,
    });
  });

  it('takes a batch of 1000 in its order, and neither none nor 1001', async () => {
    const { call, world } = startApi();
    const events = Array.from({ length: 1_001 }, (_, index) => ({ ...EVENT, id: `e-${index}` }));
    const answer = await call('POST', '/ingest', { body: { events: events.slice(0, 1_000) } });
    expect(answer.json.accepted).toBe(1_000);
    expect(answer.json.ids).toEqual(events.slice(0, 1_000).map(({ id }) => id));
    for (const bad of [[], events, {}, null, 'x']) {
      const refused = await call('POST', '/ingest', { body: { events: bad } });
      expect([refused.status, ...errorsOf(refused).keys()]).toEqual([400, 'events']);
    }
    expect(world.published).toHaveLength(1);
  });

  it('names a field beside the events of a batch', async () => {
    const answer = await startApi().call('POST', '/ingest', { body: { events: [EVENT], ou: 'two' } });
    expect([answer.status, ...errorsOf(answer).keys()]).toEqual([400, 'ou']);
  });

  it.each(BAD_FIELDS)('refuses an event whose %s is %j, alone and in a batch', async (field, value) => {
    const { call, world } = startApi();
    const bad = { ...EVENT, [field]: value };
    const alone = await call('POST', '/ingest', { body: bad });
    expect([alone.status, ...errorsOf(alone).keys()]).toEqual([400, field]);
    const batch = await call('POST', '/ingest', { body: { events: [EVENT, bad, EVENT] } });
    expect([batch.status, ...errorsOf(batch).keys()]).toEqual([400, `events[1].${field}`]);
    expect(world.published).toEqual([]);
  });

  it('refuses ids that are not well-formed Unicode', async () => {
    const { call } = startApi();
    for (const field of ['lead_id', 'event_type', 'id']) {
      const rest = JSON.stringify({ ...EVENT, [field]: undefined }).slice(1);
      const answer = await call('POST', '/ingest', { rawBody: `{"${field}":"a\\udfffb",${rest}` });
      expect([answer.status, ...errorsOf(answer).keys()]).toEqual([400, field]);
    }
  });

  it('names every bad entry of a batch, also when all 1000 are bad', async () => {
    const events = Array.from({ length: 1_000 }, (_, index) => (index % 2 === 0 ? {} : 'no event'));
    const answer = await startApi().call('POST', '/ingest', { body: { events } });
    expect(answer.status).toBe(400);
    const paths = [...errorsOf(answer).keys()];
    for (let index = 0; index < 1_000; index += 1) {
      expect(paths).toContain(index % 2 === 0 ? `events[${index}].lead_id` : `events[${index}]`);
    }
  });

  it('answers 413 to metadata over 100,000 bytes as JSON, and takes exactly that', async () => {
    const { call, world } = startApi();
    const metadataOf = (bytes: number) => ({
      note: 'é'.repeat((bytes - '{"note":""}'.length - 1) / 2).concat('x'),
    });
    const largest = metadataOf(100_000);
    expect(Buffer.byteLength(JSON.stringify(largest))).toBe(100_000);
    expect((await call('POST', '/ingest', { body: { ...EVENT, metadata: largest } })).status).toBe(202);
    const events = [EVENT, { ...EVENT, metadata: metadataOf(100_002) }];
    const answer = await call('POST', '/ingest', { body: { events } });
    expect([answer.status, ...errorsOf(answer).keys()]).toEqual([413, 'events[1].metadata']);
    expect(world.published).toHaveLength(1);
  });

  it('refuses metadata nested so deep that writing it would fail', async () => {
    const { call } = startApi();
    const nested = (levels: number) => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
    const send = (levels: number) =>
      call('POST', '/ingest', { rawBody: `{"lead_id":"l","event_type":"t","metadata":${nested(levels)}}` });
    expect((await send(64)).status).toBe(202);
    for (const levels of [65, 400_000]) {
      const answer = await send(levels);
      expect([answer.status, ...errorsOf(answer).keys()]).toEqual([400, 'metadata']);
    }
  });

  it('answers 413 without Retry-After where the stream takes no event of that size', async () => {
    const { call } = startApi();
    const answer = await call('POST', '/ingest', { body: { ...EVENT, id: 'too-large' } });
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([413, null]);
    expect(answer.json.detail).toMatch(
      /not all stored: event too-large: no\. To send them again is of no use/,
    );
  });

  it('answers 503 with Retry-After while the stream does not store', async () => {
    const { call, world } = startApi();
    world.streamAvailable = false;
    const answer = await call('POST', '/ingest', { body: EVENT });
    expect(answer.status).toBe(503);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});
