import { INDEXED_LENGTH_MIN, type LeadLog } from './leadLog.ts';
import { filterBit } from './trie.ts';

/**
 * The events of a short log that a walk back from one of them can reach, laid out for it: a walk looks at
 * each many times. Arrays are by position.
 */
export class LogWindow {
  /** Position of the earliest event in reach. */
  first = 0;
  readonly times = new Float64Array(INDEXED_LENGTH_MIN);
  readonly types = new Int32Array(INDEXED_LENGTH_MIN);
  /** Position of the next event of the same type; past the window: there is none. */
  readonly nextOfType = new Int32Array(INDEXED_LENGTH_MIN);
  /** Filter of the types of the events before, low and high word. */
  readonly beforeLow = new Int32Array(INDEXED_LENGTH_MIN);
  readonly beforeHigh = new Int32Array(INDEXED_LENGTH_MIN);
  /** Per type: the opening that last met it, and the position where. */
  private readonly metInOpening: number[] = [];
  private readonly metAt: number[] = [];
  private openings = 0;

  /** Takes in the events before position `end` of a log that is not indexed, back to a time. */
  open(log: LeadLog, end: number, oldestMicros: number): void {
    let first = end;
    while (first > 0 && log.timeAt(first - 1) >= oldestMicros) first--;
    this.first = first;
    const opening = ++this.openings;
    let low = 0;
    let high = 0;
    for (let position = first; position < end; position++) {
      const type = log.typeAt(position);
      this.times[position] = log.timeAt(position);
      this.types[position] = type;
      this.nextOfType[position] = end;
      if (this.metInOpening[type] === opening) this.nextOfType[this.metAt[type]!] = position;
      this.metInOpening[type] = opening;
      this.metAt[type] = position;
      this.beforeLow[position] = low;
      this.beforeHigh[position] = high;
      const bit = filterBit(type);
      if (bit < 32) low |= 1 << bit;
      else high |= 1 << (bit & 31);
    }
  }
}
