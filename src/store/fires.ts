import type { Reach } from '../model/checkpoint.ts';
import type { Delivery } from '../model/delivery.ts';
import type { LeadId, OuId } from '../model/event.ts';
import type { Fire, FireId } from '../model/fire.ts';
import type { SequenceId } from '../model/sequence.ts';
import type { DeliveryStore } from './deliveries.ts';
import type { Environment, Table } from './environment.ts';
import { FireRows, filterPrefix, milestonesOf } from './fireRows.ts';
import { raiseHighWater } from './highWater.ts';
import { type ListPlace, type PageQuery, readPage } from './pages.ts';
import { ALL_TIMES, type TimeRange } from './rangeCounts.ts';

/** A fire with the deliveries it gives rise to. */
export interface FireEntry {
  readonly fire: Fire;
  readonly deliveries: readonly Delivery[];
}

/** Which fires of an OU to list; both times are arrival times, inclusive. */
export interface FireFilters {
  /** Whose: those of sequences where absent. */
  readonly kind?: 'milestone' | undefined;
  readonly sequenceId?: SequenceId | undefined;
  readonly leadId?: LeadId | undefined;
  readonly fromMicros?: number | undefined;
  readonly toMicros?: number | undefined;
}

/** The time of a place is the arrival time in microseconds. */
export type FireQuery = FireFilters & PageQuery;

/** What `commitFires` promises. Both reject when the transaction fails, and then nothing of it is stored. */
export interface FireCommit {
  /** Resolves once the rows are visible. */
  readonly committed: Promise<void>;
  /** Resolves once they are on disk, with the deliveries that are new. */
  readonly flushed: Promise<readonly Delivery[]>;
}

/** Fires, stored together with the deliveries that they give rise to. */
export class FireStore {
  readonly rows: FireRows;
  readonly #environment: Environment;
  readonly #deliveries: DeliveryStore;
  readonly #meta: Table;

  constructor(environment: Environment, deliveries: DeliveryStore) {
    this.#environment = environment;
    this.#deliveries = deliveries;
    this.rows = new FireRows(environment);
    this.#meta = environment.table('meta');
  }

  /**
   * Stores fires and deliveries in one transaction, in the order of the calls. An entry whose fire stands
   * already is skipped whole, because a replay must not send again what was sent. `reach` is how far
   * into the stream the messages go that led to them.
   */
  commitFires(entries: readonly FireEntry[], reach: Reach | null = null): FireCommit {
    // Lead states that contain the fire's messages may be asked for behind it.
    const othersRestOnIt = reach !== null;
    const added = this.#environment.write(
      () => {
        if (reach !== null) raiseHighWater(this.#meta, reach);
        return this.#insertNew(entries);
      },
      { othersRestOnIt },
    );
    const committed = added.then(() => undefined);
    const flushed = added.then(async (deliveries) => {
      await this.#environment.flushed();
      this.#deliveries.clearUnflushed(deliveries);
      return deliveries;
    });
    // A caller may await only one of the two; the other must not then count as an unhandled rejection.
    committed.catch(() => {});
    flushed.catch(() => {});
    return { committed, flushed };
  }

  /** One fire of the OU; undefined also when it belongs to another OU. */
  fire(ou: OuId, id: FireId): Fire | undefined {
    const row = this.rows.read(id);
    return row?.fire.ou === ou ? row.fire : undefined;
  }

  /** The deliveries of a fire, in the order they were planned; none for a fire of another OU. */
  deliveriesOf(ou: OuId, id: FireId): Delivery[] {
    const row = this.rows.read(id);
    if (row?.fire.ou !== ou) return [];
    return row.deliveryIds.flatMap((deliveryId) => this.#deliveries.rows.read(deliveryId) ?? []);
  }

  /** Newest first by arrival time, then id; `total` counts all pages, `next` is behind the last of this one. */
  listFires(ou: OuId, query: FireQuery): { fires: Fire[]; total: number; next: ListPlace | null } {
    const prefix = prefixOf(ou, query);
    const range = timeRange(query);
    const { ids, next } = readPage(this.rows.index, this.rows.counts, prefix, range, query);
    const fires = ids.flatMap((id) => this.rows.read(id)?.fire ?? []);
    return { fires, total: this.rows.counts.count(prefix, range), next };
  }

  /** A part of all fires with their deliveries, newest first, from behind a place on; null begins. */
  readFires(
    ou: OuId,
    filters: FireFilters,
    after: ListPlace | null,
    limit: number,
  ): { fires: FireEntry[]; next: ListPlace | null } {
    const part = { page: 1, limit, after };
    const prefix = prefixOf(ou, filters);
    const { ids, next } = readPage(this.rows.index, this.rows.counts, prefix, timeRange(filters), part);
    const fires = ids.flatMap((id) => {
      const row = this.rows.read(id);
      if (row === undefined) return [];
      const deliveries = row.deliveryIds.flatMap((each) => this.#deliveries.rows.read(each) ?? []);
      return [{ fire: row.fire, deliveries }];
    });
    return { fires, next };
  }

  #insertNew(entries: readonly FireEntry[]): Delivery[] {
    const added: Delivery[] = [];
    const changes = this.rows.counts.changes();
    for (const { fire, deliveries } of entries) {
      if (this.rows.isStored(fire.id)) continue;
      this.rows.insert({ fire, deliveryIds: deliveries.map((delivery) => delivery.id) }, changes);
      added.push(...deliveries);
    }
    this.rows.counts.apply(changes);
    // Marked before the commit makes them visible, and only the new ones: one that stands already is on disk
    // or marked, and nobody would wake the outbox for it again.
    this.#deliveries.markUnflushed(added);
    this.#deliveries.rows.insert(added);
    return added;
  }
}

function timeRange({ fromMicros, toMicros }: FireFilters): TimeRange {
  return { from: fromMicros ?? ALL_TIMES.from, end: toMicros === undefined ? ALL_TIMES.end : toMicros + 1 };
}

function prefixOf(ou: OuId, { kind, sequenceId, leadId }: FireFilters) {
  return filterPrefix(kind === 'milestone' ? milestonesOf(ou) : ou, sequenceId, leadId);
}
