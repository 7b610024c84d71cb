import { describe, expect, it } from 'vitest';
import { reasonsOf } from '../../../src/api/leadReasons.ts';
import { createSequence } from '../../../src/api/sequenceChanges.ts';
import { newSequence } from '../../../src/api/sequenceSchema.ts';
import { Matcher } from '../../../src/matcher/matcher.ts';
import { definitionOf, type Sequence } from '../../../src/model/sequence.ts';
import { WIDE_LIMITS } from '../../support/oracleSubjects.ts';

const START_MS = Date.UTC(2026, 2, 1);
const at = (seconds: number): string =>
  new Date(START_MS + seconds * 1000).toISOString().replace('.000Z', 'Z');

interface Story {
  readonly sequence: object;
  /** Such as "a0 b9": types and seconds, in the order of their arrival; "|" is where the sequence is created, else at first. */
  readonly events: string;
  /** Seconds of the last arrival of any lead. */
  readonly askedAt: number;
  /** Another sequence of the unit has these held. */
  readonly alsoHeld?: readonly string[];
  readonly latenessSeconds?: number;
}

/** What is said of a lead after a story, by a real matcher. Events have the metadata { n: 1 }. */
function reasonsAfter({ sequence, events, askedAt, alsoHeld, latenessSeconds }: Story): readonly string[] {
  const latenessMicros =
    latenessSeconds === undefined ? {} : { allowedLatenessMicros: latenessSeconds * 1e6 };
  const matcher = new Matcher({ ...WIDE_LIMITS, ...latenessMicros });
  const body = newSequence.parse({ name: 'S', window_seconds: 3600, ordered: true, ...sequence });
  let position = 0;
  const create = (): Sequence => {
    const created = { ...createSequence('ou', 's', body, START_MS), effectiveFrom: position };
    matcher.setSequence(definitionOf(created));
    return created;
  };
  const holder = { name: 'H', event_types: alsoHeld ?? ['other'], window_seconds: 100_000, active: false };
  matcher.setSequence(definitionOf(createSequence('ou', 'h', newSequence.parse(holder), START_MS)));
  let current = events.includes('|') ? null : create();
  const apply = (leadId: string, type: string, seconds: number, arrival: number): void => {
    position++;
    matcher.apply({
      ou: 'ou',
      leadId,
      id: `e${position}`,
      type,
      timeMicros: (START_MS + seconds * 1000) * 1000,
      arrivalMicros: (START_MS + arrival * 1000) * 1000,
      streamSequence: position,
      metadata: { n: 1 },
    });
  };
  let arrival = 0;
  for (const word of events.split(' ').filter((each) => each !== '')) {
    if (word === '|') {
      current = create();
      continue;
    }
    const [, type, seconds] = /^([a-z]+)(\d+)$/.exec(word)!;
    arrival = Math.max(arrival, Number(seconds));
    apply('ada', type!, Number(seconds), arrival);
  }
  apply('bob', 'other', askedAt, askedAt);
  return reasonsOf(current!, matcher.insight.leadStanding('ou', 'ada', 's')!);
}

const GAPPED = { event_types: ['ga', 'gb'], max_gap_seconds: 5 };
const CHANGED = 'before the sequence was created, changed or activated';

const STORIES: readonly (readonly [string, Story, readonly string[]])[] = [
  [
    'the next step came later than the gap allows',
    { sequence: GAPPED, events: 'ga0 gb9', askedAt: 109 },
    [`gb at ${at(9)} came later than max_gap_seconds (5) after ga at ${at(0)}.`],
  ],
  [
    'the next step did not come within the gap',
    { sequence: GAPPED, events: 'ga0', askedAt: 100 },
    [`No gb that is held came within max_gap_seconds (5) after ga at ${at(0)}.`],
  ],
  [
    'the gap is still open',
    { sequence: GAPPED, events: 'ga0', askedAt: 3 },
    [`It waits for gb, until ${at(5)}.`],
  ],
  [
    'a third step came too late, and the first has begun anew',
    { sequence: { ...GAPPED, event_types: ['ga', 'gb', 'gc'] }, events: 'ga0 gb3 gc10 ga11', askedAt: 12 },
    [
      `gc at ${at(10)} came later than max_gap_seconds (5) after gb at ${at(3)}.`,
      `gb came before ga.`,
      `It waits for gb, then gc, until ${at(16)}.`,
    ],
  ],
  [
    'of a sequence with a gap the window has run out first',
    { sequence: { ...GAPPED, window_seconds: 3 }, events: 'ga0', askedAt: 100 },
    [`The window that began with ga at ${at(0)} has run out.`],
  ],
  [
    'it was complete before the sequence was there, and the window is over',
    {
      sequence: { event_types: ['m', 'n'], window_seconds: 10 },
      events: 'm0 n5 |',
      askedAt: 100,
      alsoHeld: ['m', 'n'],
    },
    [`All steps are filled, but n at ${at(5)}, the last of them, came ${CHANGED}.`],
  ],
  [
    'it was complete before the sequence was there, and the window goes on',
    {
      sequence: { event_types: ['m', 'n'], window_seconds: 10 },
      events: 'm0 n5 |',
      askedAt: 6,
      alsoHeld: ['m', 'n'],
    },
    [
      `All steps are filled, but n at ${at(5)}, the last of them, came ${CHANGED}.`,
      `It waits for another n, until ${at(10)}.`,
    ],
  ],
  [
    'it was complete before in another order',
    {
      sequence: { event_types: ['m', 'n'], ordered: false, window_seconds: 10 },
      events: 'n0 m5 |',
      askedAt: 6,
      alsoHeld: ['m', 'n'],
    },
    [
      `All steps are filled, but m at ${at(5)}, the last of them, came ${CHANGED}.`,
      `It waits for another m or n, until ${at(10)}.`,
    ],
  ],
  [
    'the one step came before',
    { sequence: { event_types: ['a'] }, events: 'a0 |', askedAt: 10, alsoHeld: ['a'] },
    [`a at ${at(0)} came ${CHANGED}.`, 'It waits for another a.'],
  ],
  [
    'the one step came long before',
    { sequence: { event_types: ['a'], window_seconds: 5 }, events: 'a0 |', askedAt: 10, alsoHeld: ['a'] },
    [`a at ${at(0)} came ${CHANGED}.`, 'It waits for another a.'],
  ],
  [
    'an excluded event came in between',
    { sequence: { event_types: ['a', 'b'], exclude: ['x'] }, events: 'a0 x1 b2', askedAt: 3 },
    [`x at ${at(1)}, which is excluded, came between a at ${at(0)} and b at ${at(2)}.`],
  ],
  [
    'an excluded event came after the first step',
    { sequence: { event_types: ['a', 'b'], exclude: ['x'] }, events: 'a0 x1', askedAt: 3 },
    [`x at ${at(1)}, which is excluded, came after a at ${at(0)}, so nothing that comes later goes with it.`],
  ],
  [
    'an excluded event came, and it has begun anew',
    { sequence: { event_types: ['a', 'b', 'c'], exclude: ['x'] }, events: 'a0 b1 x2 a3', askedAt: 4 },
    [
      `x at ${at(2)}, which is excluded, came after a at ${at(0)}, so nothing that comes later goes with it.`,
      `It waits for b, then c, until ${at(3603)}.`,
    ],
  ],
  [
    'it was complete before, and an excluded event came',
    {
      sequence: { event_types: ['a', 'b'], exclude: ['x'] },
      events: 'a0 b1 x2 |',
      askedAt: 4,
      alsoHeld: ['a', 'b', 'x'],
    },
    [`All steps are filled, but b at ${at(1)}, the last of them, came ${CHANGED}.`],
  ],
  [
    'no held event meets the conditions of the first step, and none is held for another reason',
    {
      sequence: { event_types: [{ event_type: 'wa', where: { 'metadata.n': { gte: 5 } } }, 'wb'] },
      events: 'wa0 wb1',
      askedAt: 3,
    },
    ['No held event fills the first step; it waits for wa that meets its conditions, then wb.'],
  ],
  [
    'a held event does not meet the conditions',
    {
      sequence: { event_types: [{ event_type: 'wa', where: { 'metadata.n': { gte: 5 } } }, 'wb'] },
      events: 'wa0 wb1',
      askedAt: 3,
      alsoHeld: ['wa'],
    },
    [
      `wa at ${at(0)} does not meet the conditions of its step.`,
      'No held event fills the first step; it waits for wa that meets its conditions, then wb.',
    ],
  ],
  [
    'a held event came before there was a condition to judge it by',
    {
      sequence: { event_types: ['wb', { event_type: 'wa', where: { 'metadata.n': { gte: 1 } } }] },
      events: 'wb0 wa1 |',
      askedAt: 3,
      alsoHeld: ['wa', 'wb'],
    },
    [
      `wa at ${at(1)} is not known to meet the conditions of its step: it came ${CHANGED}.`,
      `It waits for wa that meets its conditions, until ${at(3600)}.`,
    ],
  ],
  [
    'nothing is held, where a step has conditions',
    {
      sequence: { event_types: [{ event_type: 'wa', where: { 'metadata.n': { gte: 5 } } }] },
      events: 'wa0',
      askedAt: 3,
    },
    ['No event that a step of the sequence accepts is held.'],
  ],
  [
    'it just fired',
    { sequence: { event_types: ['a', 'b'] }, events: 'a0 b1', askedAt: 3 },
    [
      `It fired at ${at(1)}, completed by event e2; events up to that one are used up.`,
      'No held event after it fills the first step; it waits for a, then b.',
    ],
  ],
  [
    'it fired, and has begun anew',
    { sequence: { event_types: ['a', 'b'] }, events: 'a0 b1 a2', askedAt: 3 },
    [
      `It fired at ${at(1)}, completed by event e2; events up to that one are used up.`,
      `It waits for b, until ${at(3602)}.`,
    ],
  ],
  [
    'a completion after the fire was held back',
    {
      sequence: { event_types: ['a'], refire: { mode: 'cooldown', cooldown_seconds: 100 } },
      events: 'a0 a5',
      askedAt: 6,
    },
    [
      `It fired at ${at(0)}; the cooldown lasts until ${at(100)}.`,
      `Events up to ${at(5)} were used by a completion.`,
      'No held event after it fills the first step; it waits for a.',
    ],
  ],
  [
    'two events of one time completed it, of which one was held back',
    {
      sequence: { event_types: ['a'], refire: { mode: 'cooldown', cooldown_seconds: 100 } },
      events: 'a0 a0',
      askedAt: 200,
    },
    [
      `It fired at ${at(0)}; events up to that one are used up.`,
      'No held event after it fills the first step; it waits for a.',
    ],
  ],
  [
    'the first step was refused as too late',
    { sequence: { event_types: ['a', 'b'] }, events: 'b100 a0', askedAt: 101, latenessSeconds: 10 },
    ['No held event fills the first step; it waits for a, then b.'],
  ],
  [
    'the last step came after the window',
    { sequence: { event_types: ['a', 'b'], window_seconds: 10 }, events: 'a0 b100', askedAt: 101 },
    [`b at ${at(100)} came after the window that began with a at ${at(0)} had run out.`],
  ],
  [
    'any of the steps came after the window',
    {
      sequence: { event_types: ['a', 'b'], window_seconds: 10, ordered: false },
      events: 'b0 a100',
      askedAt: 101,
    },
    [
      `a at ${at(100)} came after the window that began with b at ${at(0)} had run out.`,
      `It waits for b, until ${at(110)}.`,
    ],
  ],
];

describe('the reasons why a lead did not fire are true where', () => {
  it.each(STORIES)('%s', (_, story, reasons) => {
    expect(reasonsAfter(story)).toEqual(reasons);
  });
});
