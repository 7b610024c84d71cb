import type { SequenceDefinition, SequenceId } from '../model/sequence.ts';
import { labelsOf, type StepTest, stepsOf } from '../model/step.ts';
import type { Refire } from '../model/triggerBase.ts';

/** A sequence with its steps as classes (`stepClasses.ts`). Immutable; an edit compiles a new one under the same key. */
export interface CompiledSequence {
  readonly id: SequenceId;
  /** Stands for the id in the marks of leads; never used again after the sequence is removed. */
  readonly key: number;
  /** The class of each step. */
  readonly steps: readonly number[];
  /** What to call each step. */
  readonly labels: readonly string[];
  /** The classes of which no event may lie within a match. */
  readonly excluded: readonly number[];
  readonly windowMicros: number;
  /** Between neighbouring steps at most; Infinity: no limit, as always without an order. */
  readonly maxGapMicros: number;
  readonly ordered: boolean;
  /** Unordered, and some event could fill steps of two different classes. */
  readonly overlaps: boolean;
  readonly active: boolean;
  readonly refire: Refire;
  readonly maxFireDelayMicros: number;
  readonly effectiveFrom: number;
}

/** @param classOf gives the class of a step; called once for each step and each excluded type. */
export function compileSequence(
  definition: SequenceDefinition,
  key: number,
  classOf: (step: StepTest) => number,
): CompiledSequence {
  const tests = stepsOf(definition.eventTypes);
  const steps = tests.map(classOf);
  return {
    id: definition.id,
    key,
    steps,
    labels: labelsOf(definition.eventTypes),
    excluded: (definition.exclude ?? []).map((type) => classOf({ types: [type], where: null })),
    windowMicros: definition.windowMicros,
    maxGapMicros: (definition.ordered ? definition.maxGapMicros : null) ?? Number.POSITIVE_INFINITY,
    ordered: definition.ordered,
    overlaps: !definition.ordered && haveOverlap(tests, steps),
    active: definition.active,
    refire: definition.refire,
    maxFireDelayMicros: definition.maxFireDelayMicros ?? Number.POSITIVE_INFINITY,
    effectiveFrom: definition.effectiveFrom,
  };
}

/** Whether it says how far apart neighbouring steps may lie. */
export function hasGap({ maxGapMicros }: CompiledSequence): boolean {
  return maxGapMicros < Number.POSITIVE_INFINITY;
}

/** Whether two different classes name one type. */
function haveOverlap(tests: readonly StepTest[], steps: readonly number[]): boolean {
  const classByName = new Map<string, number>();
  return tests.some(({ types }, index) =>
    types.some((name) => {
      const known = classByName.get(name) ?? steps[index]!;
      classByName.set(name, known);
      return known !== steps[index];
    }),
  );
}
