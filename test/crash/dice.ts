import { seededRandom } from '../../bench/random.ts';

/** Draws that depend on a seed, a topic and an index alone, so that any part of a plan can be told by itself. */
export class Dice {
  readonly #random: () => number;

  constructor(seed: number, topic: string, index: number) {
    let mixed = 2_166_136_261;
    for (const character of `${seed}/${topic}/${index}`) {
      mixed = Math.imul(mixed ^ character.charCodeAt(0), 16_777_619);
    }
    this.#random = seededRandom(mixed);
  }

  /** In [0, 1). */
  fraction(): number {
    return this.#random();
  }

  /** Both ends included. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.#random() * (max - min + 1));
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.integer(0, list.length - 1)]!;
  }

  shuffled<T>(list: readonly T[]): T[] {
    return list
      .map((item) => ({ item, rank: this.#random() }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ item }) => item);
  }
}
