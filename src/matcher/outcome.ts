import type { MatchedEvent, Rejection } from '../model/event.ts';
import type { MilestoneId } from '../model/milestone.ts';
import type { SequenceId } from '../model/sequence.ts';
import type { Suppression } from './refire.ts';

/** A completed match: every completion consumes its events (R9), whether it fires or is suppressed (R18). */
export interface Completion {
  readonly sequenceId: SequenceId;
  /** In step order for ordered sequences (R7), in time order for unordered ones (R8). */
  readonly events: readonly MatchedEvent[];
  /** Id and event time of the completing event, the last of the match in the lead's order. */
  readonly completingEventId: string;
  readonly completedAtMicros: number;
  /** The applied event arrived out of order for its lead (R10). */
  readonly late: boolean;
  /** Why it does not fire; null when it does (R18). */
  readonly suppressed: Suppression;
  /** It fires, but too long after the completing event to be sent (R19). */
  readonly stale: boolean;
}

export const NO_COMPLETIONS: readonly Completion[] = [];

/** A threshold that a lead's score rose over, whether it fires or is suppressed. */
export interface Crossing {
  readonly milestoneId: MilestoneId;
  /** The event whose score is the first at the threshold or above, after one below. */
  readonly event: MatchedEvent;
  readonly score: number;
  /** The applied event arrived out of order for its lead. */
  readonly late: boolean;
  /** Why it does not fire; null when it does. */
  readonly suppressed: Suppression;
}

export const NO_CROSSINGS: readonly Crossing[] = [];

/** What became of one event. Only `held` can have completions and crossings. */
export type Outcome =
  /** Of a type that some sequence lists, or with a score: it took its place in the lead's order. */
  | {
      readonly kind: 'held';
      readonly completions: readonly Completion[];
      /** Absent where there are none. */
      readonly crossings?: readonly Crossing[];
    }
  /** Of a type that no sequence of the OU lists, without a score: only the lead's newest event time moved (R15). */
  | { readonly kind: 'unlisted' }
  /** The id is held already (R13). */
  | { readonly kind: 'duplicate' }
  /** The stream sequence is contained in the lead's state already (R13): a replay. */
  | { readonly kind: 'replayed' }
  /** Too late or too far in the future (R11, R12). */
  | { readonly kind: 'rejected'; readonly rejection: Rejection };
