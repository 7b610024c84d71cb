import type { OuId } from './event.ts';
import type { Refire, TriggerBase } from './triggerBase.ts';

export type MilestoneId = string;

/** Of ids of milestone triggers; no sequence has such an id. */
export const MILESTONE_ID_PREFIX = 'trg-';

export function isMilestoneId(id: string): boolean {
  return id.startsWith(MILESTONE_ID_PREFIX);
}

/** What the matcher needs to know of a milestone trigger; everything else about it is delivery and display. */
export interface MilestoneDefinition {
  readonly ou: OuId;
  readonly id: MilestoneId;
  /** A lead crosses it when an event lifts its score from below to this or above. */
  readonly scoreThreshold: number;
  /** Only events of this type make it fire; null: any. */
  readonly eventType: string | null;
  readonly active: boolean;
  /** `once_per_lead`: the first crossing fires; `every` and `cooldown`: each does, or each after a while. */
  readonly refire: Refire;
  /**
   * Stream position of the last change to the threshold or the event type, or of the last activation. Only
   * events with a higher stream sequence make it fire.
   */
  readonly effectiveFrom: number;
}

/** A trigger on a lead's score, as it is stored: the definition and where its fires go. */
export interface Milestone extends TriggerBase {
  /** Tells it from a sequence, whose rows have no kind. */
  readonly kind: 'milestone';
  /** `trg-…`. */
  readonly id: MilestoneId;
  readonly scoreThreshold: number;
  readonly eventType: string | null;
}

/** The part of a milestone trigger that the matcher compiles. */
export function milestoneDefinitionOf(milestone: Milestone): MilestoneDefinition {
  const { ou, id, scoreThreshold, eventType, active, refire, effectiveFrom } = milestone;
  return { ou, id, scoreThreshold, eventType, active, refire, effectiveFrom };
}
