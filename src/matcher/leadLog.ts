/** From this length on, look-ups by type go through an index instead of a scan. */
const INDEXED_LENGTH_MIN = 48;

/** Positions of each type and the set of ids, for long logs. Positions are absolute: index + base. */
interface LogIndex {
  /** Absolute position of the log's first event. */
  base: number;
  readonly positionsByType: Map<number, number[]>;
  readonly ids: Set<string>;
}

/**
 * The held events of one lead in the lead's order, (event time, stream sequence) ascending (R2), as parallel
 * arrays. A position is an index into them and is valid until the next change of the log.
 */
export class LeadLog {
  readonly times: number[] = [];
  readonly streamSequences: number[] = [];
  readonly types: number[] = [];
  readonly ids: string[] = [];
  private index: LogIndex | null = null;

  get length(): number {
    return this.times.length;
  }

  hasId(id: string): boolean {
    const index = this.indexIfLong();
    return index === null ? this.ids.includes(id) : index.ids.has(id);
  }

  /** Inserts an event whose stream sequence is above all held ones, and returns its position. */
  insert(timeMicros: number, streamSequence: number, type: number, id: string): number {
    let position = this.length;
    while (position > 0 && this.times[position - 1]! > timeMicros) position--;
    if (position === this.length) {
      this.append(timeMicros, streamSequence, type, id);
    } else {
      this.times.splice(position, 0, timeMicros);
      this.streamSequences.splice(position, 0, streamSequence);
      this.types.splice(position, 0, type);
      this.ids.splice(position, 0, id);
      this.index = null;
    }
    return position;
  }

  /** Adds an event at the end: the caller knows that it is the last in the lead's order. */
  append(timeMicros: number, streamSequence: number, type: number, id: string): void {
    if (this.index !== null) {
      positionsOf(this.index, type).push(this.index.base + this.length);
      this.index.ids.add(id);
    }
    this.times.push(timeMicros);
    this.streamSequences.push(streamSequence);
    this.types.push(type);
    this.ids.push(id);
  }

  /** Drops the events for which `keep` is false. */
  retain(keep: (position: number) => boolean): void {
    let front = 0;
    while (front < this.length && !keep(front)) front++;
    let kept = front;
    while (kept < this.length && keep(kept)) kept++;
    if (kept === this.length) {
      this.dropFront(front);
      return;
    }
    let target = 0;
    for (let position = front; position < this.length; position++) {
      if (position >= kept && !keep(position)) continue;
      this.times[target] = this.times[position]!;
      this.streamSequences[target] = this.streamSequences[position]!;
      this.types[target] = this.types[position]!;
      this.ids[target] = this.ids[position]!;
      target++;
    }
    this.truncate(target);
  }

  clear(): void {
    this.truncate(0);
  }

  /** Position of the latest event of a type before a position, or -1. */
  latestBefore(type: number, position: number): number {
    return this.nthLatestBefore(type, position, 1);
  }

  /** Position of the n-th latest event of a type before a position, or -1; n counts from 1. */
  nthLatestBefore(type: number, position: number, n: number): number {
    const index = this.indexIfLong();
    if (index !== null) {
      const positions = index.positionsByType.get(type);
      if (positions === undefined) return -1;
      const at = countBelow(positions, index.base + position) - n;
      return at < 0 ? -1 : positions[at]! - index.base;
    }
    let missing = n;
    for (let at = position - 1; at >= 0; at--) {
      if (this.types[at] === type && --missing === 0) return at;
    }
    return -1;
  }

  /** Position of the earliest event of a type after a position, or -1. */
  earliestAfter(type: number, position: number): number {
    const index = this.indexIfLong();
    if (index !== null) {
      const positions = index.positionsByType.get(type);
      const found = positions?.[countBelow(positions, index.base + position + 1)];
      return found === undefined ? -1 : found - index.base;
    }
    for (let at = position + 1; at < this.length; at++) {
      if (this.types[at] === type) return at;
    }
    return -1;
  }

  /** Position of the event with a stream sequence, which the log holds; near the end, where late events go. */
  positionOf(streamSequence: number): number {
    return this.streamSequences.lastIndexOf(streamSequence);
  }

  /** Whether the event at a position is at or before a point of the lead's order (R2). */
  isAtOrBefore(position: number, timeMicros: number, streamSequence: number): boolean {
    const time = this.times[position]!;
    return time < timeMicros || (time === timeMicros && this.streamSequences[position]! <= streamSequence);
  }

  get isIndexed(): boolean {
    return this.indexIfLong() !== null;
  }

  /** The types present, for an indexed log. */
  indexedTypes(): Iterable<number> {
    return this.indexIfLong()!.positionsByType.keys();
  }

  private dropFront(count: number): void {
    if (count === 0) return;
    if (this.index !== null) {
      for (let position = 0; position < count; position++) {
        const type = this.types[position]!;
        const positions = this.index.positionsByType.get(type)!;
        positions.shift();
        if (positions.length === 0) this.index.positionsByType.delete(type);
        this.index.ids.delete(this.ids[position]!);
      }
      this.index.base += count;
    }
    this.times.splice(0, count);
    this.streamSequences.splice(0, count);
    this.types.splice(0, count);
    this.ids.splice(0, count);
  }

  private truncate(length: number): void {
    this.times.length = length;
    this.streamSequences.length = length;
    this.types.length = length;
    this.ids.length = length;
    this.index = null;
  }

  private indexIfLong(): LogIndex | null {
    if (this.length < INDEXED_LENGTH_MIN) this.index = null;
    else this.index ??= this.buildIndex();
    return this.index;
  }

  private buildIndex(): LogIndex {
    const index: LogIndex = { base: 0, positionsByType: new Map(), ids: new Set(this.ids) };
    for (let position = 0; position < this.length; position++) {
      positionsOf(index, this.types[position]!).push(position);
    }
    return index;
  }
}

function positionsOf(index: LogIndex, type: number): number[] {
  let positions = index.positionsByType.get(type);
  if (positions === undefined) {
    positions = [];
    index.positionsByType.set(type, positions);
  }
  return positions;
}

/** How many of the ascending numbers are below a bound. */
function countBelow(ascending: readonly number[], bound: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
