import { Webhook } from 'standardwebhooks';
import { expect, it } from 'vitest';
import { SECRET } from '../support/outbox.ts';
import type { MadeChange } from './changes.ts';
import { differences } from './comparison.ts';
import { expectedOf } from './expected.ts';
import type { History, Observed } from './observed.ts';
import { plannedMessage } from './plannedMessages.ts';
import type { StreamMessage } from './stream.ts';

/** A campaign in small: one lead does a then b, and one message cannot be used. What is seen is as it must be. */

const SEED = 1;
const URL_OF_HOOK = 'http://127.0.0.1:9/hook/1';
const TIME = '2026-01-01T00:00:00';
const indices = Array.from({ length: 500 }, (_, index) => index);
const properIndices = indices.filter((index) => plannedMessage(SEED, index).malformed === null);
const malformedIndex = indices.find((index) => plannedMessage(SEED, index).malformed === 'not_json')!;

function message(sequence: number, index: number, text: string): StreamMessage {
  const arrivalMicros = Date.parse(`${TIME}Z`) * 1_000 + sequence * 1_000_000;
  return { sequence, arrivalMicros, subject: 'events.alpha', messageId: `m${index}`, text };
}

const eventText = (type: string, created_at?: string) =>
  JSON.stringify({ id: type, lead_id: 'lead', event_type: type, created_at });
const event = (sequence: number, type: string) =>
  message(sequence, properIndices[sequence]!, eventText(type));

const stream = [event(1, 'a'), message(2, malformedIndex, '{'), event(3, 'b')];
const body = {
  name: 'a then b',
  event_types: ['a', 'b'],
  window_seconds: 5,
  ordered: true,
  active: true,
  refire: { mode: 'every', cooldown_seconds: null },
  max_fire_delay_seconds: null,
  webhook_url: URL_OF_HOOK,
} as const;
const version = { ou: 'alpha', id: 'seq-1', version: 1, body, effectiveFrom: 0, secrets: [SECRET] };
const changes: readonly MadeChange[] = [{ position: 0, ou: 'alpha', id: 'seq-1', after: version }];

const events = [
  { id: 'a', event_type: 'a', created_at: `${TIME.slice(0, -2)}01Z` },
  { id: 'b', event_type: 'b', created_at: `${TIME.slice(0, -2)}03Z` },
];
const fire = {
  id: 'fire-1',
  sequence_id: 'seq-1',
  sequence_name: 'a then b',
  lead_id: 'lead',
  event_types: ['a', 'b'],
  fired_at: `${TIME.slice(0, -2)}03Z`,
  late: false,
  events,
  delivery: 'delivered',
  deliveries: [{ id: 'del-1' }],
};
const delivery = {
  id: 'del-1',
  fire_id: 'fire-1',
  sequence_id: 'seq-1',
  destination: URL_OF_HOOK,
  state: 'delivered',
  attempts: 1,
};
const text = JSON.stringify({
  trigger: { id: 'seq-1', name: 'a then b', type: 'sequence' },
  lead_id: 'lead',
  sequence: ['a', 'b'],
  events,
});
const request = {
  id: 'fire-1',
  timestamp: '1767225603',
  signature: new Webhook(SECRET).sign('fire-1', new Date(1_767_225_603_000), text),
  path: '/hook/1',
  body: text,
  status: 204,
  atMs: 0,
};
const history: History = {
  ou: 'alpha',
  fires: [fire],
  deliveries: [delivery],
  rejected: [{ stream_sequence: 2, reason: 'not_json' }],
};
const observed: Observed = {
  histories: [history],
  received: [{ ...request, status: 503 }, request],
  positions: [[1, 1, 3], [2]],
  loadedPositions: [0, 2, 2],
  troubles: [],
};

const seen = (change: Partial<Observed>, inHistory: Partial<History> = {}, made = changes) =>
  differences(
    expectedOf(SEED, stream, made),
    { ...observed, histories: [{ ...history, ...inHistory }], ...change },
    made,
  ).map(({ what }) => what);

it('finds nothing where all is as it must be, also when a rejected message is listed again', () => {
  expect(seen({})).toEqual([]);
  expect(seen({}, { rejected: [...history.rejected, ...history.rejected] })).toEqual([]);
});

it.each<[string, RegExp, Partial<Observed>, Partial<History>?]>([
  ['a missing fire', /a fire that is missing/, { received: [] }, { fires: [], deliveries: [] }],
  [
    'a fire that nothing asks for',
    /a fire that must not be/,
    {},
    { fires: [fire, { ...fire, id: 'fire-2', lead_id: 'other', deliveries: [] }] },
  ],
  ['a fire under two ids', /there twice/, {}, { fires: [fire, { ...fire, id: 'fire-2' }] }],
  [
    'a fire with another first event',
    /not as it must be/,
    {},
    { fires: [{ ...fire, events: [{ ...events[0]!, id: 'c' }, events[1]!] }] },
  ],
  ['a fire that is wrongly late', /not as it must be/, {}, { fires: [{ ...fire, late: true }] }],
  ['a fire under an older name', /not as it must be/, {}, { fires: [{ ...fire, sequence_name: 'before' }] }],
  ['a fire without its delivery', /^deliveries {2}instead of delivered/, {}, { deliveries: [] }],
  ['a delivery of no fire', /no fire knows/, {}, { deliveries: [delivery, { ...delivery, id: 'del-2' }] }],
  ['a delivery that is not listed', /that is not listed: fire-1 del-1/, {}, { deliveries: [] }],
  ['a delivery that is listed twice', /listed twice/, {}, { deliveries: [delivery, delivery] }],
  ['a dead delivery', /^deliveries dead/, {}, { deliveries: [{ ...delivery, state: 'dead' }] }],
  ['a webhook that never came', /never received/, { received: [] }],
  ['a webhook that was only refused', /never received/, { received: [{ ...request, status: 503 }] }],
  ['a webhook of no fire', /which no fire has/, { received: [request, { ...request, id: 'fire-2' }] }],
  ['a repetition with another body', /another body/, { received: [request, { ...request, body: '{}' }] }],
  ['a webhook to another path', /another path/, { received: [{ ...request, path: '/' }] }],
  ['a wrong signature', /wrong signature/, { received: [{ ...request, timestamp: '1767225604' }] }],
  ['a rejection that is not listed', /alpha: a rejected message that is not listed: 2/, {}, { rejected: [] }],
  [
    'an event listed as rejected',
    /alpha: listed as rejected, but is not: 3/,
    {},
    { rejected: [...history.rejected, { stream_sequence: 3, reason: 'not_json' }] },
  ],
  ['a position that falls', /metrics went back/, { positions: [[1, 3, 2]] }],
  ['older lead states', /lead states went back/, { loadedPositions: [0, 2, 1] }],
  ['what a process says of itself', /ended by itself/, { troubles: ['the program ended by itself'] }],
])('finds %s', (_what, sentence, change, inHistory) => {
  expect(seen(change, inHistory)).toContainEqual(expect.stringMatching(sentence));
});

it('lets a repetition go where a later version of the sequence points, and nothing else', () => {
  const url = `${URL_OF_HOOK}/later`;
  const later = { ...version, version: 2, body: { ...body, webhook_url: url } };
  const made = [...changes, { position: 3, ou: 'alpha', id: 'seq-1', after: later }];
  const moved = { ...delivery, destination: url, attempts: 2 };
  const arrived = { received: [request, { ...request, path: new URL(url).pathname }] };
  expect(seen(arrived, { deliveries: [moved] }, made)).toEqual([]);
  expect(seen(arrived, { deliveries: [{ ...moved, attempts: 1 }] }, made)).not.toEqual([]);
  expect(seen(arrived, { deliveries: [moved] })).not.toEqual([]);
});

it('verifies no signature where a kill has cut off the answer that told the first secret', () => {
  const made = [{ ...changes[0]!, after: { ...version, secrets: null } }];
  expect(seen({ received: [{ ...request, signature: 'v1,other' }] }, {}, made)).toEqual([]);
});

it('expects nothing but its row of a fire without a URL, and finds a webhook that went out all the same', () => {
  const silent = { ...version, body: { ...body, webhook_url: null } };
  const made = [{ ...changes[0]!, after: silent }];
  const without = { fires: [{ ...fire, deliveries: [] }], deliveries: [] };
  expect(seen({ received: [] }, without, made)).toEqual([]);
  expect(seen({}, without, made)).toEqual(['a webhook that nobody asked for']);
});

it('expects a stale fire to be kept and not sent', () => {
  // The message at 3 s brings about what was complete at 1 s.
  const late = message(3, properIndices[3]!, eventText('a', `${TIME.slice(0, -2)}00Z`));
  const stale = { ...version, body: { ...body, max_fire_delay_seconds: 1 } };
  const made = [{ ...changes[0]!, after: stale }];
  const expected = expectedOf(SEED, [message(1, properIndices[1]!, eventText('b')), late], made);
  const views = [
    { ...events[0]!, created_at: `${TIME.slice(0, -2)}00Z` },
    { ...events[1]!, created_at: `${TIME.slice(0, -2)}01Z` },
  ];
  const view = { ...fire, events: views, late: true, delivery: 'skipped_stale' };
  const kept: History = {
    ou: 'alpha',
    fires: [view],
    deliveries: [{ ...delivery, state: 'skipped_stale' }],
    rejected: [],
  };
  const found = (received: Observed['received'], state: string) =>
    differences(
      expected,
      { ...observed, received, histories: [{ ...kept, deliveries: [{ ...delivery, state }] }] },
      made,
    ).map(({ what }) => what);
  expect(found([], 'skipped_stale')).toEqual([]);
  expect(found([], 'delivered')).toContainEqual(expect.stringMatching(/^deliveries delivered/));
  expect(found([request], 'skipped_stale')).toEqual(['a webhook that nobody asked for']);
});

it('expects what a change asks for from its position on, and finds one that took effect before another', () => {
  const created = changes[0]!;
  const renamed = { ...created, after: { ...version, version: 2, body: { ...body, name: 'renamed' } } };
  expect(seen({}, {}, [created, { ...renamed, position: 3 }])).toEqual([]);
  expect(seen({}, {}, [created, { ...renamed, position: 2 }])).toContain('a fire that is not as it must be');
  expect(seen({}, {}, [created, { ...created, after: null, position: 2 }])).toContain(
    'a fire that must not be',
  );
  const backward = [
    { ...created, position: 1 },
    { ...renamed, position: 0 },
  ];
  expect(seen({}, {}, backward)).toContainEqual(expect.stringMatching(/took effect at 0, before one/));
});
