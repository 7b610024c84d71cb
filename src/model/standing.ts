import type { MatchedEvent } from './event.ts';

/** A held event and the step that it fills, counted from 1. */
export interface StepEvent extends MatchedEvent {
  readonly step: number;
}

/** How far one lead is in one sequence, and what is remembered of it. Times are event times in microseconds. */
export interface LeadStanding {
  /** Filled steps in their order. */
  readonly filled: readonly StepEvent[];
  /** The types of the steps that are not filled. */
  readonly missing: readonly string[];
  /** Until when an event may still complete what is filled; null: nothing is. */
  readonly untilMicros: number | null;
  /** Of an ordered sequence: the type of the next step came before the last filled one, and not since. */
  readonly cameTooEarly: boolean;
  /** The first event of what would stand if it were not for the window; null: the window changes nothing. */
  readonly ranOut: StepEvent | null;
  /** Whether any event of the sequence's types is held, used up or not. */
  readonly holdsAny: boolean;
  /** Newest event time of any event; null: nothing is known of the lead, or it was silent for long (R15). */
  readonly newestMicros: number | null;
  /** The event time that it is for the lead now: its newest, and what the arrival clock has moved on since. */
  readonly nowMicros: number | null;
  /** Completing event of the last completion; null: none, or none that counts any more. */
  readonly horizon: { readonly timeMicros: number; readonly streamSequence: number } | null;
  /** Completing event of the last fire; null: none is remembered. */
  readonly lastFireMicros: number | null;
}

/** The moment that an answer is exact as of: behind the message at a position. */
export interface AsOf {
  readonly position: number;
  /** The arrival clock; -Infinity before the first message. */
  readonly clockMicros: number;
}

/** How far the leads of an OU are in a sequence. */
export interface SequenceProgress extends AsOf {
  readonly steps: readonly { readonly eventType: string; readonly leadCount: number }[];
  /** Leads of the OU of which something is known. */
  readonly leadCount: number;
  /** Leads that remember a fire. */
  readonly firedCount: number;
}
