/** Room for ranks in a step key: a sequence has at most 20 steps, so at most 20 of one type. */
export const RANKS = 32;

/**
 * The step keys of a multiset of types. A step key is (type, rank): "the rank-th latest event of the type,
 * counted back from the completing event"; rank 1 is the latest.
 */
export function stepKeys(steps: readonly number[]): number[] {
  const ranks = new Map<number, number>();
  return steps.map((type) => {
    const rank = (ranks.get(type) ?? 0) + 1;
    ranks.set(type, rank);
    return type * RANKS + rank;
  });
}

export function typeOfKey(key: number): number {
  return Math.floor(key / RANKS);
}

export function rankOfKey(key: number): number {
  return key % RANKS;
}
