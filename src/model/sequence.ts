import type { OuId } from './event.ts';
import type { StepEntry } from './step.ts';
import type { Refire, TriggerBase } from './triggerBase.ts';

export type SequenceId = string;

/** What the matcher needs to know of a sequence; everything else about it is delivery and display. */
export interface SequenceDefinition {
  readonly ou: OuId;
  readonly id: SequenceId;
  /** 1 to 20 entries for 1 to 40 steps; repeats are allowed. */
  readonly eventTypes: readonly StepEntry[];
  /** Types of which no event may lie between the first and the last of a match; none of them of a step. */
  readonly exclude?: readonly string[];
  readonly windowMicros: number;
  /** Between neighbouring steps at most; null or absent: no limit. Only of ordered sequences. */
  readonly maxGapMicros?: number | null;
  readonly ordered: boolean;
  readonly active: boolean;
  readonly refire: Refire;
  /** Completions older than this on arrival are recorded but not sent (R19); null: no limit. */
  readonly maxFireDelayMicros: number | null;
  /**
   * Stream position of the last change to what a match is, or of the last activation.
   * Only events with a higher stream sequence complete the sequence (R16, R17).
   */
  readonly effectiveFrom: number;
}

/** A sequence trigger as it is stored: the definition and where its fires go. */
export interface Sequence extends TriggerBase {
  readonly id: SequenceId;
  readonly eventTypes: readonly StepEntry[];
  readonly exclude: readonly string[];
  readonly windowSeconds: number;
  readonly windowUnit: string;
  readonly ordered: boolean;
  /** Between neighbouring steps of an ordered sequence at most; null: no limit. */
  readonly maxGapSeconds: number | null;
  readonly maxFireDelaySeconds: number | null;
}

/** The part of a sequence that the matcher compiles. */
export function definitionOf(sequence: Sequence): SequenceDefinition {
  return {
    ou: sequence.ou,
    id: sequence.id,
    eventTypes: sequence.eventTypes,
    exclude: sequence.exclude,
    windowMicros: sequence.windowSeconds * 1_000_000,
    maxGapMicros: sequence.maxGapSeconds === null ? null : sequence.maxGapSeconds * 1_000_000,
    ordered: sequence.ordered,
    active: sequence.active,
    refire: sequence.refire,
    maxFireDelayMicros:
      sequence.maxFireDelaySeconds === null ? null : sequence.maxFireDelaySeconds * 1_000_000,
    effectiveFrom: sequence.effectiveFrom,
  };
}
