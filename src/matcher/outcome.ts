import type { LeadEvent, MatchedEvent, Rejection } from '../model/event.ts';
import type { SequenceId } from '../model/sequence.ts';

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
  readonly suppressed: 'once_per_lead' | 'cooldown' | null;
  /** It fires, but too long after the completing event to be sent (R19). */
  readonly stale: boolean;
}

/** What became of one event. Only `held` can have completions. */
export type Outcome =
  /** Of a type that some sequence lists: it took its place in the lead's order. */
  | { readonly kind: 'held'; readonly completions: readonly Completion[] }
  /** Of a type that no sequence of the OU lists: only the lead's newest event time moved (R15). */
  | { readonly kind: 'unlisted' }
  /** The id is held already (R13). */
  | { readonly kind: 'duplicate' }
  /** The stream sequence is contained in the lead's state already (R13): a replay. */
  | { readonly kind: 'replayed' }
  /** Too late or too far in the future (R11, R12). */
  | { readonly kind: 'rejected'; readonly rejection: Rejection };

/** The settings that the rules name. */
export interface MatcherLimits {
  /** How much older than the lead's newest event an event may be (R11). */
  readonly allowedLatenessMicros: number;
  /** How far past its arrival an event's time may lie (R12). */
  readonly futureSkewMicros: number;
  /** Above this number of held events a lead's log is reduced to what in-order matching can still need (R15). */
  readonly heldEventsMax: number;
}

/** The verdict on an event whose time lies too far past its arrival (R12). */
export function inFuture(event: LeadEvent, skewMicros: number): Outcome {
  const aheadSeconds = (event.timeMicros - event.arrivalMicros) / 1e6;
  const detail = `created_at lies ${aheadSeconds} s after the arrival of the event; at most ${skewMicros / 1e6} s are allowed`;
  return { kind: 'rejected', rejection: { reason: 'in_future', detail } };
}

/** The verdict on an event that is too much older than the newest of its lead (R11). */
export function tooLate(event: LeadEvent, newestMicros: number, latenessMicros: number): Outcome {
  const behindSeconds = (newestMicros - event.timeMicros) / 1e6;
  const detail = `created_at lies ${behindSeconds} s before the newest event of the lead; at most ${latenessMicros / 1e6} s are allowed`;
  return { kind: 'rejected', rejection: { reason: 'too_late', detail } };
}
