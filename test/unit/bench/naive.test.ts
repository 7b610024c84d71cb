import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Engine } from '../../../bench/matcher/engine.ts';
import { NaiveEngine } from '../../../bench/matcher/naive.ts';
import { definition } from '../../../bench/matcher/sequences.ts';
import { Matcher } from '../../../src/matcher/matcher.ts';
import type { LeadEvent } from '../../../src/model/event.ts';
import type { SequenceDefinition } from '../../../src/model/sequence.ts';

const SECOND_MICROS = 1_000_000;
const LIMITS = { allowedLatenessMicros: 0, futureSkewMicros: 0, heldEventsMax: 1_000_000 };

const types = fc.constantFrom('A', 'B', 'C', 'D');

const sequences = fc
  .array(
    fc.record({
      eventTypes: fc.array(types, { minLength: 1, maxLength: 5 }),
      windowSeconds: fc.integer({ min: 1, max: 15 }),
    }),
    { minLength: 1, maxLength: 20 },
  )
  .map((drafts) =>
    drafts.map(({ eventTypes, windowSeconds }, index) =>
      definition(`seq-${index}`, windowSeconds * SECOND_MICROS, { eventTypes, ordered: true }),
    ),
  );

/** In order, with equal times. */
const feed = fc
  .array(fc.record({ lead: fc.nat(1), type: types, afterSeconds: fc.nat(2) }), {
    minLength: 10,
    maxLength: 80,
    size: 'max',
  })
  .map((drafts) => {
    let timeMicros = 0;
    return drafts.map(({ lead, type, afterSeconds }, index): LeadEvent => {
      timeMicros += afterSeconds * SECOND_MICROS;
      return {
        ou: 'bench',
        leadId: `lead-${lead}`,
        id: `evt-${index}`,
        type,
        timeMicros,
        streamSequence: index + 1,
        arrivalMicros: timeMicros,
      };
    });
  });

function matchesOf(engine: Engine, event: LeadEvent): [string, string[]][] {
  const { completions = [] } = engine.apply(event);
  return completions.map(({ sequenceId, events }) => [sequenceId, events.map(({ id }) => id)]);
}

describe('the naive matcher', () => {
  it('R3, R5, R7, R9: reports the same matches as the matcher, event by event', () => {
    let matches = 0;
    fc.assert(
      fc.property(sequences, feed, (sequences, events) => {
        const matcher = new Matcher(LIMITS);
        for (const sequence of sequences) matcher.setSequence(sequence);
        const naive = new NaiveEngine(sequences);
        for (const event of events) {
          const expected = matchesOf(matcher, event);
          expect(matchesOf(naive, event)).toEqual(expected);
          matches += expected.length;
        }
      }),
      { numRuns: 300 },
    );
    expect(matches).toBeGreaterThan(3_000);
  });

  it('refuses what it cannot match', () => {
    const [sequence] = fc.sample(sequences, { numRuns: 1, seed: 1 })[0] as [SequenceDefinition];
    expect(() => new NaiveEngine([{ ...sequence, ordered: false }])).toThrow('unordered');
  });
});
