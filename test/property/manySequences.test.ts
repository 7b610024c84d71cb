import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Matcher } from '../../src/matcher/matcher.ts';
import type { SequenceDefinition } from '../../src/model/sequence.ts';
import { Oracle } from '../support/oracle.ts';
import { normalized, SECOND_MICROS } from '../support/oracleBench.ts';
import { EventWriter, eventDrafts, type ScriptShape } from '../support/oracleScripts.ts';

const SHAPE: ScriptShape = {
  typesMax: 4,
  leadsMax: 2,
  sequencesMax: 0,
  stepsMax: 5,
  commandsMax: 0,
  changeWeight: 0,
  disorder: true,
};

const TYPES = ['A', 'B', 'C', 'D'];

/** Sequences that share their beginnings and their ends: each is a stem with a few steps put around it. */
const families = fc
  .record({
    stem: fc.array(fc.constantFrom(...TYPES), { minLength: 1, maxLength: 3 }),
    members: fc.array(
      fc.record({
        before: fc.array(fc.constantFrom(...TYPES), { maxLength: 2 }),
        after: fc.array(fc.constantFrom(...TYPES), { maxLength: 1 }),
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
      ({ before, after, windowSeconds, ordered }, index): SequenceDefinition => ({
        ou: 'one',
        id: `seq-${index}`,
        eventTypes: [...before, ...stem, ...after],
        windowMicros: windowSeconds * SECOND_MICROS,
        ordered,
        active: true,
        refire: { mode: 'every' },
        maxFireDelayMicros: null,
        effectiveFrom: 0,
      }),
    ),
  );

describe('many sequences at once', () => {
  it('R6, R9: hundreds of related sequences, changing on the way, fire as if each were alone', () => {
    const feeds = fc.record({
      sequences: families,
      events: fc.array(eventDrafts(SHAPE), { minLength: 10, maxLength: 40, size: 'max' }),
      churn: fc.array(fc.record({ at: fc.nat(39), index: fc.nat(299), removed: fc.boolean() }), {
        maxLength: 10,
      }),
    });
    let completions = 0;
    fc.assert(
      fc.property(feeds, ({ sequences, events, churn }) => {
        const limits = { allowedLatenessMicros: 8 * SECOND_MICROS, futureSkewMicros: 4 * SECOND_MICROS };
        const subjects = [new Oracle(limits), new Matcher({ ...limits, heldEventsMax: 1_000_000 })] as const;
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
