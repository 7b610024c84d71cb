import type { Backfill } from './backfill.ts';
import type { Milestone } from './milestone.ts';
import type { Sequence } from './sequence.ts';

/** What makes leads fire. Both kinds share a log of changes, tables, an outbox, and the space of their ids. */
export type Trigger = Sequence | Milestone;

export function isMilestone(trigger: Trigger): trigger is Milestone {
  return 'kind' in trigger && trigger.kind === 'milestone';
}

export function isSequence(trigger: Trigger): trigger is Sequence {
  return !isMilestone(trigger);
}

/**
 * A change of a trigger at a known stream position (R20): it takes effect after message `position` and
 * before message `position + 1`, in the first run and in every replay. `before` is null for a creation,
 * `after` is null for a deletion.
 */
export interface TriggerChange<T extends Trigger = Trigger> {
  readonly position: number;
  readonly before: T | null;
  readonly after: T | null;
  /** The sequence's backfill, where the change asks for it, stops it or, in the state merging, has it take effect. */
  readonly backfill?: Backfill;
}

/** A change in the log. */
export interface LoggedChange extends TriggerChange {
  /** Its number among all changes ever recorded: later ones have higher numbers. */
  readonly ordinal: number;
}
