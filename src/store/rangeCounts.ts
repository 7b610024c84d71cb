import { compareKeys } from 'lmdb';
import { type Environment, packRow, type Table, unpackRow } from './environment.ts';

const ROW_VERSION = 1;
const HOURS_PER_DAY = 24;
/** What one step of building looks at, whichever comes first, so that it holds up nothing for long. */
const STEP_HOURS_MAX = 500;
const STEP_ENTRIES_MAX = 200_000;
/** Sorts behind the end of every name of a filter, and before any longer name. */
const BEHIND_NAME = ' ';

type Key = Array<string | number>;

/** Times from the first, included, to the second, excluded; both in the unit of the index. */
export interface TimeRange {
  readonly from: number;
  readonly end: number;
}

export const ALL_TIMES: TimeRange = { from: Number.MIN_SAFE_INTEGER, end: Number.MAX_SAFE_INTEGER };

/** An index whose keys are an OU, the name of a filter, what that is for, a time, an id. */
export interface CountedIndex {
  readonly index: Table;
  /** Of the table of counts, and of the row in `meta` that says how far they are built. */
  readonly name: string;
  /** In the unit of the times of the index. */
  readonly hourUnits: number;
  /** The names of filters that have counts; the entries of others are counted one by one. */
  readonly filters: ReadonlySet<string>;
}

/** How far the counts of an index are built: every hour that begins before the key. Null: all of them are. */
interface Built {
  readonly before: Key | null;
}

/**
 * How many entries of an index lie in each hour, so that a range of times is counted without touching each of
 * them. A row holds the 24 counts of a day; its key is the prefix of the entries and the number of the day since
 * the epoch. Every write method must be called inside one transaction of the environment, together with the
 * writes of the entries.
 *
 * An index of before there were counts gets them hour by hour (`buildStep`). Until then the hours that are not
 * built yet are left alone by `apply`, and filters that have any are counted entry by entry.
 */
export class RangeCounts {
  readonly #indexed: CountedIndex;
  readonly #days: Table;
  readonly #meta: Table;

  constructor(environment: Environment, indexed: CountedIndex) {
    this.#indexed = indexed;
    this.#days = environment.table(indexed.name);
    this.#meta = environment.table('meta');
  }

  /** Collects what a transaction adds and removes, so that each count is written once. */
  changes(): CountChanges {
    return new CountChanges(this.#indexed);
  }

  apply(changes: CountChanges): void {
    const built = this.#built();
    for (const { prefix, hour, change } of changes.hours()) {
      if (this.#isBuilt(built, [...prefix, hour * this.#indexed.hourUnits])) this.#add(prefix, hour, change);
    }
  }

  /** How many entries with the prefix lie in the range. */
  count(prefix: Key, { from, end }: TimeRange): number {
    const { hourUnits } = this.#indexed;
    // Not by `Math.ceil`, which gives -0, and a key of that lies elsewhere than one of 0.
    const firstHour = Math.floor((from - 1) / hourUnits) + 1;
    const endHour = Math.floor(end / hourUnits);
    if (firstHour >= endHour || !this.#has(prefix)) return this.#countEntries(prefix, from, end);
    let sum = 0;
    for (const { hour, count } of this.#hoursNewestFirst(prefix, firstHour, endHour)) {
      if (hour >= firstHour) sum += count;
    }
    return (
      sum +
      this.#countEntries(prefix, from, firstHour * hourUnits) +
      this.#countEntries(prefix, endHour * hourUnits, end)
    );
  }

  /**
   * Passes over whole hours of entries, the newest first.
   *
   * @param end where to begin, excluded
   * @param offset how many entries to pass over
   * @returns where to begin instead, and how many entries are to be passed over from there
   */
  skip(prefix: Key, end: number, offset: number): { readonly end: number; readonly offset: number } {
    const { hourUnits } = this.#indexed;
    const endHour = Math.floor(end / hourUnits);
    if (offset === 0 || !this.#has(prefix)) return { end, offset };
    let left = offset - this.#countEntries(prefix, endHour * hourUnits, end);
    if (left < 0) return { end, offset };
    let reachedHour = endHour;
    for (const { hour, count } of this.#hoursNewestFirst(prefix, Number.MIN_SAFE_INTEGER, endHour)) {
      if (count > left) break;
      left -= count;
      reachedHour = hour;
    }
    return { end: reachedHour * hourUnits, offset: left };
  }

  /** Whether `buildStep` has nothing to do any more. */
  get isComplete(): boolean {
    return this.#built()?.before === null;
  }

  /** Counts some more hours of what was there before there were counts. */
  buildStep(hoursMax = STEP_HOURS_MAX): void {
    const { index, filters, hourUnits } = this.#indexed;
    let before: Key | null = this.#built()?.before ?? [];
    let entries = 0;
    for (let hours = 0; before !== null && hours < hoursMax && entries < STEP_ENTRIES_MAX; hours += 1) {
      const [key]: Key[] = [...index.getKeys({ start: before, limit: 1 })];
      if (key === undefined) {
        before = null;
      } else if (!filters.has(String(key[1]))) {
        before = [key[0]!, `${key[1]}${BEHIND_NAME}`];
      } else {
        const prefix = key.slice(0, -2);
        const hour = Math.floor(Number(key.at(-2)) / hourUnits);
        before = [...prefix, (hour + 1) * hourUnits];
        const count = this.#countEntries(prefix, hour * hourUnits, (hour + 1) * hourUnits);
        this.#add(prefix, hour, count);
        entries += count;
      }
    }
    void this.#meta.put([this.#indexed.name], packRow(ROW_VERSION, { before }));
  }

  /** Whether every count of the filter is there. */
  #has(prefix: Key): boolean {
    if (!this.#indexed.filters.has(String(prefix[1]))) return false;
    return this.#isBuilt(this.#built(), [...prefix, ALL_TIMES.end]);
  }

  #built(): Built | undefined {
    const row = this.#meta.get([this.#indexed.name]);
    return row === undefined ? undefined : unpackRow<Built>(row, [ROW_VERSION]);
  }

  #isBuilt(built: Built | undefined, hourBegin: Key): boolean {
    if (built === undefined) return false;
    return built.before === null || compareKeys(hourBegin, built.before) < 0;
  }

  *#hoursNewestFirst(
    prefix: Key,
    firstHour: number,
    endHour: number,
  ): Generator<{ readonly hour: number; readonly count: number }> {
    const days = this.#days.getRange({
      start: [...prefix, dayOf(endHour)],
      end: [...prefix, dayOf(firstHour) - 1],
      reverse: true,
    });
    for (const { key, value } of days) {
      const counts = unpackRow<number[]>(value, [ROW_VERSION]);
      for (let place = HOURS_PER_DAY - 1; place >= 0; place -= 1) {
        const hour = Number(key.at(-1)) * HOURS_PER_DAY + place;
        const count = counts[place]!;
        if (hour < endHour && count > 0) yield { hour, count };
      }
    }
  }

  #countEntries(prefix: Key, from: number, end: number): number {
    // An id follows the time in every key, so a bound of the time alone sorts before all keys of that time.
    return this.#indexed.index.getKeysCount({ start: [...prefix, from], end: [...prefix, end] });
  }

  #add(prefix: Key, hour: number, change: number): void {
    const key = [...prefix, dayOf(hour)];
    const row = this.#days.get(key);
    const counts =
      row === undefined ? new Array<number>(HOURS_PER_DAY).fill(0) : unpackRow<number[]>(row, [ROW_VERSION]);
    counts[hour - dayOf(hour) * HOURS_PER_DAY]! += change;
    if (counts.every((count) => count === 0)) void this.#days.remove(key);
    else void this.#days.put(key, packRow(ROW_VERSION, counts));
  }
}

interface HourChange {
  readonly prefix: Key;
  readonly hour: number;
  change: number;
}

/** What a transaction adds to the counts and takes from them. */
export class CountChanges {
  readonly #indexed: CountedIndex;
  readonly #hours = new Map<string, HourChange>();

  constructor(indexed: CountedIndex) {
    this.#indexed = indexed;
  }

  /** @param change 1 for an entry that was put, -1 for one that was removed */
  add(prefix: Key, time: number, change: 1 | -1): void {
    if (!this.#indexed.filters.has(String(prefix[1]))) return;
    const hour = Math.floor(time / this.#indexed.hourUnits);
    const name = `${prefix.join('\0')}\0${hour}`;
    const known = this.#hours.get(name);
    if (known === undefined) this.#hours.set(name, { prefix, hour, change });
    else known.change += change;
  }

  /** Those that are not nothing in the end. */
  *hours(): Generator<HourChange> {
    for (const hour of this.#hours.values()) if (hour.change !== 0) yield hour;
  }
}

function dayOf(hour: number): number {
  return Math.floor(hour / HOURS_PER_DAY);
}
