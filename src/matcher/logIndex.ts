/**
 * Positions of each type and the hashes of ids, for a log too long to be scanned. Positions in it are
 * absolute: a log's position plus `base`, so that dropping the front moves none.
 */
export class LogIndex {
  /** How many positions belong to no event any more. */
  vacantCount = 0;
  private base = 0;
  private readonly positionsByType = new Map<number, number[]>();
  private readonly countByIdHash = new Map<number, number>();

  get typeCount(): number {
    return this.positionsByType.size;
  }

  /** The types present. */
  types(): Iterable<number> {
    return this.positionsByType.keys();
  }

  /** Whether some id has the hash. */
  hasIdHash(hash: number): boolean {
    return this.countByIdHash.has(hash);
  }

  /** Position of the first event of a type, or -1. */
  first(type: number): number {
    const position = this.positionsByType.get(type)?.[0];
    return position === undefined ? -1 : position - this.base;
  }

  /** Position of the n-th latest event of a type before a position, or -1; n counts from 1. */
  nthLatestBefore(type: number, position: number, n: number): number {
    const positions = this.positionsByType.get(type);
    if (positions === undefined) return -1;
    const at = countBelow(positions, this.base + position) - n;
    return at < 0 ? -1 : positions[at]! - this.base;
  }

  /** Position of the earliest event of a type after a position, or -1. */
  earliestAfter(type: number, position: number): number {
    const positions = this.positionsByType.get(type);
    const found = positions?.[countBelow(positions, this.base + position + 1)];
    return found === undefined ? -1 : found - this.base;
  }

  /** Takes note of an event that was added at the end. */
  append(position: number, type: number, idHash: number): void {
    const positions = this.positionsByType.get(type);
    if (positions === undefined) this.positionsByType.set(type, [this.base + position]);
    else positions.push(this.base + position);
    this.countByIdHash.set(idHash, (this.countByIdHash.get(idHash) ?? 0) + 1);
  }

  /**
   * Takes note of an event that was inserted: those behind it have moved up by one.
   *
   * @param typesBehind the types of the events behind it, each at least once.
   */
  insert(position: number, type: number, idHash: number, typesBehind: Iterable<number>): void {
    const inserted = this.base + position;
    for (const moved of new Set(typesBehind)) {
      const positions = this.positionsByType.get(moved)!;
      for (let at = positions.length - 1; at >= 0 && positions[at]! >= inserted; at--) positions[at]!++;
    }
    this.append(position, type, idHash);
    const positions = this.positionsByType.get(type)!;
    for (let at = positions.length - 1; at > 0 && positions[at - 1]! > inserted; at--) {
      positions[at] = positions[at - 1]!;
      positions[at - 1] = inserted;
    }
  }

  /** Takes note that the first event of a type was dropped; its position stays, vacant. */
  dropFirst(type: number, idHash: number): void {
    const positions = this.positionsByType.get(type)!;
    positions.shift();
    if (positions.length === 0) this.positionsByType.delete(type);
    const count = this.countByIdHash.get(idHash)!;
    if (count === 1) this.countByIdHash.delete(idHash);
    else this.countByIdHash.set(idHash, count - 1);
    this.vacantCount++;
  }

  /** Takes note that the log begins later: the first positions, all vacant, are no more. */
  dropFront(count: number): void {
    this.base += count;
    this.vacantCount -= count;
  }
}

/** How many of the ascending numbers are below a bound: a galloping search from the end, where most bounds lie. */
function countBelow(ascending: readonly number[], bound: number): number {
  let high = ascending.length;
  let step = 1;
  while (high - step >= 0 && ascending[high - step]! >= bound) {
    high -= step;
    step *= 2;
  }
  let low = Math.max(0, high - step);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
