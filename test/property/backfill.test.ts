import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Matcher } from '../../src/matcher/matcher.ts';
import type { MatcherLimits } from '../../src/matcher/settings.ts';
import type { LeadEvent } from '../../src/model/event.ts';
import type { SequenceDefinition } from '../../src/model/sequence.ts';
import type { StepEntry, Where } from '../../src/model/step.ts';
import { normalized, SECOND_MICROS, sequenceOf } from '../support/oracleBench.ts';
import { restarted } from '../support/oracleSubjects.ts';

const LEADS = ['one', 'two', 'three'];
const TYPES = ['A', 'B', 'C', 'K', 'X'];
const CONDITIONS: readonly Where[] = [
  { 'metadata.n': { gte: 1 } },
  { 'metadata.n': { lte: 1 } },
  { 'metadata.n': { in: [0, 2] } },
];

interface Draft {
  readonly lead: number;
  readonly type: number;
  readonly step: number;
  readonly lag: number;
  readonly repeats: number | null;
  /** In the metadata, for conditions. */
  readonly n: number;
}

/** What happens beside the events once the past counts. */
type Aside = { readonly kind: 'merge'; readonly lead: number } | { readonly kind: 'restart' | 'sweep' };

const drafts = (isDisordered: boolean): fc.Arbitrary<Draft> =>
  fc.record({
    lead: fc.nat(LEADS.length - 1),
    type: fc.nat(TYPES.length - 1),
    step: fc.nat(2),
    lag: isDisordered ? fc.oneof(fc.constant(0), fc.nat(12)) : fc.constant(0),
    repeats: isDisordered ? fc.option(fc.nat(8), { freq: 8 }) : fc.constant(null),
    n: fc.nat(2),
  });

/** Steps for some types: plain ones, and such that look closer. */
const entriesOf = (types: fc.Arbitrary<string>, count: number): fc.Arbitrary<StepEntry[]> =>
  fc.array(
    fc.oneof(
      types as fc.Arbitrary<StepEntry>,
      fc.record({
        types: fc.uniqueArray(types, { minLength: 1, maxLength: 2 }),
        where: fc.option(fc.constantFrom(...CONDITIONS), { freq: 4 }),
        count: fc.constant(1),
      }),
    ),
    { minLength: 1, maxLength: count },
  );

const asides: fc.Arbitrary<Aside> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('merge' as const), lead: fc.nat(LEADS.length - 1) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('restart' as const, 'sweep' as const) }) },
);

const scenarios = (isDisordered: boolean) =>
  fc.record({
    lateness: isDisordered ? fc.nat(8) : fc.constant(0),
    entries: entriesOf(fc.constantFrom('A', 'B', 'C', 'K'), 4),
    exclude: fc.option(fc.constantFrom('C', 'X'), { freq: 4 }),
    maxGap: fc.option(fc.integer({ min: 1, max: 8 }), { freq: 4 }),
    window: fc.integer({ min: 1, max: 20 }),
    ordered: fc.boolean(),
    other: entriesOf(fc.constantFrom('A', 'K', 'B'), 3),
    otherWindow: fc.integer({ min: 1, max: 12 }),
    before: fc.array(drafts(isDisordered), { minLength: 5, maxLength: 40, size: 'max' }),
    // Of an event that is repeated here the leads would hold the repetition, as the first that they saw (R13).
    between: fc.array(
      drafts(isDisordered).map((draft) => ({ ...draft, repeats: null })),
      // A log that is reduced here is so by what can follow the events that it has without the past.
      { maxLength: isDisordered ? 4 : 0 },
    ),
    after: fc.array(fc.tuple(drafts(isDisordered), fc.option(asides, { freq: 2 })), {
      minLength: 3,
      maxLength: 25,
      size: 'max',
    }),
  });

/** No event is older than its arrival by more than the lateness: then silence in the stream forgets nothing of use. */
function eventsOf(drafts: readonly Draft[], lateness: number): LeadEvent[] {
  const events: LeadEvent[] = [];
  let clock = 1_700_000_000;
  for (const { lead, type, step, lag, repeats, n } of drafts) {
    clock += step;
    const streamSequence = events.length + 1;
    const arrivalMicros = clock * SECOND_MICROS;
    const earliestMicros = (clock - lateness) * SECOND_MICROS;
    const repeated = events
      .filter(({ timeMicros }) => timeMicros >= earliestMicros)
      .at(-1 - (repeats ?? 1e9));
    events.push(
      repeated !== undefined
        ? { ...repeated, streamSequence, arrivalMicros }
        : {
            ou: 'ou',
            leadId: LEADS[lead]!,
            id: `e${streamSequence}`,
            type: TYPES[type]!,
            timeMicros: (clock - Math.min(lag, lateness)) * SECOND_MICROS,
            streamSequence,
            arrivalMicros,
            metadata: { n },
          },
    );
  }
  return events;
}

it.each([
  { name: 'in any order', isDisordered: true, heldEventsMax: 1_000_000 },
  { name: 'in order, with reduced logs', isDisordered: false, heldEventsMax: 6 },
])(
  'R16: from a backfill on, a sequence does what one does that was there before, inactive; events $name',
  ({ isDisordered, heldEventsMax }) => {
    let completions = 0;
    let added = 0;
    fc.assert(
      fc.property(scenarios(isDisordered), (scenario) => {
        const { before, between, after, lateness } = scenario;
        const limits: MatcherLimits = {
          allowedLatenessMicros: lateness * SECOND_MICROS,
          futureSkewMicros: 0,
          heldEventsMax,
        };
        const events = eventsOf([...before, ...between, ...after.map(([draft]) => draft)], lateness);
        const asked = before.length;
        const position = asked + between.length;
        const others = [
          sequenceOf('K', { id: 'keeper', windowSeconds: 100_000, active: false }),
          sequenceOf('', { id: 'other', entries: scenario.other, windowSeconds: scenario.otherWindow }),
        ];
        const { entries, exclude, maxGap, window: windowSeconds, ordered } = scenario;
        const named = entries.flatMap((entry) => (typeof entry === 'string' ? entry : entry.types));
        const wanted = sequenceOf('', {
          entries,
          windowSeconds,
          ordered,
          // No type is excluded that a step asks for, and only the order knows neighbours.
          ...(exclude !== null && !named.includes(exclude) && { exclude: [exclude] }),
          ...(maxGap !== null && ordered && { maxGapSeconds: maxGap }),
          effectiveFrom: position,
        });
        const inactive = { ...wanted, active: false, effectiveFrom: 0 };
        const matcherWith = (definitions: readonly SequenceDefinition[]) => {
          const matcher = new Matcher(limits);
          for (const definition of definitions) matcher.setSequence(definition);
          return matcher;
        };

        const expected = matcherWith([...others, inactive]);
        let actual = matcherWith(others);
        const past = matcherWith([inactive]);
        for (const [index, event] of events.slice(0, position).entries()) {
          if (index === asked) actual.setSequence(inactive);
          expected.apply(event);
          actual.apply(event);
          if (index < asked) past.apply(event);
        }
        expected.setSequence(wanted);
        actual.setSequence(wanted);
        const point = { position, ...actual.silenceOf('ou') };
        const merge = (leadId: string) => {
          added += actual.merge('ou', leadId, point, () => past.encodeLead('ou', leadId));
        };
        for (const [index, [, aside]] of after.entries()) {
          if (aside?.kind === 'merge') merge(LEADS[aside.lead]!);
          if (aside?.kind === 'sweep') actual.forgetSilent(100, actual.silentBefore());
          if (aside?.kind === 'restart') {
            actual = restarted(actual, limits, (fresh) => {
              for (const definition of [...others, wanted]) fresh.setSequence(definition);
            });
          }
          const event = events[position + index]!;
          merge(event.leadId);
          const outcome = normalized(actual.apply(event));
          expect(outcome).toEqual(normalized(expected.apply(event)));
          if (outcome.kind === 'held') completions += outcome.completions.length;
        }
      }),
      { numRuns: Number(process.env.RUNS ?? 3_000) },
    );
    expect(completions).toBeGreaterThan(3_000);
    expect(added).toBeGreaterThan(3_000);
  },
);
