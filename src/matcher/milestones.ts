import type { MilestoneDefinition, MilestoneId } from '../model/milestone.ts';

/** A milestone trigger, and the small integer that its marks are found by. */
export interface CompiledMilestone extends MilestoneDefinition {
  readonly key: number;
}

/** The milestone triggers of one OU, found by the thresholds that a score rises over. It holds nothing about any lead. */
export class Milestones {
  private readonly byId = new Map<MilestoneId, CompiledMilestone>();
  /** The active ones by threshold; null after a change, so that many changes in a row sort once. */
  private byThreshold: readonly CompiledMilestone[] | null = null;

  get isEmpty(): boolean {
    return this.byId.size === 0;
  }

  get(id: MilestoneId): CompiledMilestone | undefined {
    return this.byId.get(id);
  }

  /** Creates a milestone trigger or replaces the one with its id. */
  set(definition: MilestoneDefinition, key: number): void {
    this.byId.set(definition.id, { ...definition, key });
    this.byThreshold = null;
  }

  remove(id: MilestoneId): void {
    this.byId.delete(id);
    this.byThreshold = null;
  }

  /** The active ones that a score crosses on its way up: below the threshold before, at it or above after. */
  *crossed(scoreBefore: number, scoreAfter: number): Generator<CompiledMilestone> {
    if (scoreAfter <= scoreBefore || this.byId.size === 0) return;
    this.byThreshold ??= [...this.byId.values()]
      .filter(({ active }) => active)
      .sort((one, other) => one.scoreThreshold - other.scoreThreshold);
    const sorted = this.byThreshold;
    for (let index = countUpTo(sorted, scoreBefore); index < sorted.length; index++) {
      const milestone = sorted[index]!;
      if (milestone.scoreThreshold > scoreAfter) return;
      yield milestone;
    }
  }
}

/** How many thresholds are at or below a score. */
function countUpTo(sorted: readonly CompiledMilestone[], score: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]!.scoreThreshold <= score) low = middle + 1;
    else high = middle;
  }
  return low;
}
