import { describe, expect, it } from 'vitest';
import { Bench, type Subject } from '../../support/oracleBench.ts';
import { SUBJECTS, WIDE_LIMITS } from '../../support/oracleSubjects.ts';

/** The small examples that stand beside the rules: window 10 s, times in seconds. */
const EXAMPLES: readonly {
  readonly events: string;
  readonly steps: string;
  readonly ordered: boolean;
  readonly fires: readonly string[];
}[] = [
  { events: 'A0 B5 C10', steps: 'A,B,C', ordered: true, fires: ['A0 B5 C10'] },
  { events: 'A0 B5 C11', steps: 'A,B,C', ordered: true, fires: [] },
  { events: 'A0 A3 B5 C11', steps: 'A,B,C', ordered: true, fires: ['A3 B5 C11'] },
  { events: 'A0 B1 A2 C3', steps: 'A,B,C', ordered: true, fires: ['A0 B1 C3'] },
  { events: 'A0 B1 B2 C3', steps: 'A,B,C', ordered: true, fires: ['A0 B1 C3'] },
  { events: 'A0 C1', steps: 'A,B,C', ordered: true, fires: [] },
  { events: 'A0 C1 B2 C3', steps: 'A,B,C', ordered: true, fires: ['A0 B2 C3'] },
  { events: 'A0 B0 C0', steps: 'A,B,C', ordered: true, fires: ['A0 B0 C0'] },
  { events: 'B0 A0 C0', steps: 'A,B,C', ordered: true, fires: [] },
  { events: 'C0 B4 A9', steps: 'A,B,C', ordered: false, fires: ['C0 B4 A9'] },
  { events: 'A0 B5', steps: 'A,A,B', ordered: false, fires: [] },
  { events: 'A0 B5 A6', steps: 'A,A,B', ordered: false, fires: ['A0 B5 A6'] },
  { events: 'A0 C8 B5', steps: 'A,B,C', ordered: true, fires: ['A0 B5 C8 late'] },
  { events: 'A0 B1 C2 A1.5 B1.6 C3', steps: 'A,B,C', ordered: true, fires: ['A0 B1 C2'] },
];

describe.each(SUBJECTS)('the small examples of the rules, $name', ({ create }) => {
  it.each(EXAMPLES)('$events against $steps (ordered $ordered) gives $fires', (example) => {
    const bench = new Bench<Subject>(create(WIDE_LIMITS));
    bench.change(example.steps, { ordered: example.ordered });
    expect(bench.fires(example.events)).toEqual(example.fires);
  });
});
