import type { OuId } from './event.ts';

/**
 * reading: the stream is read, and nothing has changed yet · merging: what was read counts, and is being added to
 * the leads · done · failed: the stream could not be read, see `reason` · stopped: a later change of the sequence
 * made it pointless.
 */
export type BackfillState = 'reading' | 'merging' | 'done' | 'failed' | 'stopped';

/**
 * The wish that a sequence looks back on events that the stream retains and the leads do not hold (R16), and what
 * has become of it. A sequence has one at most, the last that was asked for.
 */
export interface Backfill {
  /** Tells all that were ever asked for apart; later ones have higher numbers. */
  readonly id: number;
  readonly ou: OuId;
  /** Id of the sequence. */
  readonly sequenceId: string;
  readonly state: BackfillState;
  /** Position of the change that asked for it: messages up to here are read, later ones were seen by the sequence. */
  readonly throughPosition: number;
  /** Creation time of the stream at that position; null where none was found yet. */
  readonly streamCreated: string | null;
  /** Where what was read takes effect; null while it is read. */
  readonly merge: MergePoint | null;
  /** Events of the OU, of all types. */
  readonly eventsRead: number;
  /** Events that leads did not hold. */
  readonly eventsAdded: number;
  /** From 0 to 1. */
  readonly fraction: number;
  readonly startedAtMs: number;
  /** null until it is done, failed or stopped. */
  readonly finishedAtMs: number | null;
  /** Why it failed or was stopped, in words; null otherwise. */
  readonly reason: string | null;
}

/**
 * The moment at which events of the past are added to leads, and who is silent then (R15). It is written down, so
 * that a lead may get them any time later, before its next event, with the same result.
 */
export interface MergePoint {
  readonly position: number;
  /** Leads last heard of before this count as forgotten. */
  readonly silentBeforeMicros: number;
  /** A forgotten lead that was last heard of before this stays so: the present windows end before. */
  readonly goneBeforeMicros: number;
}

/** Asks that a sequence looks back on events that the stream retains, from a time of the wall clock on. */
export interface BackfillWish {
  readonly startedAtMs: number;
}
