import {
  type Attempt,
  DELIVERY_STATES,
  type Delivery,
  type DeliveryId,
  type DeliveryState,
} from '../model/delivery.ts';
import type { OuId } from '../model/event.ts';
import type { SequenceId } from '../model/sequence.ts';
import { packDelivery, unpackDelivery } from './deliveryCodec.ts';
import type { Environment, Table } from './environment.ts';
import { packRow, unpackRow } from './environment.ts';
import { laneOf } from './lanes.ts';
import { type CountChanges, RangeCounts } from './rangeCounts.ts';

const ROW_VERSION = 1;
const READABLE_VERSIONS = [ROW_VERSION];
/** The value of an index entry, whose whole content is its key. */
const PRESENT = Buffer.from([ROW_VERSION]);

/**
 * Those of a sequence in a state are counted one by one: an attempt would write two more rows for each sequence,
 * where it now writes two for all of them.
 */
const COUNTED_FILTERS = new Set(['all', 'state', 'seq']);
const MS_PER_HOUR = 3_600_000;

type Key = Array<string | number>;

/** What becomes of a stored delivery, and the attempt that led to it, if one did. */
export interface DeliveryChange {
  readonly before: Delivery;
  readonly after: Delivery;
  readonly attempt?: Attempt;
}

/**
 * The tables of deliveries, and the writes that keep them in step. Every write method must be called inside
 * one transaction of the environment.
 *
 * | table | key | holds |
 * |---|---|---|
 * | deliveries | id | the row, with the last attempt |
 * | delivery_index | ou, `all` \| `state`, s \| `seq`, q \| `seqstate`, q, s, then createdAtMs, id | one entry per filter |
 * | delivery_queue | lane, dueAtMs, streamSequence, id | what is to be attempted; lane first, so that no destination hides another's |
 * | delivery_hold | lane, createdAtMs, id | what waits for a setting or a resume |
 * | delivery_attempts | id, number | one row per attempt but the last, which is in the row of its delivery |
 * | delivery_counts | state | how many deliveries are in it, of all OUs |
 * | delivery_index_counts | see RangeCounts | counts of the entries of `all`, `state` and `seq` |
 */
export class DeliveryRows {
  readonly deliveries: Table;
  readonly index: Table;
  readonly due: Table;
  readonly held: Table;
  readonly attempts: Table;
  readonly indexCounts: RangeCounts;
  readonly #counts: Table;

  constructor(environment: Environment) {
    this.deliveries = environment.table('deliveries');
    this.index = environment.table('delivery_index');
    this.due = environment.table('delivery_queue');
    this.held = environment.table('delivery_hold');
    this.attempts = environment.table('delivery_attempts');
    this.#counts = environment.table('delivery_counts');
    this.indexCounts = new RangeCounts(environment, {
      index: this.index,
      name: 'delivery_index_counts',
      hourUnits: MS_PER_HOUR,
      filters: COUNTED_FILTERS,
    });
  }

  /** Throws when the row is of a version that this program cannot read. */
  read(id: DeliveryId): Delivery | undefined {
    const row = this.#row(id);
    return row === undefined ? undefined : unpackDelivery(id, row).delivery;
  }

  /** Attempts in the order they were made. */
  readAttempts(id: DeliveryId): Attempt[] {
    const range = this.attempts.getRange(attemptsOf(id));
    const attempts = Array.from(range, ({ value }) => unpackRow<Attempt>(value, READABLE_VERSIONS));
    const last = this.#lastAttempt(id);
    return last === null ? attempts : [...attempts, last];
  }

  insert(deliveries: readonly Delivery[]): void {
    const changes = new Map<DeliveryState, number>();
    const indexChanges = this.indexCounts.changes();
    for (const delivery of deliveries) {
      this.#write(null, delivery, null, indexChanges);
      addTo(changes, delivery.state, 1);
    }
    this.#addToCounts(changes);
    this.indexCounts.apply(indexChanges);
  }

  /** Each change replaces `before`, as it stands on disk, by `after` of the same id. */
  replace(changes: readonly DeliveryChange[]): void {
    const counts = new Map<DeliveryState, number>();
    const indexChanges = this.indexCounts.changes();
    for (const { before, after, attempt } of changes) {
      if (attempt === undefined) this.#write(before, after, this.#lastAttempt(after.id), indexChanges);
      else this.#writeAttempt(before, after, attempt, indexChanges);
      addTo(counts, before.state, -1);
      addTo(counts, after.state, 1);
    }
    this.#addToCounts(counts);
    this.indexCounts.apply(indexChanges);
  }

  /** Removes the deliveries, as they stand on disk, with all their entries. Returns how many attempts went along. */
  remove(deliveries: readonly Delivery[]): number {
    const counts = new Map<DeliveryState, number>();
    const indexChanges = this.indexCounts.changes();
    let attempts = 0;
    for (const delivery of deliveries) {
      if (this.#lastAttempt(delivery.id) !== null) attempts += 1;
      void this.deliveries.remove([delivery.id]);
      this.#moveAllEntries(delivery, null, indexChanges);
      addTo(counts, delivery.state, -1);
      for (const key of [...this.attempts.getKeys(attemptsOf(delivery.id))]) {
        void this.attempts.remove(key);
        attempts += 1;
      }
    }
    this.#addToCounts(counts);
    this.indexCounts.apply(indexChanges);
    return attempts;
  }

  /** Whether any delivery is of the sequence. */
  hasDeliveryOf(ou: OuId, sequenceId: SequenceId): boolean {
    const prefix = filterPrefix(ou, sequenceId, undefined);
    const bounds = { start: prefix, end: [...prefix, Number.MAX_SAFE_INTEGER], limit: 1 };
    return [...this.index.getKeys(bounds)].length > 0;
  }

  /** Moves an entry of the queue alone. */
  moveDue(key: Key, dueAtMs: number): void {
    void this.due.remove(key);
    void this.due.put([key[0]!, dueAtMs, ...key.slice(2)], PRESENT);
  }

  /** Puts an entry of the queue where the row of its delivery says that it is. */
  correctDue(key: Key, delivery: Delivery): void {
    void this.due.remove(key);
    this.enter(delivery);
  }

  /** Enters a delivery, as it stands on disk, into the queue or among the held, for rows of an older layout. */
  enter(delivery: Delivery): void {
    moveEntry(this.due, null, dueKey(delivery));
    moveEntry(this.held, null, heldKey(delivery));
  }

  counts(): Record<DeliveryState, number> {
    const counts = { pending: 0, retrying: 0, delivered: 0, held: 0, dead: 0, skipped_stale: 0 };
    for (const state of DELIVERY_STATES) counts[state] = this.#count(state);
    return counts;
  }

  /** The attempt before gets a row of its own, where there was one: most deliveries have exactly one. */
  #writeAttempt(before: Delivery, after: Delivery, attempt: Attempt, indexChanges: CountChanges): void {
    const previous = attempt.number === 1 ? null : this.#lastAttempt(after.id);
    if (previous !== null) {
      void this.attempts.put([after.id, previous.number], packRow(ROW_VERSION, previous));
    }
    this.#write(before, after, attempt, indexChanges);
  }

  #write(
    before: Delivery | null,
    after: Delivery,
    lastAttempt: Attempt | null,
    indexChanges: CountChanges,
  ): void {
    void this.deliveries.put([after.id], packDelivery({ delivery: after, lastAttempt }));
    this.#moveAllEntries(before, after, indexChanges);
  }

  /** The attempt in the row of a delivery; null where there is none. */
  #lastAttempt(id: DeliveryId): Attempt | null {
    const row = this.#row(id);
    return row === undefined ? null : unpackDelivery(id, row).lastAttempt;
  }

  /** Valid until the next row is read, and not copied for it. */
  #row(id: DeliveryId): Buffer | undefined {
    return this.deliveries.getBinaryFast([id]);
  }

  #moveAllEntries(before: Delivery | null, after: Delivery | null, indexChanges: CountChanges): void {
    // What the other filters go by never changes.
    if (before === null || after === null) {
      this.#removeIndexed(before, lastingFilters, indexChanges);
      this.#putIndexed(after, lastingFilters, indexChanges);
    }
    if (before?.state !== after?.state) {
      this.#removeIndexed(before, stateFilters, indexChanges);
      this.#putIndexed(after, stateFilters, indexChanges);
    }
    moveEntry(this.due, dueKey(before), dueKey(after));
    moveEntry(this.held, heldKey(before), heldKey(after));
  }

  #removeIndexed(delivery: Delivery | null, filters: Filters, changes: CountChanges): void {
    if (delivery === null) return;
    for (const filter of filters(delivery)) {
      void this.index.remove([...filter, delivery.createdAtMs, delivery.id]);
      changes.add(filter, delivery.createdAtMs, -1);
    }
  }

  #putIndexed(delivery: Delivery | null, filters: Filters, changes: CountChanges): void {
    if (delivery === null) return;
    for (const filter of filters(delivery)) {
      void this.index.put([...filter, delivery.createdAtMs, delivery.id], PRESENT);
      changes.add(filter, delivery.createdAtMs, 1);
    }
  }

  #count(state: DeliveryState): number {
    const row = this.#counts.get([state]);
    return row === undefined ? 0 : unpackRow<number>(row, READABLE_VERSIONS);
  }

  #addToCounts(changes: ReadonlyMap<DeliveryState, number>): void {
    for (const [state, change] of changes) {
      if (change === 0) continue;
      void this.#counts.put([state], packRow(ROW_VERSION, this.#count(state) + change));
    }
  }
}

/** The part of an index key that a filter fixes; a creation time and an id follow it. */
export function filterPrefix(ou: string, sequenceId: string | undefined, state: string | undefined): Key {
  if (sequenceId === undefined) return state === undefined ? [ou, 'all'] : [ou, 'state', state];
  return state === undefined ? [ou, 'seq', sequenceId] : [ou, 'seqstate', sequenceId, state];
}

/** What the keys of a delivery in the index begin with. */
type Filters = (delivery: Delivery) => Key[];

function lastingFilters({ ou, sequenceId }: Delivery): Key[] {
  return [filterPrefix(ou, undefined, undefined), filterPrefix(ou, sequenceId, undefined)];
}

function stateFilters({ ou, sequenceId, state }: Delivery): Key[] {
  return [filterPrefix(ou, undefined, state), filterPrefix(ou, sequenceId, state)];
}

function attemptsOf(id: DeliveryId): { start: Key; end: Key } {
  return { start: [id], end: [id, Number.MAX_SAFE_INTEGER] };
}

function dueKey(delivery: Delivery | null): Key | null {
  if (delivery === null || delivery.dueAtMs === null) return null;
  return [laneOf(delivery), delivery.dueAtMs, delivery.streamSequence, delivery.id];
}

function heldKey(delivery: Delivery | null): Key | null {
  if (delivery?.state !== 'held') return null;
  return [laneOf(delivery), delivery.createdAtMs, delivery.id];
}

function moveEntry(table: Table, from: Key | null, to: Key | null): void {
  if (from !== null && to !== null && isSameKey(from, to)) return;
  if (from !== null) void table.remove(from);
  if (to !== null) void table.put(to, PRESENT);
}

function isSameKey(one: Key, other: Key): boolean {
  return one.length === other.length && one.every((part, index) => part === other[index]);
}

function addTo(counts: Map<DeliveryState, number>, state: DeliveryState, change: number): void {
  counts.set(state, (counts.get(state) ?? 0) + change);
}
