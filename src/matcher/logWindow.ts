import { filterBit } from './filter.ts';
import { INDEXED_LENGTH_MIN, type LeadLog } from './leadLog.ts';
import type { StepClasses } from './stepClasses.ts';

const CLASSES_MIN = 256;
/** The numbers from 0 on: where each event has one entry, its number is its position. */
const IDENTITY = Int32Array.from({ length: INDEXED_LENGTH_MIN + 1 }, (_, position) => position);

/**
 * The events of a short log that a walk back from one of them can reach, laid out for it: a walk looks at
 * each many times. An event has an entry for each class that it is in, in a row; arrays are by entry. Where
 * classes and types are the same an event has one entry, and its position is the number of it.
 */
export class LogWindow {
  /** The earliest entry, and the number behind the last. */
  first = 0;
  end = 0;
  times = new Float64Array(INDEXED_LENGTH_MIN);
  /** The class. */
  keys = new Int32Array(INDEXED_LENGTH_MIN);
  /** The bit of each class in a filter. */
  bits = new Int32Array(INDEXED_LENGTH_MIN);
  /** The next entry of the same class; the end: there is none. */
  nextOfKey = new Int32Array(INDEXED_LENGTH_MIN);
  /** The entry of the same class before; negative: there is none. */
  private previousOfKey = new Int32Array(INDEXED_LENGTH_MIN);
  /** Filter of the classes of the entries before, low and high word. */
  beforeLow = new Int32Array(INDEXED_LENGTH_MIN);
  beforeHigh = new Int32Array(INDEXED_LENGTH_MIN);
  /** The position of an entry's event, and the first of that event's entries. */
  positions: Int32Array = IDENTITY;
  starts: Int32Array = IDENTITY;
  /** By position: the first entry of the event, 0 in front of the window. */
  entryAt: Int32Array = IDENTITY;
  private readonly eventTimes = new Float64Array(INDEXED_LENGTH_MIN);
  private readonly eventTypes = new Int32Array(INDEXED_LENGTH_MIN);
  private readonly ownEntryAt = new Int32Array(INDEXED_LENGTH_MIN);
  private ownPositions = new Int32Array(INDEXED_LENGTH_MIN);
  private ownStarts = new Int32Array(INDEXED_LENGTH_MIN);
  /** Per class, the opening that last met it and the entry where, as one number. */
  private metByKey = new Float64Array(CLASSES_MIN);
  /** Each opening begins where the numbers of the last one ended. */
  private openings = 0;

  /** Takes in the events before position `end` of a log that is not indexed, back to a time. */
  open(log: LeadLog, end: number, oldestMicros: number, classes: StepClasses): void {
    this.openings += this.keys.length;
    if (classes.isPlain) {
      this.first = log.read(end, oldestMicros, this.times, this.keys);
      this.end = end;
      this.positions = IDENTITY;
      this.starts = IDENTITY;
      this.entryAt = IDENTITY;
    } else {
      this.enter(log, end, oldestMicros, classes);
    }
    const { keys, bits, nextOfKey, previousOfKey, beforeLow, beforeHigh } = this;
    const behind = this.end;
    let low = 0;
    let high = 0;
    for (let entry = this.first; entry < behind; entry++) {
      const key = keys[entry]!;
      nextOfKey[entry] = behind;
      if (key >= this.metByKey.length) this.growClasses(key);
      const met = this.metByKey[key]! - this.openings;
      if (met >= 0) nextOfKey[met] = entry;
      previousOfKey[entry] = met >= 0 ? met : -1;
      this.metByKey[key] = this.openings + entry;
      beforeLow[entry] = low;
      beforeHigh[entry] = high;
      const bit = filterBit(key);
      bits[entry] = bit;
      if (bit < 32) low |= 1 << bit;
      else high |= 1 << (bit & 31);
    }
  }

  /** The latest entry of a class before an entry; negative: there is none. */
  latestBefore(key: number, bound: number): number {
    let entry = key < this.metByKey.length ? this.metByKey[key]! - this.openings : -1;
    while (entry >= bound) entry = this.previousOfKey[entry]!;
    return entry;
  }

  /** Gives each event an entry for each of its classes. */
  private enter(log: LeadLog, end: number, oldestMicros: number, classes: StepClasses): void {
    const { eventTimes, eventTypes, ownEntryAt } = this;
    const first = log.read(end, oldestMicros, eventTimes, eventTypes);
    ownEntryAt.fill(0, 0, first);
    this.first = 0;
    this.end = 0;
    for (let position = first; position < end; position++) {
      const start = this.end;
      ownEntryAt[position] = start;
      const keys = classes.classesOf(eventTypes[position]!);
      while (start + keys.length > this.keys.length) this.growEntries();
      for (let index = 0; index < keys.length; index++) {
        const entry = this.end++;
        this.keys[entry] = keys[index]!;
        this.times[entry] = eventTimes[position]!;
        this.ownPositions[entry] = position;
        this.ownStarts[entry] = start;
      }
    }
    this.positions = this.ownPositions;
    this.starts = this.ownStarts;
    this.entryAt = ownEntryAt;
  }

  private growEntries(): void {
    const length = this.keys.length * 2;
    this.times = extended(new Float64Array(length), this.times);
    this.keys = extended(new Int32Array(length), this.keys);
    this.ownPositions = extended(new Int32Array(length), this.ownPositions);
    this.ownStarts = extended(new Int32Array(length), this.ownStarts);
    this.bits = new Int32Array(length);
    this.nextOfKey = new Int32Array(length);
    this.previousOfKey = new Int32Array(length);
    this.beforeLow = new Int32Array(length);
    this.beforeHigh = new Int32Array(length);
  }

  private growClasses(key: number): void {
    this.metByKey = extended(new Float64Array(2 ** Math.ceil(Math.log2(key + 1)) * 2), this.metByKey);
  }
}

function extended<A extends Float64Array | Int32Array>(longer: A, array: A): A {
  longer.set(array);
  return longer;
}
