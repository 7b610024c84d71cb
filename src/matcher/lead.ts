import { type Arena, type Chunk, NO_CHUNK, NOWHERE } from './arena.ts';
import { LOG_FIELDS } from './eventBlock.ts';
import type { LeadLog } from './leadLog.ts';
import { MARKS_FIELDS, type Marks } from './marks.ts';
import { type Text, textAt } from './text.ts';

/**
 * A lead's record takes three cells of 32 bytes, more when its id is longer than 16 bytes: four 64-bit floats,
 * then 32-bit integers, then the id in UTF-8.
 */
export const LEAD_CELL_BYTES = 32;

const FLOATS = 4;
const NEWEST_MICROS = 0;
const APPLIED_STREAM_SEQUENCE = 1;
const LAST_HEARD_MICROS = 2;
const NOTHING_EXPIRES_UNTIL_MICROS = 3;
const INTS = 8;
const TENANT = 8;
const ID_LENGTH = 9;
const SPAN_VERSION = 10;
const REDUCE_ABOVE_LENGTH = 11;
const FLAGS = 12;
const DIRTY = 1;
const SCORED = 2;
const LOG = 13;
const MARKS = LOG + LOG_FIELDS;
const ID = MARKS + MARKS_FIELDS;

/** No tenant has this number: the record is of a lead that was removed. */
export const NO_TENANT = -1;

/** Cells of the record of a lead whose id has so many bytes. */
export function leadCells(idLength: number): number {
  return Math.ceil((ID * 4 + idLength) / LEAD_CELL_BYTES);
}

/**
 * All state of one lead. One object reads all leads: `open` points it, its log and its marks at one, which
 * they then change in place. Everything in it is encoded, except what the program can tell again.
 */
export class Lead {
  readonly log: LeadLog;
  readonly marks: Marks;
  /** Where the lead's record lies; for as long as the lead is not removed. */
  address = NOWHERE;
  private readonly records: Arena;
  private chunk: Chunk = NO_CHUNK;
  private float = 0;
  private int = 0;

  constructor(records: Arena, log: LeadLog, marks: Marks) {
    this.records = records;
    this.log = log;
    this.marks = marks;
  }

  open(address: number): void {
    this.address = address;
    this.chunk = this.records.chunk(address);
    const cell = this.records.cell(address);
    this.float = cell * FLOATS;
    this.int = cell * INTS;
    this.log.open(address, this.chunk.ints, this.int + LOG);
    this.marks.open(this.chunk.ints, this.int + MARKS);
  }

  /** Fills a record that was just allocated, and opens it. */
  create(address: number, tenant: number, id: Text, heldEventsMax: number): void {
    const { ints } = this.records.chunk(address);
    const int = this.records.cell(address) * INTS;
    ints.fill(0, int, int + ID);
    ints[int + TENANT] = tenant;
    ints[int + ID_LENGTH] = id.length;
    id.copyTo(ints, int + ID);
    this.open(address);
    this.begin(heldEventsMax);
  }

  /** Reads a record's cache lines; the result means nothing. */
  touch(address: number): number {
    if (address === NOWHERE) return 0;
    const { ints } = this.records.chunk(address);
    const int = this.records.cell(address) * INTS;
    return ints[int]! + ints[int + ID]!;
  }

  /** Reads the cache lines of the log of the lead at an address; the result means nothing. */
  touchLog(address: number): number {
    if (address === NOWHERE) return 0;
    return this.log.touch(this.records.chunk(address).ints, this.records.cell(address) * INTS + LOG);
  }

  /** Newest event time of any accepted event (R11); -Infinity: none. */
  get newestMicros(): number {
    return this.chunk.floats[this.float + NEWEST_MICROS]!;
  }

  set newestMicros(micros: number) {
    this.chunk.floats[this.float + NEWEST_MICROS] = micros;
  }

  /** Stream sequence of the last accepted event: messages up to it are contained in this state (R13). */
  get appliedStreamSequence(): number {
    return this.chunk.floats[this.float + APPLIED_STREAM_SEQUENCE]!;
  }

  set appliedStreamSequence(streamSequence: number) {
    this.chunk.floats[this.float + APPLIED_STREAM_SEQUENCE] = streamSequence;
  }

  /** The arrival clock at the last accepted event: how long the lead has been silent (R15). */
  get lastHeardMicros(): number {
    return this.chunk.floats[this.float + LAST_HEARD_MICROS]!;
  }

  set lastHeardMicros(micros: number) {
    this.chunk.floats[this.float + LAST_HEARD_MICROS] = micros;
  }

  /** No held event expires while the newest event time is at or below this; valid for one span version. */
  get nothingExpiresUntilMicros(): number {
    return this.chunk.floats[this.float + NOTHING_EXPIRES_UNTIL_MICROS]!;
  }

  set nothingExpiresUntilMicros(micros: number) {
    this.chunk.floats[this.float + NOTHING_EXPIRES_UNTIL_MICROS] = micros;
  }

  get spanVersion(): number {
    return this.chunk.ints[this.int + SPAN_VERSION]!;
  }

  set spanVersion(version: number) {
    this.chunk.ints[this.int + SPAN_VERSION] = version;
  }

  /** Length of the log at which it is next reduced to what in-order matching needs (R15). */
  get reduceAboveLength(): number {
    return this.chunk.ints[this.int + REDUCE_ABOVE_LENGTH]!;
  }

  set reduceAboveLength(length: number) {
    this.chunk.ints[this.int + REDUCE_ABOVE_LENGTH] = length;
  }

  /** Changed since it was last encoded. */
  get dirty(): boolean {
    return this.hasFlag(DIRTY);
  }

  set dirty(dirty: boolean) {
    this.setFlag(DIRTY, dirty);
  }

  /** An event of the lead carried a score, so that scores are kept of it beside the record. */
  get isScored(): boolean {
    return this.hasFlag(SCORED);
  }

  set isScored(isScored: boolean) {
    this.setFlag(SCORED, isScored);
  }

  get tenant(): number {
    return this.chunk.ints[this.int + TENANT]!;
  }

  get id(): string {
    return textAt(this.chunk.bytes, (this.int + ID) * 4, this.idLength);
  }

  get idLength(): number {
    return this.chunk.ints[this.int + ID_LENGTH]!;
  }

  /** The id in UTF-8; valid until the lead is removed. */
  get idBytes(): Uint8Array {
    const from = (this.int + ID) * 4;
    return this.chunk.bytes.subarray(from, from + this.idLength);
  }

  is(tenant: number, id: Text): boolean {
    return this.tenant === tenant && this.idLength === id.length && id.equals(this.chunk.ints, this.int + ID);
  }

  /** Whether nothing is known of the lead but what re-fire policies need, and its score. */
  get isForgotten(): boolean {
    return this.newestMicros === Number.NEGATIVE_INFINITY;
  }

  /** Forgets a lead that went silent: all but what re-fire policies need (R15, R18). Its scores are kept elsewhere. */
  forget(heldEventsMax: number): void {
    const { marks } = this;
    this.log.clear();
    this.begin(heldEventsMax);
    marks.retain((index) => marks.outlivesSilenceAt(index));
    marks.clearHorizons();
  }

  /** Gives back what the lead holds, before its record goes. */
  dispose(): void {
    this.log.clear();
    this.marks.retain(() => false);
    this.chunk.ints[this.int + TENANT] = NO_TENANT;
    this.dirty = false;
  }

  private hasFlag(flag: number): boolean {
    return (this.chunk.ints[this.int + FLAGS]! & flag) !== 0;
  }

  private setFlag(flag: number, on: boolean): void {
    const { ints } = this.chunk;
    const at = this.int + FLAGS;
    ints[at] = on ? ints[at]! | flag : ints[at]! & ~flag;
  }

  private begin(heldEventsMax: number): void {
    this.newestMicros = Number.NEGATIVE_INFINITY;
    this.lastHeardMicros = Number.NEGATIVE_INFINITY;
    this.nothingExpiresUntilMicros = Number.NEGATIVE_INFINITY;
    this.reduceAboveLength = heldEventsMax;
  }
}
