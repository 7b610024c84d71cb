import { type Arena, type Chunk, NO_CHUNK, NOWHERE } from './arena.ts';
import { type Text, textAt } from './text.ts';

/**
 * A held event takes one cell of 32 bytes: two 64-bit floats, event time and stream sequence, then four 32-bit
 * integers: type, hash of the id, and where the id lies and its length in bytes.
 */
export const EVENT_CELL_BYTES = 32;
/** Ids lie apart, since they are read for fires and suspected duplicates only. */
export const ID_CELL_BYTES = 8;

const FLOATS = 4;
const TIME = 0;
const STREAM_SEQUENCE = 1;
const INTS = 8;
const TYPE = 4;
const ID_HASH = 5;
const ID_ADDRESS = 6;
const ID_LENGTH = 7;

/** What a lead's record keeps of its log: integers from `at` on. */
const ADDRESS = 0;
const CAPACITY = 1;
const START = 2;
const LENGTH = 3;
export const LOG_FIELDS = 4;

/** The type of a cell whose event was dropped while its position stays; no sequence has it. */
const VACANT = -1;
const CAPACITY_MIN = 2;
/** Up to this capacity a full block with room at its front is moved there, above only when it is worth it. */
const ALWAYS_MOVED_CAPACITY_MAX = 16;
const CACHE_LINE_INTS = 16;
/** Of a longer log, the rest is for the processor's own prefetching. */
const TOUCHED_CELLS_MAX = 16;
/** For a few cells a loop is faster than a call of the engine. */
const LOOPED_CELLS_MAX = 16;

/**
 * The memory of a lead's held events: a block of cells, some of them free at its front and its end. One
 * object reads the blocks of all leads: `open` points it at one, which it then changes in place.
 */
export class EventBlock {
  /** Number of positions. */
  length = 0;
  private readonly events: Arena;
  private readonly ids: Arena;
  private record = NO_CHUNK.ints;
  private at = 0;
  private chunk: Chunk = NO_CHUNK;
  /** The cell of position 0. */
  private first = 0;

  constructor(events: Arena, ids: Arena) {
    this.events = events;
    this.ids = ids;
  }

  /** Whether there is an event at a position; it may have been dropped. */
  isHeld(position: number): boolean {
    return this.typeAt(position) !== VACANT;
  }

  timeAt(position: number): number {
    return this.chunk.floats[(this.first + position) * FLOATS + TIME]!;
  }

  streamSequenceAt(position: number): number {
    return this.chunk.floats[(this.first + position) * FLOATS + STREAM_SEQUENCE]!;
  }

  typeAt(position: number): number {
    return this.chunk.ints[(this.first + position) * INTS + TYPE]!;
  }

  idAt(position: number): string {
    const address = this.chunk.ints[(this.first + position) * INTS + ID_ADDRESS]!;
    return textAt(
      this.ids.chunk(address).bytes,
      this.ids.cell(address) * ID_CELL_BYTES,
      this.idLengthAt(position),
    );
  }

  /** Length of the id in bytes of UTF-8. */
  idLengthAt(position: number): number {
    return this.chunk.ints[(this.first + position) * INTS + ID_LENGTH]!;
  }

  /** The id in UTF-8. */
  idBytesAt(position: number): Uint8Array {
    const id = new Uint8Array(this.idLengthAt(position));
    this.copyId(position, id, 0);
    return id;
  }

  /** Copies the bytes of the id to a place that has room for them. */
  copyId(position: number, target: Uint8Array, at: number): void {
    const address = this.chunk.ints[(this.first + position) * INTS + ID_ADDRESS]!;
    const { bytes } = this.ids.chunk(address);
    const from = this.ids.cell(address) * ID_CELL_BYTES;
    const length = this.idLengthAt(position);
    // For the few bytes of an id a loop is faster than a call of the engine.
    for (let offset = 0; offset < length; offset++) target[at + offset] = bytes[from + offset]!;
  }

  /**
   * Copies the times and types of the events before position `end`, back to a time, into arrays by position.
   * Returns the first position that it copied.
   */
  read(end: number, oldestMicros: number, times: Float64Array, types: Int32Array): number {
    const { floats, ints } = this.chunk;
    const { first } = this;
    let position = end;
    while (position > 0) {
      const time = floats[(first + position - 1) * FLOATS + TIME]!;
      if (time < oldestMicros) break;
      position--;
      times[position] = time;
      types[position] = ints[(first + position) * INTS + TYPE]!;
    }
    return position;
  }

  /** Reads the cache lines of the events that a record keeps, and of the next; the result means nothing. */
  touch(record: Int32Array, at: number): number {
    const address = record[at + ADDRESS]!;
    if (address === NOWHERE) return 0;
    const { ints } = this.events.chunk(address);
    const from = (this.events.cell(address) + record[at + START]!) * INTS;
    const end = from + Math.min(record[at + LENGTH]!, TOUCHED_CELLS_MAX) * INTS;
    let sum = 0;
    for (let int = from; int < end; int += CACHE_LINE_INTS) sum += ints[int]!;
    return sum;
  }

  /**
   * Reads where each id lies, so that the processor fetches them side by side before they are read one after the other;
   * the result means nothing.
   */
  touchIds(): number {
    const { ints } = this.chunk;
    let sum = 0;
    for (let position = 0; position < this.length; position++) {
      if (!this.isHeld(position)) continue;
      const address = ints[(this.first + position) * INTS + ID_ADDRESS]!;
      sum += this.ids.chunk(address).bytes[this.ids.cell(address) * ID_CELL_BYTES]!;
    }
    return sum;
  }

  /** Points at the block that a record keeps LOG_FIELDS integers of from `at` on, at first zeros. */
  protected openBlock(record: Int32Array, at: number): void {
    this.record = record;
    this.at = at;
    this.length = record[at + LENGTH]!;
    this.locate();
  }

  protected idHashAt(position: number): number {
    return this.chunk.ints[(this.first + position) * INTS + ID_HASH]!;
  }

  /** Whether some event has the id, by a scan. */
  protected scanForId(id: Text): boolean {
    const { ints } = this.chunk;
    const first = this.first * INTS;
    // From the end: what is sent twice was mostly sent just before.
    for (let at = first + (this.length - 1) * INTS; at >= first; at -= INTS) {
      if (ints[at + ID_HASH] === id.hash && this.isId(at, id)) return true;
    }
    return false;
  }

  /** Puts an event at a position, from 0 to `length`; those from there on move up by one. */
  protected put(position: number, timeMicros: number, streamSequence: number, type: number, id: Text): void {
    this.makeRoom();
    if (position < this.length) {
      const from = (this.first + position) * INTS;
      this.chunk.ints.copyWithin(from + INTS, from, (this.first + this.length) * INTS);
    }
    this.setLength(this.length + 1);
    const { floats, ints } = this.chunk;
    const float = (this.first + position) * FLOATS;
    floats[float + TIME] = timeMicros;
    floats[float + STREAM_SEQUENCE] = streamSequence;
    const int = (this.first + position) * INTS;
    ints[int + TYPE] = type;
    ints[int + ID_HASH] = id.hash;
    ints[int + ID_LENGTH] = id.length;
    const address = this.ids.allocate(idCells(id.length));
    ints[int + ID_ADDRESS] = address;
    id.copyTo(this.ids.chunk(address).ints, (this.ids.cell(address) * ID_CELL_BYTES) >>> 2);
  }

  /** Drops the event at a position, which stays, vacant. */
  protected vacate(position: number): void {
    const { ints } = this.chunk;
    const at = (this.first + position) * INTS;
    if (ints[at + TYPE] === VACANT) return;
    this.ids.free(ints[at + ID_ADDRESS]!, idCells(ints[at + ID_LENGTH]!));
    ints[at + TYPE] = VACANT;
    // No id has this length.
    ints[at + ID_LENGTH] = -1;
  }

  /** Leaves out the first positions, which are vacant. */
  protected dropVacantFront(count: number): void {
    this.first += count;
    this.record[this.at + START]! += count;
    this.setLength(this.length - count);
    this.giveBack();
  }

  /** Closes all gaps. */
  protected closeGaps(): void {
    let kept = 0;
    for (let position = 0; position < this.length; position++) {
      if (!this.isHeld(position)) continue;
      if (position !== kept) copyCells(this.chunk, this.first + position, this.chunk, this.first + kept, 1);
      kept++;
    }
    this.setLength(kept);
    this.giveBack();
  }

  private locate(): void {
    const address = this.record[this.at + ADDRESS]!;
    this.chunk = address === NOWHERE ? NO_CHUNK : this.events.chunk(address);
    this.first = this.events.cell(address) + this.record[this.at + START]!;
  }

  private isId(at: number, id: Text): boolean {
    const { ints } = this.chunk;
    if (ints[at + ID_LENGTH] !== id.length) return false;
    const address = ints[at + ID_ADDRESS]!;
    return id.equals(this.ids.chunk(address).ints, (this.ids.cell(address) * ID_CELL_BYTES) >>> 2);
  }

  /** Sees to it that there is a cell behind the last event. */
  private makeRoom(): void {
    const { record, at } = this;
    const capacity = record[at + CAPACITY]!;
    const start = record[at + START]!;
    if (start + this.length < capacity) return;
    if (start > 0 && (capacity <= ALWAYS_MOVED_CAPACITY_MAX || start * 4 >= capacity)) this.moveToFront();
    else this.reallocate(Math.max(CAPACITY_MIN, this.length + 1 + (this.length >>> 1)));
  }

  private moveToFront(): void {
    const target = this.first - this.record[this.at + START]!;
    copyCells(this.chunk, this.first, this.chunk, target, this.length);
    this.first = target;
    this.record[this.at + START] = 0;
  }

  private reallocate(cells: number): void {
    const { record, at, chunk, first } = this;
    const address = record[at + ADDRESS]!;
    const capacity = this.events.fit(cells);
    record[at + ADDRESS] = this.events.allocate(capacity);
    record[at + START] = 0;
    this.locate();
    copyCells(chunk, first, this.chunk, this.first, this.length);
    if (address !== NOWHERE) this.events.free(address, record[at + CAPACITY]!);
    record[at + CAPACITY] = capacity;
  }

  /** Gives memory back when most of it is empty. */
  private giveBack(): void {
    const { record, at } = this;
    const capacity = record[at + CAPACITY]!;
    if (this.length === 0 && capacity > 0) {
      this.events.free(record[at + ADDRESS]!, capacity);
      record.fill(0, at, at + LOG_FIELDS);
      this.locate();
    } else if (capacity > ALWAYS_MOVED_CAPACITY_MAX && this.length * 4 < capacity) {
      this.reallocate(this.length * 2);
    }
  }

  private setLength(length: number): void {
    this.length = length;
    this.record[this.at + LENGTH] = length;
  }
}

/** Every id has a cell, so that every event has one to give back. */
function idCells(length: number): number {
  return Math.max(1, Math.ceil(length / ID_CELL_BYTES));
}

function copyCells(source: Chunk, from: number, target: Chunk, to: number, count: number): void {
  if (count > LOOPED_CELLS_MAX) {
    target.ints.set(source.ints.subarray(from * INTS, (from + count) * INTS), to * INTS);
    return;
  }
  // As integers: what they spell as a float may be a NaN, whose bits need not survive a copy.
  const ints = count * INTS;
  for (let at = 0; at < ints; at++) target.ints[to * INTS + at] = source.ints[from * INTS + at]!;
}
