import { type Arena, type Chunk, NO_CHUNK, NOWHERE } from './arena.ts';

/**
 * A mark takes one cell of 32 bytes: three 64-bit floats, horizon time, horizon stream sequence and last-fire
 * time, then two 32-bit integers: the key of the sequence, and flags.
 */
export const MARK_CELL_BYTES = 32;

const FLOATS = 4;
const HORIZON_MICROS = 0;
const HORIZON_STREAM_SEQUENCE = 1;
const LAST_FIRE_MICROS = 2;
const INTS = 8;
const KEY = 6;
const FLAGS = 7;
const OUTLIVES_SILENCE = 1;

/** What a lead's record keeps of its marks: integers from `at` on. */
const ADDRESS = 0;
const CAPACITY = 1;
const LENGTH = 2;
export const MARKS_FIELDS = 3;

/** What a lead remembers of one sequence. */
export interface Mark {
  /** The horizon: the completing event of the last completion. Nothing at or before it counts again (R9). */
  readonly horizonMicros: number;
  readonly horizonStreamSequence: number;
  /** Event time of the completing event of the last completion that was not suppressed; NaN: none yet. */
  readonly lastFireMicros: number;
  /** The re-fire policy at the last completion looks back further than the log, so silence must not erase it. */
  readonly outlivesSilence: boolean;
}

/** The marks of a lead, ascending by key. One object reads those of all leads, as a LeadLog does the logs. */
export class Marks {
  length = 0;
  private readonly cells: Arena;
  private record = NO_CHUNK.ints;
  private at = 0;
  private chunk: Chunk = NO_CHUNK;
  private first = 0;

  constructor(cells: Arena) {
    this.cells = cells;
  }

  /** Points at the marks of a lead, whose record keeps MARKS_FIELDS integers of them from `at` on, at first zeros. */
  open(record: Int32Array, at: number): void {
    this.record = record;
    this.at = at;
    this.length = record[at + LENGTH]!;
    this.locate();
  }

  /** Index of the mark of a sequence, or -1 before its first completion. */
  find(key: number): number {
    const index = this.countBelow(key);
    return index < this.length && this.keyAt(index) === key ? index : -1;
  }

  keyAt(index: number): number {
    return this.chunk.ints[(this.first + index) * INTS + KEY]!;
  }

  horizonMicrosAt(index: number): number {
    return this.chunk.floats[(this.first + index) * FLOATS + HORIZON_MICROS]!;
  }

  horizonStreamSequenceAt(index: number): number {
    return this.chunk.floats[(this.first + index) * FLOATS + HORIZON_STREAM_SEQUENCE]!;
  }

  lastFireMicrosAt(index: number): number {
    return this.chunk.floats[(this.first + index) * FLOATS + LAST_FIRE_MICROS]!;
  }

  outlivesSilenceAt(index: number): boolean {
    return (this.chunk.ints[(this.first + index) * INTS + FLAGS]! & OUTLIVES_SILENCE) !== 0;
  }

  /** Sets the mark of a sequence. */
  put(key: number, mark: Mark): void {
    const index = this.countBelow(key);
    if (index === this.length || this.keyAt(index) !== key) this.insert(index);
    const { floats, ints } = this.chunk;
    const float = (this.first + index) * FLOATS;
    floats[float + HORIZON_MICROS] = mark.horizonMicros;
    floats[float + HORIZON_STREAM_SEQUENCE] = mark.horizonStreamSequence;
    floats[float + LAST_FIRE_MICROS] = mark.lastFireMicros;
    const int = (this.first + index) * INTS;
    ints[int + KEY] = key;
    ints[int + FLAGS] = mark.outlivesSilence ? OUTLIVES_SILENCE : 0;
  }

  /** Drops the marks for which `keep` is false. */
  retain(keep: (index: number) => boolean): void {
    let kept = 0;
    for (let index = 0; index < this.length; index++) {
      if (!keep(index)) continue;
      const from = (this.first + index) * INTS;
      this.chunk.ints.copyWithin((this.first + kept) * INTS, from, from + INTS);
      kept++;
    }
    this.setLength(kept);
    if (kept === 0) this.reallocate(0);
  }

  /** Lets every sequence begin anew, but for what its re-fire policy remembers. */
  clearHorizons(): void {
    for (let index = 0; index < this.length; index++) {
      const float = (this.first + index) * FLOATS;
      this.chunk.floats[float + HORIZON_MICROS] = Number.NEGATIVE_INFINITY;
      this.chunk.floats[float + HORIZON_STREAM_SEQUENCE] = 0;
    }
  }

  private countBelow(key: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.keyAt(middle) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Makes room for a mark at an index. */
  private insert(index: number): void {
    if (this.length === this.record[this.at + CAPACITY]!) {
      this.reallocate(this.length + 1 + (this.length >>> 1));
    }
    const from = (this.first + index) * INTS;
    this.chunk.ints.copyWithin(from + INTS, from, (this.first + this.length) * INTS);
    this.setLength(this.length + 1);
  }

  private reallocate(cells: number): void {
    const { record, at, chunk, first } = this;
    const address = record[at + ADDRESS]!;
    const capacity = this.cells.fit(cells);
    record[at + ADDRESS] = capacity === 0 ? NOWHERE : this.cells.allocate(capacity);
    this.locate();
    if (address !== NOWHERE) {
      this.chunk.ints.set(chunk.ints.subarray(first * INTS, (first + this.length) * INTS), this.first * INTS);
      this.cells.free(address, record[at + CAPACITY]!);
    }
    record[at + CAPACITY] = capacity;
  }

  private setLength(length: number): void {
    this.length = length;
    this.record[this.at + LENGTH] = length;
  }

  private locate(): void {
    const address = this.record[this.at + ADDRESS]!;
    this.chunk = address === NOWHERE ? NO_CHUNK : this.cells.chunk(address);
    this.first = this.cells.cell(address);
  }
}
