import type { LeadId, MatchedEvent, OuId } from './event.ts';
import type { SequenceId } from './sequence.ts';

export type FireId = string;

/** What a fire of a milestone trigger has beside the event that crossed the threshold. */
export interface Crossed {
  readonly score: number;
  readonly scoreThreshold: number;
}

/** A match or a crossing that was recorded. Immutable: what a delivery says is derived from this row alone, on every attempt. */
export interface Fire {
  /** `fire-…`, derived from (OU, trigger id, lead, completing event id), so that a replay finds the same (R20). */
  readonly id: FireId;
  readonly ou: OuId;
  /** Of the sequence; of the milestone trigger where `milestone` is present. */
  readonly sequenceId: SequenceId;
  /** The name and version at the time of the fire. */
  readonly sequenceName: string;
  readonly sequenceVersion: number;
  readonly leadId: LeadId;
  /** The label of each step; of a crossing the type of its one event. */
  readonly eventTypes: readonly string[];
  /** In step order for ordered sequences (R7), in time order for unordered ones (R8). */
  readonly events: readonly MatchedEvent[];
  /** Event time of the completing event. */
  readonly completedAtMicros: number;
  /** Arrival time of the event whose application completed the match. */
  readonly firedAtMicros: number;
  /** Stream position of that event. */
  readonly streamSequence: number;
  /** The event arrived out of order for its lead (R10). */
  readonly late: boolean;
  /** Recorded and not sent, by the stale guard (R19). */
  readonly stale: boolean;
  /** Made up at someone's wish to try the way of a delivery: no lead completed anything, and no list shows it. */
  readonly isSample: boolean;
  /** Only of a milestone trigger, whose one event is that of the crossing. */
  readonly milestone?: Crossed | undefined;
}
