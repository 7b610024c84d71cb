import type { MatchedEvent } from './event.ts';

/** A held event and the step that it fills, counted from 1. */
export interface StepEvent extends MatchedEvent {
  readonly step: number;
}

/** What keeps held events from counting, or from having fired. */
export type Hindrance =
  /** All steps are filled within the window, `last` by the completing event, which may be of before the last change. */
  | { readonly kind: 'completed'; readonly last: StepEvent; readonly isBeforeChange: boolean }
  /** The window that began with `first` has run out, and `tooLate` came after it; null: nothing did. */
  | { readonly kind: 'window'; readonly first: StepEvent; readonly tooLate: StepEvent | null }
  /** The next step did not come within the largest gap after an event, but later; null: none that is held did. */
  | { readonly kind: 'gap'; readonly after: StepEvent; readonly tooLate: StepEvent | null }
  /** An excluded event came after `first`, and `last` after that; null: nothing that goes with `first` did. */
  | {
      readonly kind: 'excluded';
      readonly by: MatchedEvent;
      readonly first: StepEvent;
      readonly last: StepEvent | null;
    };

/** An event of a step's types that does not meet its conditions, as far as is known. */
export interface UnmetStep extends StepEvent {
  /** False: the event came before the last change of the sequence, so the conditions may not have been looked at. */
  readonly isJudged: boolean;
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
  readonly hindrances: readonly Hindrance[];
  /** For each awaited step with conditions, the latest held event that does not meet them, where there is one. */
  readonly unmet: readonly UnmetStep[];
  /** Whether any event of the sequence's types is held, used up or not. */
  readonly holdsAny: boolean;
  /** Newest event time of any event; null: nothing is known of the lead, or it was silent for long (R15). */
  readonly newestMicros: number | null;
  /** The event time that it is for the lead now: its newest, and what the arrival clock has moved on since. */
  readonly nowMicros: number | null;
  /** Completing event of the last completion; null: none, or none that counts any more. */
  readonly horizon: Horizon | null;
  /** Completing event of the last fire; null: none is remembered. */
  readonly lastFireMicros: number | null;
}

export interface Horizon {
  readonly timeMicros: number;
  readonly streamSequence: number;
  /** null: it is not held any more, or others of its time are, which may have fired in its place. */
  readonly eventId: string | null;
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
