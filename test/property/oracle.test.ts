import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { comparePositions, matchEndingAt, type OrderedEvent } from '../support/oracle.ts';

/** The examiner examined: its search is compared with the list of every possible match. */

const events = fc
  .array(fc.record({ type: fc.constantFrom('A', 'B', 'C'), step: fc.nat(3) }), { minLength: 1, maxLength: 8 })
  .map((drafts) => {
    let timeMicros = 0;
    return drafts.map(({ type, step }, index): OrderedEvent => {
      timeMicros += step;
      return { id: `e${index}`, type, timeMicros, streamSequence: index + 1 };
    });
  });

const sequences = fc.record({
  eventTypes: fc.array(fc.constantFrom('A', 'B', 'C'), { minLength: 1, maxLength: 4 }),
  windowMicros: fc.nat(10),
});

/** Every choice of n different events, in every assignment to the n entries. */
function assignments(all: readonly OrderedEvent[], length: number): OrderedEvent[][] {
  if (length === 0) return [[]];
  return assignments(all, length - 1).flatMap((chosen) =>
    all.filter((event) => !chosen.includes(event)).map((event) => [...chosen, event]),
  );
}

function isMatch(chosen: readonly OrderedEvent[], types: readonly string[], windowMicros: number): boolean {
  const times = chosen.map((event) => event.timeMicros);
  return (
    chosen.every((event, step) => event.type === types[step]) &&
    Math.max(...times) - Math.min(...times) <= windowMicros
  );
}

function lastOf(chosen: readonly OrderedEvent[]): OrderedEvent {
  return chosen.toSorted(comparePositions).at(-1)!;
}

describe('the oracle', () => {
  it('R3, R5, R7: finds the ordered match that a full enumeration prefers', () => {
    fc.assert(
      fc.property(events, sequences, (all, sequence) => {
        const completing = all.at(-1)!;
        const matches = assignments(all, sequence.eventTypes.length)
          .filter((chosen) => isMatch(chosen, sequence.eventTypes, sequence.windowMicros))
          .filter((chosen) =>
            chosen.every((event, i) => i === 0 || comparePositions(chosen[i - 1]!, event) < 0),
          )
          .filter((chosen) => chosen.at(-1) === completing)
          .sort((a, b) => comparePositions(b[0]!, a[0]!) || firstDifferingStep(a, b));
        const found = matchEndingAt({ ...sequence, ordered: true }, all, completing);
        expect(found).toEqual(matches[0] ?? null);
      }),
      { numRuns: 500 },
    );
  });

  it('R4, R5, R8: finds an unordered match exactly where a full enumeration does, with the latest events', () => {
    fc.assert(
      fc.property(events, sequences, (all, sequence) => {
        const completing = all.at(-1)!;
        const matches = assignments(all, sequence.eventTypes.length)
          .filter((chosen) => isMatch(chosen, sequence.eventTypes, sequence.windowMicros))
          .filter((chosen) => lastOf(chosen) === completing)
          .map((chosen) => chosen.toSorted(comparePositions))
          .sort((a, b) => sumOfPositions(b) - sumOfPositions(a));
        const found = matchEndingAt({ ...sequence, ordered: false }, all, completing);
        expect(found).toEqual(matches[0] ?? null);
      }),
      { numRuns: 500 },
    );
  });
});

function firstDifferingStep(a: readonly OrderedEvent[], b: readonly OrderedEvent[]): number {
  const step = a.findIndex((event, i) => event !== b[i]);
  return step === -1 ? 0 : comparePositions(a[step]!, b[step]!);
}

function sumOfPositions(chosen: readonly OrderedEvent[]): number {
  return chosen.reduce((sum, event) => sum + event.streamSequence, 0);
}
