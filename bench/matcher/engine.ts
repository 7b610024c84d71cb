import type { LeadEvent } from '../../src/model/event.ts';

/** A match as far as rows are compared by it: whose it is the caller knows. */
export interface Match {
  readonly sequenceId: string;
  readonly events: readonly { readonly id: string }[];
}

/** What is measured: the matcher, or what it is compared with. `Matcher` has this shape. */
export interface Engine {
  /** Announces the PREFETCHED_MAX events from an index on; changes nothing but the time that they take. */
  prefetch?(events: readonly LeadEvent[], from: number): void;
  apply(event: LeadEvent): { readonly kind: string; readonly completions?: readonly Match[] };
  /** Events in memory; 0 for an engine that holds something else. */
  readonly heldEventCount: number;
}

/** The limits of the program as it comes. */
export const LIMITS = {
  allowedLatenessMicros: 86_400_000_000,
  futureSkewMicros: 300_000_000,
  heldEventsMax: 4_096,
};
