import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Matcher } from '../../src/matcher/matcher.ts';
import type { MatcherLimits } from '../../src/matcher/settings.ts';
import { parseInstant } from '../../src/model/instant.ts';
import { decodeMessage, type RawMessage } from '../../src/stream/decode.ts';
import { AWKWARD_TIMES, messageId, payload, subject } from '../support/hostile.ts';
import { normalized, sequenceOf } from '../support/oracleBench.ts';
import { restarted } from '../support/oracleSubjects.ts';

/** A campaign: so many times the runs of an ordinary test. */
const RUNS = Number(process.env.RUNS ?? 1);
const ARRIVAL_MICROS = Date.UTC(2026, 0, 1, 0, 1) * 1_000;
const LIMITS: MatcherLimits = {
  allowedLatenessMicros: 86_400_000_000,
  futureSkewMicros: 300_000_000,
  heldEventsMax: 64,
};

const message: fc.Arbitrary<RawMessage> = fc.record({
  subject,
  data: payload,
  messageId,
  streamSequence: fc.constantFrom(1, 7, 2 ** 32, 2 ** 52),
  arrivalMicros: fc.constantFrom(0, ARRIVAL_MICROS, 9e15),
  streamName: fc.constant('EVENTS'),
});

/** What the contract says of a message, by other means than the decoder's; null where it is an event. */
function expectedReason({ subject, data, messageId }: RawMessage): string | null {
  if (!/^[^.]*\.[A-Za-z0-9_-]{1,64}(?:\.|$)/s.test(subject)) return 'invalid_subject';
  if (data.length > 1_048_576) return 'too_large';
  const body = parsed(data);
  if (body === undefined) return 'not_json';
  const lead = body.get('lead_id') ?? null;
  if (lead === null) return 'missing_field';
  if (!isTextWithin(lead, 256)) return 'invalid_field';
  const type = body.get('event_type') ?? null;
  if (type === null) return 'missing_field';
  if (!isTextWithin(type, 128)) return 'invalid_field';
  const time = body.get('created_at') ?? body.get('timestamp') ?? null;
  if (time !== null && microsOf(time) === undefined) return 'invalid_field';
  const id = body.get('id') ?? (messageId === '' ? null : (messageId ?? null));
  return id === null || isTextWithin(id, 256) ? null : 'invalid_field';
}

/** The body's own members; undefined where it is no object in UTF-8. */
function parsed(data: Uint8Array): ReadonlyMap<string, unknown> | undefined {
  const text = Buffer.from(data).toString('utf8');
  const isUtf8 = Buffer.compare(Buffer.from(text), data) === 0;
  try {
    // A byte-order mark may stand before JSON, and is no part of it.
    const value: unknown = JSON.parse(text.replace(/^\u{feff}/u, ''));
    const isObject = Object.prototype.toString.call(value) === '[object Object]';
    return isUtf8 && isObject ? new Map(Object.entries(value as object)) : undefined;
  } catch {
    return undefined;
  }
}

function isTextWithin(value: unknown, bytesMax: number): value is string {
  if (typeof value !== 'string' || value === '') return false;
  const bytes = Buffer.from(value);
  return bytes.length <= bytesMax && bytes.toString('utf8') === value;
}

/** A time by a pattern, the calendar of Date and big integers; undefined where it is none. */
function microsOf(value: unknown): number | undefined {
  const pattern =
    /^(\d{4})-(\d\d)-(\d\d)[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))$/;
  const match = typeof value === 'string' ? pattern.exec(value) : null;
  if (match === null) return undefined;
  const part = (index: number) => Number(match[index] ?? 0);
  const date = new Date(0);
  date.setUTCFullYear(part(1), part(2) - 1, part(3));
  if (date.getUTCMonth() !== part(2) - 1 || date.getUTCDate() !== part(3)) return undefined;
  const offset = (match[8] === '-' ? -1 : 1) * (part(9) * 3_600 + part(10) * 60);
  const seconds = date.getTime() / 1_000 + part(4) * 3_600 + part(5) * 60 + part(6) - offset;
  const micros = BigInt(seconds) * 1_000_000n + BigInt((match[7] ?? '').padEnd(6, '0').slice(0, 6));
  return Number.isSafeInteger(Number(micros)) ? Number(micros) : undefined;
}

describe('whatever a message holds', () => {
  it('decoding gives an event or the reason that the contract names, the same each time', () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(message, (raw) => {
        const decoded = decodeMessage(raw);
        expect(decodeMessage(raw)).toEqual(decoded);
        const reason = 'rejection' in decoded ? decoded.rejection.reason : null;
        expect(reason).toBe(expectedReason(raw));
        seen.set(String(reason), (seen.get(String(reason)) ?? 0) + 1);
        if ('rejection' in decoded) {
          expect(decoded.rejection.detail).toMatch(/^[^\n\r]{10,400}$/u);
          return;
        }
        const { event } = decoded;
        const body = parsed(raw.data);
        expect(event.leadId).toBe(body?.get('lead_id'));
        expect(event.type).toBe(body?.get('event_type'));
        expect(event.ou).toBe(raw.subject.split('.')[1]);
        expect(isTextWithin(event.id, 256)).toBe(true);
        const time = body?.get('created_at') ?? body?.get('timestamp') ?? null;
        expect(event.timeMicros).toBe(time === null ? raw.arrivalMicros : microsOf(time));
        expect([event.streamSequence, event.arrivalMicros]).toEqual([raw.streamSequence, raw.arrivalMicros]);
      }),
      { numRuns: 8_000 * RUNS },
    );
    for (const reason of ['null', 'invalid_subject', 'not_json', 'missing_field', 'invalid_field']) {
      expect([reason, (seen.get(reason) ?? 0) > 20 * RUNS]).toEqual([reason, true]);
    }
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it('what passes is matched, written and read again with the same bytes and the same future', () => {
    const types = ['a', 'b', '__proto__', '\0', '😀'.repeat(32)];
    const define = (matcher: Matcher): void => {
      for (const type of types) {
        matcher.setSequence({
          ...sequenceOf('A,B'),
          id: `seq-${type}`,
          ou: 'default',
          eventTypes: ['a', type],
          windowMicros: 600_000_000,
        });
      }
    };
    let held = 0;
    let completions = 0;
    fc.assert(
      fc.property(fc.array(message, { minLength: 10, maxLength: 40, size: 'max' }), (messages) => {
        const events = messages.flatMap((raw, index) => {
          const at = { streamSequence: index + 1, arrivalMicros: ARRIVAL_MICROS + index };
          const decoded = decodeMessage({ ...raw, ...at, subject: 'events.default' });
          return 'event' in decoded ? [decoded.event] : [];
        });
        const half = Math.floor(events.length / 2);
        const apply = (matcher: Matcher, some: typeof events) =>
          some.map((event) => normalized(matcher.apply(event)));
        const whole = new Matcher(LIMITS);
        define(whole);
        const expected = apply(whole, events);
        const first = new Matcher(LIMITS);
        define(first);
        expect(apply(first, events.slice(0, half))).toEqual(expected.slice(0, half));
        const second = restarted(first, LIMITS, define);
        expect(encodings(second)).toEqual(encodings(first));
        expect(apply(second, events.slice(half))).toEqual(expected.slice(half));
        expect(encodings(second)).toEqual(encodings(whole));
        for (const outcome of expected) {
          if (outcome.kind === 'rejected') expect(['too_late', 'in_future']).toContain(outcome.reason);
          if (outcome.kind !== 'held') continue;
          held += 1;
          completions += outcome.completions.length;
        }
      }),
      { numRuns: 400 * RUNS },
    );
    expect([held > 1_000 * RUNS, completions > 50 * RUNS]).toEqual([true, true]);
  });
});

function encodings(matcher: Matcher): [string, Buffer][] {
  return [...matcher.leads()]
    .map(({ ou, leadId }): [string, Buffer] => [leadId, Buffer.from(matcher.encodeLead(ou, leadId) ?? [])])
    .sort(([one], [other]) => (one < other ? -1 : 1));
}

describe('a time', () => {
  it.each(AWKWARD_TIMES)('is read as the calendar has it, or not at all: %j', (text) => {
    expect(parseInstant(text)).toBe(microsOf(text));
  });
});

/** The message with this as its payload, at an ordinary place. */
function decodedOf(data: string | Uint8Array) {
  const at = {
    subject: 'events.default',
    messageId: undefined,
    streamSequence: 7,
    arrivalMicros: ARRIVAL_MICROS,
  };
  return decodeMessage({ ...at, streamName: 'EVENTS', data: Buffer.from(data) });
}

describe('a message that is made to exhaust something', () => {
  const nested = (open: string, close: string) => `${open.repeat(100_000)}1${close.repeat(100_000)}`;
  it.each([
    ['100,000 arrays in each other, as a whole', nested('[', ']')],
    ['100,000 arrays in each other, as a lead', `{"lead_id":${nested('[', ']')},"event_type":"a"}`],
    [
      '100,000 objects in each other, as a time',
      `{"lead_id":"l","event_type":"a","created_at":${nested('{"a":', '}')}}`,
    ],
    ['100,000 arrays that are never closed', '['.repeat(100_000)],
    ['a number of a million digits as the lead', `{"lead_id":${'9'.repeat(1_000_000)},"event_type":"a"}`],
    ['a lead of a million characters', `{"lead_id":"${'x'.repeat(1_000_000)}","event_type":"a"}`],
    ['a lead of a million escapes', `{"lead_id":"${'\\u0000'.repeat(170_000)}","event_type":"a"}`],
    [
      'a fraction of a million digits',
      `{"lead_id":"l","event_type":"a","created_at":"2026-01-01T00:00:00.${'1'.repeat(1_000_000)}"}`,
    ],
    ['a million bytes that are not UTF-8', Buffer.alloc(1_000_000, 0xff)],
    ['twenty megabytes', Buffer.alloc(20_000_000, 0x20)],
  ])('is rejected with a short reason: %s', (_what, data) => {
    const decoded = decodedOf(data);
    expect('rejection' in decoded && decoded.rejection.detail.length).toBeLessThan(400);
  });

  it('is accepted where only what nobody reads is excessive', () => {
    const decoded = decodedOf(`{"lead_id":"l","metadata":${nested('[', ']')},"event_type":"a"}`);
    // Whether so deep a text is read at all is up to the engine's JSON parser: it is or it is no JSON.
    if ('rejection' in decoded) expect(decoded.rejection.reason).toBe('not_json');
    else expect(decoded.event.leadId).toBe('l');
    const digits = '1'.repeat(900_000);
    expect(
      decodedOf(`{"lead_id":"l","event_type":"a","created_at":"2026-01-01T00:00:00.${digits}Z"}`),
    ).toMatchObject({
      event: { timeMicros: Date.UTC(2026) * 1_000 + 111_111 },
    });
  });

  it('leaves nothing behind: memory after many is what it was after some', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const heldAfter = (runs: number): number => {
      for (let run = 0; run < runs; run++) {
        for (const each of messages) decodeMessage({ ...each, streamSequence: run + 1 });
        decodedOf(`{"lead_id":"lead-${run}","event_type":"type-${run}","id":"id-${run}"}`);
        decodedOf(`{"lead_id":"${String(run).repeat(300)}"}`);
      }
      collect();
      return process.memoryUsage().heapUsed;
    };
    const messages = fc.sample(message, 200);
    const before = heldAfter(20);
    // What is kept of one round would be some tens of kilobytes.
    expect(heldAfter(200 * RUNS) - before).toBeLessThan(3e6);
  });
});
