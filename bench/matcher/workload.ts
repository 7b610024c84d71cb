/** What one row of a table measures: which engine, on which sequences and events. Travels as JSON. */
export interface Workload {
  readonly seed: number;
  readonly engine: 'matcher' | 'churnedMatcher' | 'naive' | 'memoryFloor';
  /** Number of event types; drawn with skew `floor(types * u^2)`. */
  readonly types: number;
  readonly sequences: number;
  readonly sequenceKind: SequenceKind;
  readonly windowDays: number;
  readonly leads: number;
  readonly events: number;
  /** Event time that the events are spread over. */
  readonly spanDays: number;
  readonly arrival: Arrival;
}

/**
 * - `threeSteps`: ordered, three distinct types.
 * - `mixed`: two to five steps, 30 % unordered, 10 % with a repeated type.
 * - `lastNeverOccurs`, `firstNeverOccurs`: the first hundred as `threeSteps`; of the others no event ever has
 *   the type of the last (or of the first) step, so that all fires are those of the hundred.
 */
export type SequenceKind = 'threeSteps' | 'mixed' | 'lastNeverOccurs' | 'firstNeverOccurs';

/**
 * In which order events arrive, and whose they are.
 *
 * - `inOrder`: evenly spaced, each of a random lead.
 * - `late`: the same, but half of them carry a time up to a minute before their arrival.
 * - `burstsLate`: a lead's events come five within a minute, and half of them are late as above.
 * - `lateSorted`, `burstsLateSorted`: the very same events, arriving in the order of their times.
 * - `hotLead`: five of six events are those of one lead.
 */
export type Arrival = 'inOrder' | 'late' | 'lateSorted' | 'burstsLate' | 'burstsLateSorted' | 'hotLead';

/** The workload that matcher figures are quoted for. */
export const CARD: Workload = {
  seed: 1,
  engine: 'matcher',
  types: 200,
  sequences: 5_000,
  sequenceKind: 'threeSteps',
  windowDays: 7,
  leads: 100_000,
  events: 2_000_000,
  spanDays: 30,
  arrival: 'inOrder',
};

/** A share of a workload: fewer leads and events over the same time, the same sequences. */
export function scaled(workload: Workload, scale: number): Workload {
  return {
    ...workload,
    leads: Math.ceil(workload.leads * scale),
    events: Math.ceil(workload.events * scale),
  };
}

/** The number of a type: low numbers are frequent, the first is about thirty times as frequent as the last. */
export function skewedType(types: number, random: () => number): number {
  return Math.floor(types * random() ** 2);
}
