const REMEMBERED_MAX = 100_000;

/** Destinations out of memory that answered last time, so that they need not prove themselves again. */
export class ProvenLanes {
  readonly #names = new Set<string>();

  has(name: string): boolean {
    return this.#names.has(name);
  }

  remember(name: string, isProven: boolean): void {
    this.#names.delete(name);
    if (!isProven) return;
    this.#names.add(name);
    if (this.#names.size <= REMEMBERED_MAX) return;
    const [oldest] = this.#names;
    this.#names.delete(oldest!);
  }
}
