import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FeedMessage } from '../../../src/model/event.ts';
import { WrittenMetadata } from '../../../src/model/metadata.ts';
import { decodeMessage, type RawMessage } from '../../../src/stream/decode.ts';
import { packMessages, unpackMessages } from '../../../src/stream/packedMessages.ts';
import { ouOfSubject } from '../../../src/stream/subject.ts';

/** The messages as they are read without being packed, in a form that compares. */
function read(messages: readonly RawMessage[]): object[] {
  return messages.map((message) => {
    const decoded = decodeMessage(message);
    const ou = 'event' in decoded ? decoded.event.ou : (ouOfSubject(message.subject) ?? '');
    return comparable({ ...message, decoded, ou });
  });
}

function comparable({ subject, streamSequence, arrivalMicros, data, decoded, ou }: FeedMessage): object {
  const isEvent = 'event' in decoded;
  const metadata = isEvent ? decoded.event.metadata : undefined;
  const parsed = metadata instanceof WrittenMetadata ? metadata.parsed : metadata;
  return {
    ...{ subject, streamSequence, arrivalMicros, ou, text: Buffer.from(data).toString('latin1') },
    decoded: isEvent ? { event: { ...decoded.event, metadata: parsed } } : decoded,
  };
}

/** As on the other side of a port. */
function packed(messages: readonly RawMessage[]): object[] {
  return unpackMessages(structuredClone(packMessages(messages))).map(comparable);
}

function aMessage(body: string | Uint8Array, more: Partial<RawMessage> = {}): RawMessage {
  return {
    subject: 'events.default',
    data: Buffer.from(body),
    messageId: undefined,
    streamSequence: 7,
    arrivalMicros: 1_700_000_000_000_000,
    streamName: 'EVENTS',
    ...more,
  };
}

const EVENT = { id: 'e', lead_id: 'ada', event_type: 'a', created_at: '2026-03-01T09:30:00.25+02:00' };

describe('packed messages', () => {
  it.each([
    ['a plain event', JSON.stringify(EVENT)],
    ['metadata and a score', JSON.stringify({ ...EVENT, metadata: { plan: { seats: 50 } }, score: -1.5 })],
    ['a list as metadata', JSON.stringify({ ...EVENT, metadata: [1, 2] })],
    ['a text as metadata', JSON.stringify({ ...EVENT, metadata: 'x' })],
    ['nulls', JSON.stringify({ ...EVENT, metadata: null, score: null, created_at: null })],
    [
      'the other name of the time',
      JSON.stringify({ ...EVENT, created_at: null, timestamp: EVENT.created_at }),
    ],
    ['no time', JSON.stringify({ id: 'e', lead_id: 'ada', event_type: 'a' })],
    ['no id', JSON.stringify({ lead_id: 'ada', event_type: 'a' })],
    ['an id that is a number', JSON.stringify({ ...EVENT, id: 1 })],
    ['a type that is empty', JSON.stringify({ ...EVENT, event_type: '' })],
    ['a lead that is too long', JSON.stringify({ ...EVENT, lead_id: 'x'.repeat(257) })],
    ['the longest lead', JSON.stringify({ ...EVENT, lead_id: 'x'.repeat(256) })],
    ['escapes', JSON.stringify({ ...EVENT, lead_id: 'a"b\\c' })],
    ['other letters', JSON.stringify({ ...EVENT, lead_id: 'Zoë', event_type: '語' })],
    ['a time that is none', JSON.stringify({ ...EVENT, created_at: 'yesterday' })],
    ['a time that is a number', JSON.stringify({ ...EVENT, created_at: 5 })],
    ['a score that is not finite', `${JSON.stringify(EVENT).slice(0, -1)},"score":1e999}`],
    ['a score that is a text', JSON.stringify({ ...EVENT, score: '5' })],
    ['a field that stands twice', `{"lead_id":"first",${JSON.stringify(EVENT).slice(1)}`],
    ['no JSON', 'hello'],
    ['nothing', ''],
  ])('are read as they are read one by one: %s', (_what, body) => {
    const message = aMessage(body);
    expect(packed([message])).toEqual(read([message]));
  });

  it('keep their places, subjects and ids of headers apart', () => {
    const without = JSON.stringify({ lead_id: 'ada', event_type: 'a' });
    const messages = [
      aMessage(JSON.stringify(EVENT), { streamSequence: 1 }),
      aMessage(without, { streamSequence: 2, messageId: 'header-2', subject: 'events.other.x' }),
      aMessage(without, { streamSequence: 3, arrivalMicros: 5 }),
      aMessage(JSON.stringify(EVENT), { streamSequence: 2 ** 40, subject: 'events.$no' }),
      aMessage(Uint8Array.of(0xff, 0x00), { streamSequence: 2 ** 40 + 1 }),
    ];
    expect(packed(messages)).toEqual(read(messages));
  });

  it('are read as they are read one by one, whatever they are', () => {
    const text = fc.oneof(
      fc.constantFrom('ada', 'Zoë', '', 'a\\b', '\ud800', EVENT.created_at, '2026-13-01T00:00:00Z'),
      fc.string({ maxLength: 8 }),
    );
    const value = fc.oneof(
      { weight: 4, arbitrary: text },
      fc.constantFrom(null, true, 5, -0, 1e300, [], {}, { plan: [1, { a: 'é' }] }),
    );
    const fields = ['id', 'lead_id', 'event_type', 'created_at', 'timestamp', 'score', 'metadata', 'other'];
    const body = fc.dictionary(fc.constantFrom(...fields), value).chain((object) => {
      const json = JSON.stringify({ ...EVENT, ...object });
      return fc.oneof(
        { weight: 5, arbitrary: fc.constant(json) },
        fc.nat(json.length).map((length) => json.slice(0, length)),
      );
    });
    const message = fc
      .record({
        body,
        subject: fc.constantFrom('events.default', 'events.a.b', 'events.$x'),
        messageId: fc.constantFrom(undefined, '', 'header'),
        streamSequence: fc.nat(),
      })
      .map(({ body, ...more }) => aMessage(body, more));
    fc.assert(
      fc.property(fc.array(message, { maxLength: 5 }), (messages) => {
        expect(packed(messages)).toEqual(read(messages));
      }),
      { numRuns: 2_000 },
    );
  });
});
