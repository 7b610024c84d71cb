import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StepEntry, Where } from '../../src/model/step.ts';
import { comparePositions, type OrderedEvent } from '../support/oracle.ts';
import { type Criteria, matchEndingAt, stepsOf, type WrittenStep } from '../support/oracleSteps.ts';

/** The examiner examined: its search is compared with the list of every possible match. */

const LARGE: Where = { 'metadata.n': { gte: 2 } };

const events = fc
  .array(fc.record({ type: fc.constantFrom('A', 'B', 'C', 'X'), step: fc.nat(3), isLarge: fc.boolean() }), {
    minLength: 1,
    maxLength: 8,
  })
  .map((drafts) => {
    let timeMicros = 0;
    return drafts.map(({ type, step, isLarge }, index): OrderedEvent => {
      timeMicros += step;
      const fulfilled = new Set(isLarge ? [JSON.stringify(LARGE)] : []);
      return { id: `e${index}`, type, timeMicros, streamSequence: index + 1, fulfilled };
    });
  });

const type = fc.constantFrom('A', 'B', 'C');
const entries = fc.oneof(
  fc.array(type, { minLength: 1, maxLength: 4 }),
  fc
    .array(
      fc.oneof(
        type,
        fc.record({
          types: fc.uniqueArray(type, { minLength: 1, maxLength: 2 }),
          where: fc.constantFrom(null, LARGE),
          count: fc.constantFrom(1, 1, 2),
        }),
      ),
      { minLength: 1, maxLength: 3 },
    )
    .filter((all: readonly StepEntry[]) => stepsOf(all).length <= 4),
);

const sequences = fc.record({
  eventTypes: entries,
  windowMicros: fc.nat(10),
  exclude: fc.constantFrom([], ['X']),
});
const gaps = fc.nat(6);

/** Every choice of n different events, in every assignment to the n steps. */
function assignments(all: readonly OrderedEvent[], length: number): OrderedEvent[][] {
  if (length === 0) return [[]];
  return assignments(all, length - 1).flatMap((chosen) =>
    all.filter((event) => !chosen.includes(event)).map((event) => [...chosen, event]),
  );
}

function isMatch(
  chosen: readonly OrderedEvent[],
  all: readonly OrderedEvent[],
  { eventTypes, windowMicros, exclude }: Omit<Criteria, 'ordered'>,
): boolean {
  const steps = stepsOf(eventTypes);
  const [first, last] = [firstOf(chosen), lastOf(chosen)];
  return (
    chosen.every((event, step) => accepts(steps[step]!, event)) &&
    last.timeMicros - first.timeMicros <= windowMicros &&
    !all.some(
      (event) => exclude?.includes(event.type) && all.indexOf(event) > all.indexOf(first) && event !== last,
    )
  );
}

function accepts({ types, where }: WrittenStep, event: OrderedEvent): boolean {
  return types.includes(event.type) && (where === null || event.fulfilled.size > 0);
}

function isInOrder(chosen: readonly OrderedEvent[]): boolean {
  return chosen.every((event, i) => i === 0 || comparePositions(chosen[i - 1]!, event) < 0);
}

function firstOf(chosen: readonly OrderedEvent[]): OrderedEvent {
  return chosen.toSorted(comparePositions)[0]!;
}

function lastOf(chosen: readonly OrderedEvent[]): OrderedEvent {
  return chosen.toSorted(comparePositions).at(-1)!;
}

/** Every match that ends at the last event, its events in the order of the steps. */
function matchesOf(all: readonly OrderedEvent[], sequence: Omit<Criteria, 'ordered'>): OrderedEvent[][] {
  return assignments(all, stepsOf(sequence.eventTypes).length)
    .filter((chosen) => lastOf(chosen) === all.at(-1))
    .filter((chosen) => isMatch(chosen, all, sequence));
}

describe('the oracle', () => {
  it('R3, R5, R7, S1 to S4: finds the ordered match that a full enumeration prefers', () => {
    let found = 0;
    fc.assert(
      fc.property(events, sequences, (all, sequence) => {
        const matches = matchesOf(all, sequence)
          .filter(isInOrder)
          .sort((a, b) => comparePositions(b[0]!, a[0]!) || firstDifferingStep(a, b));
        const match = matchEndingAt({ ...sequence, ordered: true }, all, all.at(-1)!);
        expect(match).toEqual(matches[0] ?? null);
        if (match !== null) found++;
      }),
      { numRuns: 2000 },
    );
    expect(found).toBeGreaterThan(100);
  });

  it('S5: finds the match with gaps that goes back by the latest steps, and none starts later', () => {
    let found = 0;
    fc.assert(
      fc.property(events, sequences, gaps, (all, sequence, maxGapMicros) => {
        const keepsGaps = (chosen: readonly OrderedEvent[]) =>
          chosen.every((event, i) => i === 0 || event.timeMicros - chosen[i - 1]!.timeMicros <= maxGapMicros);
        const matches = matchesOf(all, sequence)
          .filter(isInOrder)
          .filter(keepsGaps)
          .sort((a, b) => firstDifferingStep(b.toReversed(), a.toReversed()));
        const match = matchEndingAt({ ...sequence, ordered: true, maxGapMicros }, all, all.at(-1)!);
        expect(match).toEqual(matches[0] ?? null);
        expect(match?.[0]).toEqual(matches.map(firstOf).sort(comparePositions).at(-1));
        if (match !== null && match.length > 1) found++;
      }),
      { numRuns: 10_000 },
    );
    expect(found).toBeGreaterThan(100);
  });

  it('R4, R5, R8, S6: finds an unordered match exactly where a full enumeration does, with the latest events', () => {
    let found = 0;
    fc.assert(
      fc.property(events, sequences, (all, sequence) => {
        const matches = matchesOf(all, sequence)
          .map((chosen) => chosen.toSorted(comparePositions))
          .sort((a, b) => firstDifferingStep(b.toReversed(), a.toReversed()));
        const match = matchEndingAt({ ...sequence, ordered: false }, all, all.at(-1)!);
        expect(match).toEqual(matches[0] ?? null);
        // No match has a later event in any place, counted from the last.
        for (const other of matches) {
          for (const [place, event] of other.entries()) {
            expect(comparePositions(match![place]!, event)).toBeGreaterThanOrEqual(0);
          }
        }
        if (match !== null) found++;
      }),
      { numRuns: 2000 },
    );
    expect(found).toBeGreaterThan(100);
  });
});

function firstDifferingStep(a: readonly OrderedEvent[], b: readonly OrderedEvent[]): number {
  const step = a.findIndex((event, i) => event !== b[i]);
  return step === -1 ? 0 : comparePositions(a[step]!, b[step]!);
}
