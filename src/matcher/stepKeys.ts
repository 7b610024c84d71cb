/** Room for ranks in a step key: a sequence has at most 40 steps, so at most 40 of one class. */
export const RANKS = 64;

/**
 * The step keys of a multiset of classes. A step key is (class, rank): "the rank-th latest event of the class,
 * counted back from the completing event"; rank 1 is the latest.
 */
export function stepKeys(steps: readonly number[]): number[] {
  const ranks = new Map<number, number>();
  return steps.map((stepClass) => {
    const rank = (ranks.get(stepClass) ?? 0) + 1;
    ranks.set(stepClass, rank);
    return stepClass * RANKS + rank;
  });
}

export function classOfKey(key: number): number {
  return Math.floor(key / RANKS);
}

export function rankOfKey(key: number): number {
  return key % RANKS;
}
