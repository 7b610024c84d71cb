import type { Refire, SequenceDefinition, SequenceId } from '../model/sequence.ts';

/** A sequence with its types as small integers. Immutable; an edit compiles a new one under the same key. */
export interface CompiledSequence {
  readonly id: SequenceId;
  /** Stands for the id in the marks of leads; never used again after the sequence is removed. */
  readonly key: number;
  readonly steps: readonly number[];
  readonly windowMicros: number;
  readonly ordered: boolean;
  readonly active: boolean;
  readonly refire: Refire;
  readonly maxFireDelayMicros: number;
  readonly effectiveFrom: number;
}

export function compileSequence(
  definition: SequenceDefinition,
  key: number,
  typeIdOf: (type: string) => number,
): CompiledSequence {
  return {
    id: definition.id,
    key,
    steps: definition.eventTypes.map(typeIdOf),
    windowMicros: definition.windowMicros,
    ordered: definition.ordered,
    active: definition.active,
    refire: definition.refire,
    maxFireDelayMicros: definition.maxFireDelayMicros ?? Number.POSITIVE_INFINITY,
    effectiveFrom: definition.effectiveFrom,
  };
}
