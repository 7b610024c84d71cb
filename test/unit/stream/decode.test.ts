import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LeadEvent } from '../../../src/model/event.ts';
import { parsedMetadata } from '../../../src/model/metadata.ts';
import { decodeMessage, type RawMessage } from '../../../src/stream/decode.ts';

const ARRIVAL_MICROS = 1_767_225_600_000_000;

function message(body: unknown, more: Partial<RawMessage> = {}): RawMessage {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return {
    subject: 'events.default',
    data: Buffer.from(text),
    messageId: undefined,
    streamSequence: 7,
    arrivalMicros: ARRIVAL_MICROS,
    streamName: 'EVENTS',
    ...more,
  };
}

function eventOf(body: unknown, more?: Partial<RawMessage>) {
  const decoded = decodeMessage(message(body, more));
  return 'event' in decoded ? decoded.event : decoded.rejection;
}

function rejectionOf(body: unknown, more?: Partial<RawMessage>) {
  const decoded = decodeMessage(message(body, more));
  return 'rejection' in decoded ? decoded.rejection : undefined;
}

const GOOD = { id: 'e1', lead_id: 'l1', event_type: 'view', created_at: '2026-01-01T00:00:00.5Z' };

describe('decoding a message', () => {
  it('reads every field of an event', () => {
    const body = { ...GOOD, metadata: { any: 'thing' }, score: -2.5, other: 1 };
    const event = eventOf(body, { subject: 'events.acme.web.eu' }) as LeadEvent;
    expect({ ...event, metadata: parsedMetadata(event.metadata) }).toEqual({
      ou: 'acme',
      leadId: 'l1',
      id: 'e1',
      type: 'view',
      timeMicros: 1_767_225_600_500_000,
      streamSequence: 7,
      arrivalMicros: ARRIVAL_MICROS,
      metadata: { any: 'thing' },
      score: -2.5,
    });
  });

  it.each(['12', true, [], {}])('says that a score of %j is no number', (score) => {
    expect(rejectionOf({ ...GOOD, score })).toMatchObject({
      reason: 'invalid_field',
      detail: expect.stringMatching(/^score is .*, but must be a number between/),
    });
  });

  it('says that a score beyond all numbers is none', () => {
    const data = Buffer.from('{"lead_id":"l1","event_type":"view","score":1e999}');
    expect(rejectionOf(GOOD, { data })?.detail).toBe(
      'score is Infinity, but must be a number between -1.8e308 and 1.8e308',
    );
  });

  it('takes a score of null, and metadata that is no object, for absent', () => {
    const event = eventOf({ ...GOOD, score: null, metadata: 'text' });
    expect(event).toMatchObject({ score: undefined, metadata: undefined });
  });

  it('R14: takes the arrival time where there is no created_at and no timestamp', () => {
    expect(eventOf({ ...GOOD, created_at: undefined })).toMatchObject({ timeMicros: ARRIVAL_MICROS });
    expect(eventOf({ ...GOOD, created_at: null, timestamp: null })).toMatchObject({
      timeMicros: ARRIVAL_MICROS,
    });
  });

  it('R14: takes timestamp as another name of created_at, which wins where both stand', () => {
    const timestamp = '2026-01-01T02:00:00+02:00';
    expect(eventOf({ ...GOOD, created_at: undefined, timestamp })).toMatchObject({
      timeMicros: ARRIVAL_MICROS,
    });
    expect(eventOf({ ...GOOD, timestamp: 'ignored' })).toMatchObject({
      timeMicros: ARRIVAL_MICROS + 500_000,
    });
  });

  it('R14: takes the Nats-Msg-Id header as the id, and else the place in the stream', () => {
    const body = { ...GOOD, id: null };
    expect(eventOf(body, { messageId: 'header' })).toMatchObject({ id: 'header' });
    expect(eventOf(body)).toMatchObject({ id: 'EVENTS:7' });
    expect(eventOf(body, { messageId: '' })).toMatchObject({ id: 'EVENTS:7' });
    expect(eventOf(GOOD, { messageId: 'header' })).toMatchObject({ id: 'e1' });
  });

  it('R14: keeps lead ids and types as they are written', () => {
    const body = { ...GOOD, lead_id: ' Ünïcode 😀\n', event_type: 'Page View' };
    expect(eventOf(body)).toMatchObject({ leadId: ' Ünïcode 😀\n', type: 'Page View' });
  });

  it.each([
    ['lead_id', 256],
    ['event_type', 128],
    ['id', 256],
  ])('measures %s in bytes of UTF-8, at most %i', (field, bytesMax) => {
    const full = 'é'.repeat(bytesMax / 2);
    expect(rejectionOf({ ...GOOD, [field]: full })).toBeUndefined();
    expect(rejectionOf({ ...GOOD, [field]: `${full}x` })).toMatchObject({
      reason: 'invalid_field',
      detail: expect.stringContaining(`1 to ${bytesMax} bytes`),
    });
  });

  it.each([
    ['a field missing', { event_type: 'a' }, 'missing_field', /^lead_id is missing/],
    ['a null field', { lead_id: 'l', event_type: null }, 'missing_field', /^event_type is missing/],
    ['an empty lead', { ...GOOD, lead_id: '' }, 'invalid_field', /^lead_id is "", but must be a string/],
    ['a numeric lead', { ...GOOD, lead_id: 42 }, 'invalid_field', /^lead_id is 42,/],
    ['an object as type', { ...GOOD, event_type: {} }, 'invalid_field', /^event_type is an object,/],
    ['an array as type', { ...GOOD, event_type: ['a'] }, 'invalid_field', /^event_type is an array,/],
    ['a numeric id', { ...GOOD, id: 7 }, 'invalid_field', /^id is 7,/],
    [
      'a numeric time',
      { ...GOOD, created_at: 1_700_000_000 },
      'invalid_field',
      /^created_at is 1700000000,.*RFC 3339/,
    ],
    [
      'a time without offset',
      { ...GOOD, created_at: '2026-01-01T00:00:00' },
      'invalid_field',
      /^created_at is "2026/,
    ],
    ['an empty time', { ...GOOD, created_at: '' }, 'invalid_field', /^created_at is ""/],
    [
      'a wrong timestamp',
      { ...GOOD, created_at: null, timestamp: 'now' },
      'invalid_field',
      /^timestamp is "now"/,
    ],
    [
      'a lone surrogate in the lead',
      `{"lead_id":"\\ud800","event_type":"a"}`,
      'invalid_field',
      /^lead_id is "\\ud800"/,
    ],
    [
      'a lone surrogate in the id',
      `{"lead_id":"l","event_type":"a","id":"\\udfff"}`,
      'invalid_field',
      /^id is/,
    ],
    ['text', 'hello', 'not_json', /^the message is "hello"/],
    ['nothing', '', 'not_json', /^the message is ""/],
    ['a list', '[1]', 'not_json', /an array, but must be a JSON object/],
    ['null', 'null', 'not_json', /null, but must be a JSON object/],
    ['a number', '12', 'not_json', /12, but must be a JSON object/],
  ])('rejects %s with its reason', (_what, body, reason, detail) => {
    expect(rejectionOf(body)).toMatchObject({ reason, detail: expect.stringMatching(detail) });
  });

  it('rejects bytes that are not UTF-8', () => {
    const data = Buffer.concat([
      Buffer.from('{"lead_id":"'),
      Buffer.from([0xff]),
      Buffer.from('","event_type":"a"}'),
    ]);
    expect(rejectionOf('', { data })).toMatchObject({
      reason: 'not_json',
      detail: expect.stringContaining('UTF-8'),
    });
  });

  it('reads a message of 1 MiB and rejects one of a byte more', () => {
    const padding = 1_048_576 - JSON.stringify({ ...GOOD, pad: '' }).length;
    expect(rejectionOf({ ...GOOD, pad: 'x'.repeat(padding) })).toBeUndefined();
    expect(rejectionOf({ ...GOOD, pad: 'x'.repeat(padding + 1) })).toMatchObject({
      reason: 'too_large',
      detail: 'the message has 1048577 bytes, but at most 1048576 are read',
    });
  });

  it.each(['events', 'events.', 'events..web', 'events.a b', `events.${'x'.repeat(65)}`, 'events.é'])(
    'rejects the subject %j, which has no OU',
    (subject) => {
      expect(rejectionOf(GOOD, { subject })).toMatchObject({ reason: 'invalid_subject' });
    },
  );

  it('rejects a Nats-Msg-Id that cannot be an id', () => {
    const rejection = rejectionOf({ ...GOOD, id: undefined }, { messageId: 'x'.repeat(257) });
    expect(rejection).toMatchObject({
      reason: 'invalid_field',
      detail: expect.stringContaining('Nats-Msg-Id'),
    });
  });

  it('cuts a long value in the detail', () => {
    const rejection = rejectionOf({ ...GOOD, lead_id: 'x'.repeat(100_000) });
    expect(rejection?.detail.length).toBeLessThan(250);
  });

  it('survives values nested deeper than a stack', () => {
    const deep = '['.repeat(200_000) + ']'.repeat(200_000);
    expect(rejectionOf(`{"lead_id":${deep},"event_type":"a"}`)).toBeDefined();
  });

  it('never throws, whatever the bytes and the subject are', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.json().map((text) => Buffer.from(text)),
      fc
        .record(
          {
            lead_id: fc.jsonValue(),
            event_type: fc.jsonValue(),
            created_at: fc.jsonValue(),
            id: fc.jsonValue(),
          },
          { requiredKeys: [] },
        )
        .map((value) => Buffer.from(JSON.stringify(value))),
    );
    const property = fc.property(
      bytes,
      fc.string(),
      fc.option(fc.string(), { nil: undefined }),
      (data, tail, id) => {
        const decoded = decodeMessage(message('', { data, subject: `events.${tail}`, messageId: id }));
        return 'event' in decoded !== 'rejection' in decoded;
      },
    );
    fc.assert(property, { numRuns: 2_000 });
  });

  it('gives every well-formed event back', () => {
    const text = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
      .filter((s) => Buffer.byteLength(s) <= 128);
    const property = fc.property(text, text, text, (leadId, type, id) => {
      expect(eventOf({ lead_id: leadId, event_type: type, id })).toMatchObject({ leadId, type, id });
    });
    fc.assert(property, { numRuns: 500 });
  });
});
