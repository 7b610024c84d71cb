import type { Attempt, Delivery, DeliveryId, DeliveryState } from '../model/delivery.ts';
import type { OuId } from '../model/event.ts';
import type { SequenceId } from '../model/sequence.ts';
import { moveOldQueue } from './deliveryMigration.ts';
import { anew, dueNow } from './deliveryRestart.ts';
import { DeliveryRows, filterPrefix } from './deliveryRows.ts';
import type { Environment } from './environment.ts';
import { HandedOut } from './handedOut.ts';
import { laneOf, partsOf } from './lanes.ts';
import { type ListPlace, type PageQuery, readPage } from './pages.ts';
import { ALL_TIMES } from './rangeCounts.ts';

/** Rows that one transaction changes, so that a large backlog does not stop the process. */
const CHUNK_ROWS = 1000;

/** Which deliveries of an OU to list; the time of a place is the creation time in milliseconds. */
export interface DeliveryQuery extends PageQuery {
  readonly status?: DeliveryState | undefined;
  readonly sequenceId?: SequenceId | undefined;
}

/** A due row: a delivery, or a row that cannot be read. */
export type DueRow =
  | { readonly kind: 'delivery'; readonly delivery: Delivery }
  | { readonly kind: 'unreadable'; readonly deliveryId: DeliveryId; readonly problem: string };

/** What a lane has to do. */
export interface DueRows {
  /** Due by now, in the order in which they are due, then by their place in the stream. */
  readonly rows: readonly DueRow[];
  /** When the first row that is not among them is due; null when there is none, or when `rows` is cut short. */
  readonly nextDueAtMs: number | null;
}

type Key = Array<string | number>;
/** What becomes of a row; undefined leaves it as it is. */
type Change = (before: Delivery) => Delivery | undefined;

/**
 * Deliveries, their attempts and the queue of those that are due. The queue and the rows change in the same
 * transactions, so they cannot drift apart.
 */
export class DeliveryStore {
  readonly rows: DeliveryRows;
  readonly #environment: Environment;
  readonly #unflushed = new Set<DeliveryId>();
  readonly #handedOut = new HandedOut();

  constructor(environment: Environment) {
    this.#environment = environment;
    this.rows = new DeliveryRows(environment);
    moveOldQueue(environment, this.rows);
  }

  /** One delivery of the OU with its attempts in order; undefined also when it belongs to another OU. */
  delivery(ou: OuId, id: DeliveryId): { delivery: Delivery; attempts: Attempt[] } | undefined {
    const delivery = this.rows.read(id);
    if (delivery === undefined || delivery.ou !== ou) return undefined;
    return { delivery, attempts: this.rows.readAttempts(id) };
  }

  /** Newest first by creation time, then id; `total` counts all pages, `next` is behind the last of this one. */
  listDeliveries(
    ou: OuId,
    query: DeliveryQuery,
  ): { deliveries: Delivery[]; total: number; next: ListPlace | null } {
    const { index, indexCounts } = this.rows;
    const prefix = filterPrefix(ou, query.sequenceId, query.status);
    const { ids, next } = readPage(index, indexCounts, prefix, ALL_TIMES, query);
    const deliveries = ids.flatMap((id) => this.rows.read(id) ?? []);
    return { deliveries, total: indexCounts.count(prefix, ALL_TIMES), next };
  }

  /** Deliveries of all OUs by state, from counters kept along with the rows. */
  countByState(): Record<DeliveryState, number> {
    return this.rows.counts();
  }

  laneOf(delivery: Pick<Delivery, 'ou' | 'channel' | 'destination'>): string {
    return laneOf(delivery);
  }

  partsOf(lane: string) {
    return partsOf(lane);
  }

  /**
   * Lanes that have due rows, in the order of their names, with one seek per lane however long the lanes are.
   *
   * @param after those behind this lane only
   */
  lanes(after: string | null = null, count = Number.POSITIVE_INFINITY): { lane: string; dueAtMs: number }[] {
    return firstOfEachLane(this.rows.due, after, count).map(([lane, dueAtMs]) => ({
      lane: String(lane),
      dueAtMs: Number(dueAtMs),
    }));
  }

  /** Lanes that have held rows, in the same way. */
  heldLanes(after: string | null = null, count = Number.POSITIVE_INFINITY): string[] {
    return firstOfEachLane(this.rows.held, after, count).map(([lane]) => String(lane));
  }

  /** Some delivery that waits or is held in a lane; undefined when there is none. */
  anyIn(lane: string): Delivery | undefined {
    for (const table of [this.rows.due, this.rows.held]) {
      for (const key of table.getKeys({ start: [lane], end: endOf(lane), limit: 1 })) {
        const row = this.#read(String(key.at(-1)));
        if (row.kind === 'delivery') return row.delivery;
      }
    }
    return undefined;
  }

  /** How many rows of a lane are due or will be, and how many are held, each counted up to `max`. */
  countIn(lane: string, max: number): { waiting: number; held: number } {
    const count = (table: DeliveryRows['due']) =>
      [...table.getKeys({ start: [lane], end: endOf(lane), limit: max })].length;
    return { waiting: count(this.rows.due), held: count(this.rows.held) };
  }

  /**
   * The rows of a lane that are due by `nowMs`, at most `count` of them, apart from those in `skip` and those that
   * are not on disk yet: nothing may leave the process before its row is flushed. `skip` names those whose attempts
   * are being recorded, because here they stand as before that.
   */
  due(lane: string, nowMs: number, skip: ReadonlySet<DeliveryId>, count: number): DueRows {
    const rows: DueRow[] = [];
    for (const key of this.rows.due.getKeys({ start: [lane], end: endOf(lane) })) {
      const id = String(key.at(-1));
      if (skip.has(id) || this.#unflushed.has(id)) continue;
      if (Number(key[1]) > nowMs) return { rows, nextDueAtMs: Number(key[1]) };
      if (rows.push(this.#dueRow(key)) === count) break;
    }
    return { rows, nextDueAtMs: null };
  }

  /** Moves an entry of the queue alone, for a delivery whose own row cannot be read, or puts it right where that can be. */
  async postpone(lane: string, id: DeliveryId, untilMs: number): Promise<void> {
    await this.#environment.write(() => {
      for (const key of this.rows.due.getKeys({ start: [lane], end: endOf(lane) })) {
        if (key.at(-1) !== id) continue;
        const row = this.#read(id);
        if (row.kind === 'unreadable') this.rows.moveDue(key, untilMs);
        else this.rows.correctDue(key, row.delivery);
        return;
      }
    });
  }

  /**
   * Stores attempts and what became of their deliveries: rows, queue, filters and counters together. Resolves to
   * the ids that have no row to record an attempt on.
   */
  async recordAttempts(
    settlements: readonly { readonly delivery: Delivery; readonly attempt: Attempt }[],
  ): Promise<DeliveryId[]> {
    return this.#environment.write(() => {
      const missing: DeliveryId[] = [];
      const changes = settlements.flatMap(({ delivery: after, attempt }) => {
        const before = this.#handedOut.take(after.id) ?? this.rows.read(after.id);
        if (before !== undefined) return [{ before, after, attempt }];
        missing.push(after.id);
        return [];
      });
      this.rows.replace(changes);
      return missing;
    });
  }

  /** Takes what is in the queue of a lane out of it, visibly. Resolves to how many. */
  async hold(lane: string, reason: string, nowMs: number): Promise<number> {
    return this.#changeAll(this.rows.due, [lane], endOf(lane), (before) => {
      // The keys were read before the transaction: an outcome may have been recorded in between.
      if (before.dueAtMs === null) return undefined;
      return { ...before, state: 'held', reason, dueAtMs: null, updatedAtMs: nowMs };
    });
  }

  /** Makes what is held in a lane due at once. Resolves to how many. */
  async release(lane: string, nowMs: number): Promise<number> {
    return this.#changeAll(this.rows.held, [lane], endOf(lane), (before) =>
      before.state === 'held' ? dueNow(before, nowMs) : undefined,
    );
  }

  /** Gives up what has been due in a lane since before a time, apart from those in `skip`. Resolves to how many. */
  async giveUp(
    lane: string,
    dueBeforeMs: number,
    skip: ReadonlySet<DeliveryId>,
    reason: string,
    nowMs: number,
  ): Promise<number> {
    return this.#changeAll(this.rows.due, [lane], [lane, dueBeforeMs], (before) => {
      if (before.dueAtMs === null || skip.has(before.id)) return undefined;
      return { ...before, state: 'dead', reason, dueAtMs: null, updatedAtMs: nowMs };
    });
  }

  /** Has what is held of a sequence's webhooks go to another URL, at once. Resolves to what is due there now. */
  async readdress(ou: OuId, sequenceId: SequenceId, url: string, nowMs: number): Promise<Delivery[]> {
    const prefix = filterPrefix(ou, sequenceId, 'held');
    const moved: Delivery[] = [];
    await this.#changeAll(this.rows.index, prefix, [...prefix, Number.MAX_SAFE_INTEGER], (before) => {
      if (before.state !== 'held' || before.channel !== 'webhook') return undefined;
      if (before.destination === url) return undefined;
      const after = { ...dueNow(before, nowMs), destination: url };
      moved.push(after);
      return after;
    });
    return moved;
  }

  /** Has a delivery that is in the queue go to another URL, at once. Resolves to how it stands then. */
  async move(id: DeliveryId, url: string, nowMs: number): Promise<Delivery | undefined> {
    return this.#rewrite(() => {
      const before = this.rows.read(id);
      if (before === undefined || before.dueAtMs === null) return before;
      const after = { ...before, destination: url, dueAtMs: nowMs, updatedAtMs: nowMs };
      this.rows.replace([{ before, after }]);
      return after;
    });
  }

  /** Has one delivery of the OU begin anew with its retry schedule, at once. */
  async redeliver(
    ou: OuId,
    id: DeliveryId,
    nowMs: number,
  ): Promise<{ ok: true; delivery: Delivery } | { ok: false; reason: 'not_found' | 'held' }> {
    return this.#rewrite(() => {
      const before = this.rows.read(id);
      if (before === undefined || before.ou !== ou) return { ok: false, reason: 'not_found' };
      if (before.state === 'held') return { ok: false, reason: 'held' };
      const delivery = anew(before, nowMs, nowMs);
      this.rows.replace([{ before, after: delivery }]);
      return { ok: true, delivery };
    });
  }

  /**
   * Has deliveries of a sequence begin anew, by creation time, the oldest first, in transactions of 1,000.
   *
   * @param after the place that an earlier call gave; null to begin
   * @param dueAtMs when the n-th of this call is due
   */
  async redeliverRange(
    ou: OuId,
    sequenceId: SequenceId,
    range: {
      readonly status: DeliveryState;
      readonly fromMs: number;
      readonly toMs: number;
      readonly after: DeliveryPlace | null;
      readonly countMax: number;
    },
    dueAtMs: (index: number) => number,
    nowMs: number,
  ): Promise<{ deliveries: Delivery[]; after: DeliveryPlace | null }> {
    const prefix = filterPrefix(ou, sequenceId, range.status);
    const end = [...prefix, range.toMs + 1];
    let after = range.after;
    const deliveries: Delivery[] = [];
    while (deliveries.length < range.countMax) {
      const start = after === null ? [...prefix, range.fromMs] : [...prefix, after.createdAtMs, after.id, ''];
      const limit = Math.min(CHUNK_ROWS, range.countMax - deliveries.length);
      const keys = [...this.rows.index.getKeys({ start, end, limit })];
      const last = keys.at(-1);
      if (last === undefined) return { deliveries, after: null };
      const first = deliveries.length;
      const made = await this.#rewrite(() => {
        const rows = keys.map((key) => this.#read(String(key.at(-1))));
        const changes = rows
          .flatMap((row) => (row.kind === 'delivery' ? [row.delivery] : []))
          .filter(({ state, fireId }) => state === range.status && !isOfSample(fireId))
          .sort(
            (one, other) => one.createdAtMs - other.createdAtMs || one.streamSequence - other.streamSequence,
          )
          .map((before, index) => ({ before, after: anew(before, nowMs, dueAtMs(first + index)) }));
        this.rows.replace(changes);
        return changes.map(({ after }) => after);
      });
      deliveries.push(...made);
      after = { createdAtMs: Number(last.at(-2)), id: String(last.at(-1)) };
    }
    return { deliveries, after };
  }

  /** Resolves when all that can be read now has been told to those who wrote it, which the library does later. */
  async writersKnow(): Promise<void> {
    await this.#environment.write(() => undefined);
  }

  /** Keeps the deliveries from being picked until `clearUnflushed`; they are about to be committed. */
  markUnflushed(deliveries: readonly Delivery[]): void {
    for (const { id } of deliveries) this.#unflushed.add(id);
  }

  clearUnflushed(deliveries: readonly Delivery[]): void {
    for (const { id } of deliveries) this.#unflushed.delete(id);
  }

  /** Deliveries held in memory because they are not on disk yet. */
  get unflushedCount(): number {
    return this.#unflushed.size;
  }

  /** Makes a change of rows that may have been handed out: what was read of them before does not count. */
  #rewrite<T>(step: () => T): Promise<T> {
    return this.#handedOut.duringChange((forget) =>
      this.#environment.write(() => {
        forget();
        return step();
      }),
    );
  }

  /** Changes the rows between two keys of a table, 1,000 in a transaction. Resolves to how many were changed. */
  async #changeAll(table: DeliveryRows['due'], from: Key, end: Key, change: Change): Promise<number> {
    let changed = 0;
    let start = from;
    for (;;) {
      const keys = [...table.getKeys({ start, end, limit: CHUNK_ROWS })];
      const last = keys.at(-1);
      if (last === undefined) return changed;
      changed += (await this.#change(keys, change)).length;
      // A row that cannot be read stays where it is; the next chunk begins right behind the last key.
      start = [...last, ''];
    }
  }

  /** Changes the rows that the keys end with, in one transaction. */
  #change(keys: readonly Key[], change: Change): Promise<Delivery[]> {
    return this.#rewrite(() => {
      const changes = keys.flatMap((key) => {
        const row = this.#read(String(key.at(-1)));
        if (row.kind === 'unreadable') return [];
        const after = change(row.delivery);
        return after === undefined ? [] : [{ before: row.delivery, after }];
      });
      this.rows.replace(changes);
      return changes.map(({ after }) => after);
    });
  }

  /** The row of an entry of the queue, which must be the entry that the row says it has. */
  #dueRow(key: Key): DueRow {
    const row = this.#read(String(key.at(-1)));
    if (row.kind === 'unreadable') return row;
    if (row.delivery.dueAtMs === key[1]) {
      this.#handedOut.add(row.delivery);
      return row;
    }
    const problem = 'its entry in the queue is of another time than its row';
    return { kind: 'unreadable', deliveryId: row.delivery.id, problem };
  }

  #read(deliveryId: DeliveryId): DueRow {
    try {
      const delivery = this.rows.read(deliveryId);
      if (delivery !== undefined) return { kind: 'delivery', delivery };
      return { kind: 'unreadable', deliveryId, problem: 'the delivery row is missing' };
    } catch (error) {
      return { kind: 'unreadable', deliveryId, problem: String(error) };
    }
  }
}

/** Where a delivery lies among those of its sequence. */
export interface DeliveryPlace {
  readonly createdAtMs: number;
  readonly id: DeliveryId;
}

/** Samples are tried once, and not again with the deliveries of their sequence. */
function isOfSample(fireId: string): boolean {
  return fireId.startsWith('sample-');
}

function firstOfEachLane(table: DeliveryRows['due'], after: string | null, count: number): Key[] {
  const firsts: Key[] = [];
  let start = after === null ? [] : endOf(after);
  while (firsts.length < count) {
    const [key] = table.getKeys({ start, limit: 1 });
    if (key === undefined) break;
    firsts.push(key);
    start = endOf(String(key[0]));
  }
  return firsts;
}

/** Behind every key of a lane. */
function endOf(lane: string): Key {
  return [lane, Number.MAX_SAFE_INTEGER];
}
