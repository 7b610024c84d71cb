import type { Contestant } from './contestants.ts';
import type { Workload } from './run.ts';
import { orderedSequence, scriptedEvents } from './scripted.ts';

/**
 * One lead, one sequence of three types with a window of 10 s. `events` in stream order, each a type and its
 * time in seconds, as in the rules: `A0 B5 C10`.
 */
export interface PeerCase {
  readonly events: string;
  readonly sequence: string;
  /** Whether the lead completes it by our rules. */
  readonly completes: boolean;
  /** Those that say otherwise. */
  readonly otherwise: readonly Contestant[];
}

const CLICKHOUSE = [
  'ClickHouse, a column per sequence',
  'ClickHouse, a query per sequence',
] as const satisfies readonly Contestant[];

/** First where all agree, then where a peer's idea of order or of "once" is another. */
export const CASES: readonly PeerCase[] = [
  { events: 'A0 B5 C10', sequence: 'A B C', completes: true, otherwise: [] },
  { events: 'A0 B5 C11', sequence: 'A B C', completes: false, otherwise: [] },
  { events: 'A0 A3 B5 C11', sequence: 'A B C', completes: true, otherwise: [] },
  { events: 'A0 B1 A2 C3', sequence: 'A B C', completes: true, otherwise: [] },
  { events: 'A0 C1 B2 C3', sequence: 'A B C', completes: true, otherwise: [] },
  { events: 'A0 B9 A11 B12 C13', sequence: 'A B C', completes: true, otherwise: [] },
  { events: 'A0 B9 A11 C13', sequence: 'A B C', completes: false, otherwise: [] },
  { events: 'A0 B1 A2', sequence: 'A B A', completes: true, otherwise: [] },
  { events: 'A0 A1 B5', sequence: 'A A B', completes: true, otherwise: ['ClickHouse, strict_increase'] },
  { events: 'A0 B5', sequence: 'A A B', completes: false, otherwise: ['ClickHouse, default mode'] },
  { events: 'A0 B0 C0', sequence: 'A B C', completes: true, otherwise: ['ClickHouse, strict_increase'] },
  {
    events: 'B0 A0 C0',
    sequence: 'A B C',
    completes: false,
    otherwise: [...CLICKHOUSE, 'ClickHouse, default mode'],
  },
];

const WINDOW_SECONDS = 10;

/** All cases at once: case n is the lead and the sequence with the name `case-n`. */
export function workloadOfCases(): Workload {
  const events = CASES.flatMap(({ events }, index) =>
    events
      .split(' ')
      .map((text) => ({ leadId: `case-${index}`, type: text[0]!, seconds: Number(text.slice(1)) })),
  );
  const sequences = CASES.map(({ sequence }, index) =>
    orderedSequence(`case-${index}`, sequence.split(' '), WINDOW_SECONDS),
  );
  return { sequences, blocks: () => [scriptedEvents(events)] };
}
