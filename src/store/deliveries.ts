import type { Attempt, Channel, Delivery, DeliveryId, DeliveryState } from '../model/delivery.ts';
import type { OuId } from '../model/event.ts';
import type { SequenceId } from '../model/sequence.ts';
import { DeliveryRows, EMAIL_LANE, filterPrefix, laneOf } from './deliveryRows.ts';
import type { Environment } from './environment.ts';

/** Rows that one transaction holds or releases, so that a large backlog does not stop the process. */
const CHUNK_ROWS = 1000;

/** Which deliveries of an OU to list. A page starts at 1. */
export interface DeliveryQuery {
  readonly status?: DeliveryState | undefined;
  readonly sequenceId?: SequenceId | undefined;
  readonly page: number;
  readonly limit: number;
}

/** A lane that has due rows, and when the first of them is due. */
export interface LaneDue {
  readonly lane: string;
  readonly dueAtMs: number;
}

/** The first due row of a lane: a delivery, a row that cannot be read, or nothing. */
export type Picked =
  | { readonly kind: 'delivery'; readonly delivery: Delivery; readonly dueAtMs: number }
  | {
      readonly kind: 'unreadable';
      readonly deliveryId: DeliveryId;
      readonly dueAtMs: number;
      readonly problem: string;
    }
  | { readonly kind: 'empty' };

/**
 * Deliveries, their attempts and the queue of those that are due. The queue and the rows change in the same
 * transactions, so they cannot drift apart.
 */
export class DeliveryStore {
  readonly rows: DeliveryRows;
  readonly #environment: Environment;
  readonly #unflushed = new Set<DeliveryId>();

  constructor(environment: Environment) {
    this.#environment = environment;
    this.rows = new DeliveryRows(environment);
  }

  /** One delivery of the OU with its attempts in order; undefined also when it belongs to another OU. */
  delivery(ou: OuId, id: DeliveryId): { delivery: Delivery; attempts: Attempt[] } | undefined {
    const delivery = this.rows.read(id);
    if (delivery === undefined || delivery.ou !== ou) return undefined;
    return { delivery, attempts: this.rows.readAttempts(id) };
  }

  /** Newest first by creation time, then id; `total` counts all pages. */
  listDeliveries(ou: OuId, query: DeliveryQuery): { deliveries: Delivery[]; total: number } {
    const prefix = filterPrefix(ou, query.sequenceId, query.status);
    const bounds = { start: [...prefix, Number.MAX_SAFE_INTEGER], end: prefix, reverse: true };
    // A copy, because the count is asked for by a mark that the library leaves on the options.
    const total = this.rows.index.getKeysCount({ ...bounds });
    const page = { ...bounds, offset: (query.page - 1) * query.limit, limit: query.limit };
    const deliveries: Delivery[] = [];
    for (const key of this.rows.index.getKeys(page)) {
      const delivery = this.rows.read(String(key.at(-1)));
      if (delivery !== undefined) deliveries.push(delivery);
    }
    return { deliveries, total };
  }

  /** Deliveries of all OUs by state, from counters kept along with the rows. */
  countByState(): Record<DeliveryState, number> {
    return this.rows.counts();
  }

  laneOf(delivery: Delivery): string {
    return laneOf(delivery);
  }

  /** Every lane that has due rows, with one seek per lane however long the lanes are. */
  lanes(): LaneDue[] {
    const lanes: LaneDue[] = [];
    let start: Array<string | number> = [];
    for (;;) {
      const [key] = this.rows.due.getKeys({ start, limit: 1 });
      if (key === undefined) return lanes;
      const lane = String(key[0]);
      lanes.push({ lane, dueAtMs: Number(key[1]) });
      start = [lane, Number.MAX_SAFE_INTEGER];
    }
  }

  /**
   * The earliest due row of the lane, due now or later, apart from those in `skip` and those that are not on
   * disk yet: nothing may leave the process before its row is flushed.
   */
  pick(lane: string, skip: ReadonlySet<DeliveryId>): Picked {
    for (const key of this.rows.due.getKeys({ start: [lane], end: [lane, Number.MAX_SAFE_INTEGER] })) {
      const dueAtMs = Number(key[1]);
      const deliveryId = String(key[2]);
      if (skip.has(deliveryId) || this.#unflushed.has(deliveryId)) continue;
      try {
        const delivery = this.rows.read(deliveryId);
        if (delivery !== undefined) return { kind: 'delivery', delivery, dueAtMs };
        return { kind: 'unreadable', deliveryId, dueAtMs, problem: 'the delivery row is missing' };
      } catch (error) {
        return { kind: 'unreadable', deliveryId, dueAtMs, problem: String(error) };
      }
    }
    return { kind: 'empty' };
  }

  /** Moves a due row alone, for a delivery whose own row cannot be read. */
  async postpone(lane: string, dueAtMs: number, id: DeliveryId, untilMs: number): Promise<void> {
    await this.#environment.write(() => {
      void this.rows.due.remove([lane, dueAtMs, id]);
      this.rows.putDue(lane, untilMs, id);
    });
  }

  /** Stores an attempt and what became of its delivery: row, due row, filters and counters together. */
  async recordAttempt(after: Delivery, attempt: Attempt): Promise<void> {
    await this.#environment.write(() => {
      const before = this.rows.read(after.id);
      if (before === undefined) throw new Error(`delivery ${after.id} has no row to record an attempt on`);
      this.rows.replace([{ before, after }]);
      this.rows.putAttempt(after.id, attempt);
    });
  }

  /** Takes the due emails out of the queue, visibly. Resolves to how many. */
  async holdEmails(reason: string, nowMs: number): Promise<number> {
    return this.#changeAll(this.rows.due, EMAIL_LANE, (before) => ({
      ...before,
      state: 'held',
      reason,
      dueAtMs: null,
      updatedAtMs: nowMs,
    }));
  }

  /** Makes the held emails due at once. Resolves to how many. */
  async releaseEmails(nowMs: number): Promise<number> {
    const channel: Channel = 'email';
    return this.#changeAll(this.rows.held, channel, (before) => ({
      ...before,
      state: before.attemptsMade === 0 ? 'pending' : 'retrying',
      reason: null,
      dueAtMs: nowMs,
      updatedAtMs: nowMs,
    }));
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

  async #changeAll(
    table: DeliveryRows['due'],
    first: string,
    change: (before: Delivery) => Delivery,
  ): Promise<number> {
    let changed = 0;
    let start: Array<string | number> = [first];
    const end = [first, Number.MAX_SAFE_INTEGER];
    for (;;) {
      const keys = Array.from(table.getKeys({ start, end, limit: CHUNK_ROWS }));
      const last = keys.at(-1);
      if (last === undefined) return changed;
      changed += await this.#environment.write(() => {
        const changes = keys.flatMap((key) => {
          const before = this.#readable(String(key.at(-1)));
          return before === undefined ? [] : [{ before, after: change(before) }];
        });
        this.rows.replace(changes);
        return changes.length;
      });
      // A row that cannot be read stays where it is; the next chunk begins right behind the last key.
      start = [...last, ''];
    }
  }

  #readable(id: DeliveryId): Delivery | undefined {
    try {
      return this.rows.read(id);
    } catch {
      return undefined;
    }
  }
}
