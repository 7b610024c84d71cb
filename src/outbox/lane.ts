import type { Delivery, DeliveryId } from '../model/delivery.ts';
import type { OuId } from '../model/event.ts';
import type { Breaker } from './breaker.ts';
import type { DueRow } from './ports.ts';
import { RateLimit } from './rateLimit.ts';

/** The server that a destination is on. */
export class Origin {
  readonly name: string;
  /** Attempts under way in its lanes that are not proven. */
  unprovenUnderWay = 0;
  /** Lanes that wait for one of these to end. */
  readonly waiting = new Set<Lane>();

  constructor(name: string) {
    this.name = name;
  }
}

/**
 * What is known of a destination. proven: it answered last time · untried · suspect: it gave no answer last time.
 * An attempt at one that is not proven may hang for the whole timeout, so untried ones and suspects share a part
 * of the attempts each, and get one at a time.
 */
export type Standing = 'proven' | 'untried' | 'suspect';

export const STANDINGS: readonly Standing[] = ['proven', 'untried', 'suspect'];

/** Rows of a lane that are read at a time at most. */
const AHEAD_ROWS = 64;
/** Rows that lie read in all lanes; above it only what can be attempted at once is read. */
const AHEAD_IN_ALL_MAX = 4_096;

/** How many rows lie read in all lanes. */
export interface AheadTally {
  rows: number;
}

/** One destination in memory. */
export class Lane {
  readonly name: string;
  readonly ou: OuId;
  readonly breaker: Breaker;
  readonly rate = new RateLimit();
  /** Attempts under way, and those whose outcome is being stored: reading ahead must pass over both. */
  readonly taken = new Set<DeliveryId>();
  underWay = 0;
  standing: Standing;
  /** Known from the first row that was read. */
  origin: Origin | null = null;
  /** The queue may have due rows that were not read ahead. */
  hasUnread = true;
  /** Not before this time, after the store failed. */
  pausedUntilMs = 0;
  /** The earliest alarm set for this lane; null when none is. */
  alarmAtMs: number | null = null;
  #changes = 0;
  #lastChange: Promise<void> = Promise.resolve();
  /** Due rows that were read ahead, in their order. */
  #ahead: DueRow[] = [];
  /** (Sequence, lead) of the first attempts under way. */
  readonly #firstAttempts = new Set<string>();
  #rowsToRead = 1;
  readonly #tally: AheadTally;

  constructor(name: string, ou: OuId, breaker: Breaker, standing: Standing, tally: AheadTally) {
    this.#tally = tally;
    this.name = name;
    this.ou = ou;
    this.breaker = breaker;
    this.standing = standing;
  }

  /** The rows of the lane are being held, released or given up: nothing of it is taken meanwhile. */
  get isChanging(): boolean {
    return this.#changes > 0;
  }

  /** Makes a change of the lane's rows after those that were asked for before. */
  changeInTurn(change: () => Promise<void>): Promise<void> {
    this.#changes += 1;
    this.forgetAhead();
    const done = this.#lastChange.then(change).finally(() => {
      this.#changes -= 1;
      this.hasUnread = true;
    });
    this.#lastChange = done.catch(() => {});
    return done;
  }

  get aheadCount(): number {
    return this.#ahead.length;
  }

  /** Ids that reading on must pass over. */
  get known(): ReadonlySet<DeliveryId> {
    if (this.#ahead.length === 0) return this.taken;
    return new Set([...this.taken, ...this.#ahead.map(idOf)]);
  }

  /** How many rows to read: more each time, as long as the lane is served and not too many lie read in all lanes. */
  get rowsToRead(): number {
    return this.#tally.rows >= AHEAD_IN_ALL_MAX ? 1 : this.#rowsToRead;
  }

  /** @param count as many as were asked for */
  readAhead(rows: readonly DueRow[], count: number): void {
    this.#ahead.push(...rows);
    this.#tally.rows += rows.length;
    this.hasUnread = rows.length === count;
    this.#rowsToRead = this.hasUnread ? Math.min(2 * this.#rowsToRead, AHEAD_ROWS) : 1;
  }

  forgetAhead(): void {
    this.#tally.rows -= this.#ahead.length;
    this.#ahead = [];
    this.hasUnread = true;
  }

  /**
   * The first row that was read ahead and may be attempted now; undefined when there is none. First attempts of one
   * (sequence, lead) are made one after the other, in the order of the fires.
   */
  takeNext(nowMs: number): DueRow | undefined {
    // The clock was set back since they were read.
    if (dueAtMs(this.#ahead[0]) > nowMs) this.forgetAhead();
    // What has to wait holds back those of its lead that follow it: they wait for the same attempt.
    const index = this.#ahead.findIndex((row) => {
      const key = firstAttemptKey(row);
      return key === null || !this.#firstAttempts.has(key);
    });
    if (index === -1) return undefined;
    const [row] = this.#ahead.splice(index, 1);
    this.#tally.rows -= 1;
    const key = firstAttemptKey(row!);
    if (key !== null) this.#firstAttempts.add(key);
    return row;
  }

  /** The attempt at the row has met with its answer. */
  ended(row: DueRow): void {
    const key = firstAttemptKey(row);
    if (key !== null) this.#firstAttempts.delete(key);
  }
}

function dueAtMs(row: DueRow | undefined): number {
  return row?.kind === 'delivery' ? (row.delivery.dueAtMs ?? 0) : 0;
}

export function idOf(row: DueRow): DeliveryId {
  return row.kind === 'delivery' ? row.delivery.id : row.deliveryId;
}

function firstAttemptKey(row: DueRow): string | null {
  if (row.kind === 'unreadable') return null;
  const { attemptsMade, leadId, sequenceId, destination }: Delivery = row.delivery;
  return attemptsMade > 0 || leadId === '' ? null : `${sequenceId} ${destination} ${leadId}`;
}
