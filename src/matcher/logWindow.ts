import { filterBit } from './filter.ts';
import { INDEXED_LENGTH_MIN, type LeadLog } from './leadLog.ts';

const TYPES_MIN = 256;

/**
 * The events of a short log that a walk back from one of them can reach, laid out for it: a walk looks at
 * each many times. Arrays are by position.
 */
export class LogWindow {
  /** Position of the earliest event in reach. */
  first = 0;
  readonly times = new Float64Array(INDEXED_LENGTH_MIN);
  readonly types = new Int32Array(INDEXED_LENGTH_MIN);
  /** The bit of each type in a filter. */
  readonly bits = new Int32Array(INDEXED_LENGTH_MIN);
  /** Position of the next event of the same type; past the window: there is none. */
  readonly nextOfType = new Int32Array(INDEXED_LENGTH_MIN);
  /** Filter of the types of the events before, low and high word. */
  readonly beforeLow = new Int32Array(INDEXED_LENGTH_MIN);
  readonly beforeHigh = new Int32Array(INDEXED_LENGTH_MIN);
  /** Per type, the opening that last met it times INDEXED_LENGTH_MIN, plus the position where. */
  private metByType = new Float64Array(TYPES_MIN);
  private openings = 0;

  /** Takes in the events before position `end` of a log that is not indexed, back to a time. */
  open(log: LeadLog, end: number, oldestMicros: number): void {
    const { times, types, bits, nextOfType, beforeLow, beforeHigh } = this;
    this.first = log.read(end, oldestMicros, times, types);
    this.openings += INDEXED_LENGTH_MIN;
    let low = 0;
    let high = 0;
    for (let position = this.first; position < end; position++) {
      const type = types[position]!;
      nextOfType[position] = end;
      if (type >= this.metByType.length) this.growTypes(type);
      const met = this.metByType[type]! - this.openings;
      if (met >= 0) nextOfType[met] = position;
      this.metByType[type] = this.openings + position;
      beforeLow[position] = low;
      beforeHigh[position] = high;
      const bit = filterBit(type);
      bits[position] = bit;
      if (bit < 32) low |= 1 << bit;
      else high |= 1 << (bit & 31);
    }
  }

  private growTypes(type: number): void {
    const grown = new Float64Array(2 ** Math.ceil(Math.log2(type + 1)) * 2);
    grown.set(this.metByType);
    this.metByType = grown;
  }
}
