import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Matcher } from '../../src/matcher/matcher.ts';
import type { SequenceDefinition } from '../../src/model/sequence.ts';
import type { StepEntry } from '../../src/model/step.ts';
import { Oracle } from '../support/oracle.ts';
import { normalized, SECOND_MICROS } from '../support/oracleBench.ts';
import { CONDITIONS, EventWriter, eventDrafts, type ScriptShape } from '../support/oracleScripts.ts';
import { indexedFrom } from '../support/oracleSubjects.ts';

const SHAPE: ScriptShape = {
  typesMax: 4,
  leadsMax: 2,
  sequencesMax: 0,
  stepsMax: 5,
  commandsMax: 0,
  changeWeight: 0,
  disorder: true,
  rich: true,
};

const TYPES = ['A', 'B', 'C', 'D'];

const steps: fc.Arbitrary<StepEntry> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...TYPES) },
  {
    weight: 1,
    arbitrary: fc.record({
      types: fc.constantFrom(['A'], ['B'], ['A', 'B'], ['B', 'C', 'D']),
      where: fc.constantFrom(null, ...CONDITIONS.slice(0, 2)),
      count: fc.constantFrom(1, 2),
    }),
  },
);

/** Sequences that share their beginnings and their ends: each is a stem with a few steps put around it. */
const families = fc
  .record({
    stem: fc.array(steps, { minLength: 1, maxLength: 3 }),
    members: fc.array(
      fc.record({
        before: fc.array(fc.constantFrom(...TYPES), { maxLength: 2 }),
        after: fc.array(steps, { maxLength: 1 }),
        exclude: fc.constantFrom([], [], ['E']),
        maxGapSeconds: fc.constantFrom(null, null, 2, 5),
        windowSeconds: fc.integer({ min: 1, max: 15 }),
        ordered: fc.oneof(
          { weight: 2, arbitrary: fc.constant(true) },
          { weight: 1, arbitrary: fc.constant(false) },
        ),
      }),
      { minLength: 50, maxLength: 300, size: 'max' },
    ),
  })
  .map(({ stem, members }) =>
    members.map(
      ({ before, after, exclude, windowSeconds, maxGapSeconds, ordered }, index): SequenceDefinition => ({
        ou: 'one',
        id: `seq-${index}`,
        eventTypes: [...before, ...stem, ...after],
        exclude,
        windowMicros: windowSeconds * SECOND_MICROS,
        maxGapMicros: maxGapSeconds === null ? null : maxGapSeconds * SECOND_MICROS,
        ordered,
        active: true,
        refire: { mode: 'every' },
        maxFireDelayMicros: null,
        effectiveFrom: 0,
      }),
    ),
  );

describe('many sequences at once', () => {
  it('R6, R9, S1 to S6: hundreds of related sequences, changing on the way, fire as if each were alone', () => {
    const feeds = fc.record({
      sequences: families,
      events: fc.array(eventDrafts(SHAPE), { minLength: 10, maxLength: 40, size: 'max' }),
      churn: fc.array(fc.record({ at: fc.nat(39), index: fc.nat(299), removed: fc.boolean() }), {
        maxLength: 10,
      }),
    });
    let completions = 0;
    fc.assert(
      fc.property(feeds, indexedFrom, ({ sequences, events, churn }, indexedLengthMin) => {
        const limits = { allowedLatenessMicros: 8 * SECOND_MICROS, futureSkewMicros: 4 * SECOND_MICROS };
        const matcher = new Matcher({ ...limits, heldEventsMax: 1_000_000 }, { indexedLengthMin });
        const subjects = [new Oracle(limits), matcher] as const;
        for (const subject of subjects) for (const sequence of sequences) subject.setSequence(sequence);
        const writer = new EventWriter();
        for (const [turn, draft] of events.entries()) {
          for (const { at, index, removed } of churn) {
            const sequence = sequences[index];
            if (at !== turn || sequence === undefined) continue;
            const changed = {
              ...sequence,
              eventTypes: sequence.eventTypes.toReversed(),
              effectiveFrom: writer.streamSequence,
            };
            for (const subject of subjects) {
              if (removed) subject.removeSequence(sequence.ou, sequence.id);
              else subject.setSequence(changed);
            }
          }
          const event = writer.event({ ...draft, ou: 0 });
          const [expected, actual] = subjects.map((subject) => normalized(subject.apply(event)));
          expect(actual).toEqual(expected);
          completions += expected?.kind === 'held' ? expected.completions.length : 0;
        }
      }),
      { numRuns: 400 },
    );
    expect(completions).toBeGreaterThan(3_000);
  });
});
