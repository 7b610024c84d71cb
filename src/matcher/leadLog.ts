import { type Arena, NOWHERE } from './arena.ts';
import { EventBlock } from './eventBlock.ts';
import { LogIndex } from './logIndex.ts';
import type { Text } from './text.ts';

/** An indexed log is compacted when more than this share of it is vacant, so that dropping costs little each time. */
const VACANT_SHARE_MAX = 1 / 4;

/**
 * From this length on, look-ups go through an index instead of a scan, unless told otherwise. The index of a log
 * is scattered over the heap: where the leads do not all stay in the processor's caches, a scan of some hundreds of
 * events in a row costs less than the look-ups that one event makes.
 */
export const INDEXED_LENGTH_MIN = 512;

/**
 * The held events of a lead in the lead's order, (event time, stream sequence) ascending (R2). One object
 * reads the logs of all leads: `open` points it at one, which it then changes in place. A position is an
 * index into the log and is valid until the next change of it.
 */
export class LeadLog extends EventBlock {
  private readonly indexedLengthMin: number;
  private readonly indexes = new Map<number, LogIndex>();
  private lead = NOWHERE;
  private index: LogIndex | null = null;

  constructor(events: Arena, ids: Arena, indexedLengthMin: number) {
    super(events, ids);
    this.indexedLengthMin = indexedLengthMin;
  }

  /** Points at the log of a lead, whose record keeps LOG_FIELDS integers of it from `at` on, at first zeros. */
  open(lead: number, record: Int32Array, at: number): void {
    this.openBlock(record, at);
    this.lead = lead;
    this.index = this.length < this.indexedLengthMin ? null : (this.indexes.get(lead) ?? null);
  }

  /** Number of events: all positions but those of dropped events, which only an indexed log has. */
  get heldCount(): number {
    return this.length - (this.index?.vacantCount ?? 0);
  }

  hasId(id: Text): boolean {
    if (this.isIndexed && !this.index!.hasIdHash(id.hash)) return false;
    return this.scanForId(id);
  }

  /** Inserts an event whose stream sequence is above all held ones. */
  insert(timeMicros: number, streamSequence: number, type: number, id: Text): void {
    let position = this.length;
    while (position > 0 && this.timeAt(position - 1) > timeMicros) position--;
    this.put(position, timeMicros, streamSequence, type, id);
    if (this.index === null) return;
    if (position === this.length - 1) this.index.append(position, type, id.hash);
    else this.index.insert(position, type, id.hash, this.typesFrom(position + 1));
  }

  /** Adds an event that is the last in the lead's order. */
  append(timeMicros: number, streamSequence: number, type: number, id: Text): void {
    this.put(this.length, timeMicros, streamSequence, type, id);
    this.index?.append(this.length - 1, type, id.hash);
  }

  /**
   * Drops the events whose time is over: those that the newest event of the lead has left behind by more than
   * their type is held for, and those of types that are not held (negative).
   *
   * @returns until which newest event time nothing more is to be dropped.
   */
  dropExpired(newestMicros: number, holdMicrosByType: readonly number[], latenessMicros: number): number {
    const lastMicros = newestMicros - latenessMicros;
    const earliestMicros = this.isIndexed
      ? this.dropEndedByType(this.index!, lastMicros, holdMicrosByType)
      : this.dropEnded(lastMicros, holdMicrosByType);
    return earliestMicros + latenessMicros;
  }

  /** Drops all events but those at the given positions. */
  retain(positions: ReadonlySet<number>): void {
    for (let position = 0; position < this.length; position++) {
      if (!positions.has(position)) this.vacate(position);
    }
    this.compact();
  }

  clear(): void {
    for (let position = 0; position < this.length; position++) this.vacate(position);
    this.compact();
  }

  /** Position of the latest event of a type before a position, or -1. */
  latestBefore(type: number, position: number): number {
    return this.nthLatestBefore(type, position, 1);
  }

  /** Position of the n-th latest event of a type before a position, or -1; n counts from 1. */
  nthLatestBefore(type: number, position: number, n: number): number {
    if (this.isIndexed) return this.index!.nthLatestBefore(type, position, n);
    let missing = n;
    for (let at = position - 1; at >= 0; at--) {
      if (this.typeAt(at) === type && --missing === 0) return at;
    }
    return -1;
  }

  /** Position of the earliest event of a type after a position, or -1. */
  earliestAfter(type: number, position: number): number {
    if (this.isIndexed) return this.index!.earliestAfter(type, position);
    for (let at = position + 1; at < this.length; at++) {
      if (this.typeAt(at) === type) return at;
    }
    return -1;
  }

  /** Number of types present; of an indexed log alone, as `types`. */
  get typeCount(): number {
    return this.index!.typeCount;
  }

  types(): Iterable<number> {
    return this.index!.types();
  }

  /** Position of the event with a stream sequence, which the log holds; near the end, where late events go. */
  positionOf(streamSequence: number): number {
    let position = this.length - 1;
    while (this.streamSequenceAt(position) !== streamSequence) position--;
    return position;
  }

  /** Whether the event at a position is at or before a point of the lead's order (R2). */
  isAtOrBefore(position: number, timeMicros: number, streamSequence: number): boolean {
    const time = this.timeAt(position);
    return time < timeMicros || (time === timeMicros && this.streamSequenceAt(position) <= streamSequence);
  }

  /** Whether look-ups by type are cheaper than a scan; builds the index of a log that has become long. */
  get isIndexed(): boolean {
    if (this.length < this.indexedLengthMin) return false;
    if (this.index === null) {
      this.index = new LogIndex();
      for (let position = 0; position < this.length; position++) {
        this.index.append(position, this.typeAt(position), this.idHashAt(position));
      }
      this.indexes.set(this.lead, this.index);
    }
    return true;
  }

  /** Drops the events that end before a time, and returns when the first of the others ends. */
  private dropEnded(lastMicros: number, holdMicrosByType: readonly number[]): number {
    let earliestMicros = Number.POSITIVE_INFINITY;
    let dropped = 0;
    let kept = 0;
    for (let position = 0; position < this.length; position++) {
      const micros = this.endMicros(position, holdMicrosByType);
      if (micros >= lastMicros) {
        kept++;
        if (micros < earliestMicros) earliestMicros = micros;
      } else {
        // In front of all others, as usual, it goes by moving the start.
        if (kept === 0) dropped++;
        this.vacate(position);
      }
    }
    this.dropFront(dropped);
    if (this.length > kept) this.compact();
    return earliestMicros;
  }

  /** The same for an indexed log: the first event of each type is the first of its type to end. */
  private dropEndedByType(index: LogIndex, lastMicros: number, holdMicrosByType: readonly number[]): number {
    let earliestMicros = Number.POSITIVE_INFINITY;
    for (const type of index.types()) {
      let first = index.first(type);
      while (first >= 0 && this.endMicros(first, holdMicrosByType) < lastMicros) {
        index.dropFirst(type, this.idHashAt(first));
        this.vacate(first);
        first = index.first(type);
      }
      if (first >= 0) earliestMicros = Math.min(earliestMicros, this.endMicros(first, holdMicrosByType));
    }
    let front = 0;
    while (front < this.length && !this.isHeld(front)) front++;
    this.dropFront(front);
    if (index.vacantCount > this.length * VACANT_SHARE_MAX) this.compact();
    return earliestMicros;
  }

  /** The time of the event at a position plus how long its type is held; -Infinity: it is not held. */
  private endMicros(position: number, holdMicrosByType: readonly number[]): number {
    const holdMicros = holdMicrosByType[this.typeAt(position)]!;
    return holdMicros < 0 ? Number.NEGATIVE_INFINITY : this.timeAt(position) + holdMicros;
  }

  private dropFront(count: number): void {
    if (count === 0) return;
    this.index?.dropFront(count);
    this.dropVacantFront(count);
    if (this.length < this.indexedLengthMin && this.index !== null) this.compact();
  }

  /** Closes all gaps, which makes positions other ones. */
  private compact(): void {
    this.dropIndex();
    this.closeGaps();
  }

  private dropIndex(): void {
    if (this.index === null) return;
    this.index = null;
    this.indexes.delete(this.lead);
  }

  private *typesFrom(position: number): Generator<number> {
    for (let behind = position; behind < this.length; behind++) {
      if (this.isHeld(behind)) yield this.typeAt(behind);
    }
  }
}
