import type { Reach } from '../model/checkpoint.ts';
import type { Delivery } from '../model/delivery.ts';
import type { LeadId, OuId } from '../model/event.ts';
import type { Fire, FireId } from '../model/fire.ts';
import type { SequenceId } from '../model/sequence.ts';
import type { DeliveryStore } from './deliveries.ts';
import type { Environment, Table } from './environment.ts';
import { FireRows, filterPrefix } from './fireRows.ts';
import { raiseHighWater } from './highWater.ts';

/** A fire with the deliveries it gives rise to. */
export interface FireEntry {
  readonly fire: Fire;
  readonly deliveries: readonly Delivery[];
}

/** Which fires of an OU to list. A page starts at 1; both times are arrival times, inclusive. */
export interface FireQuery {
  readonly sequenceId?: SequenceId | undefined;
  readonly leadId?: LeadId | undefined;
  readonly fromMicros?: number | undefined;
  readonly toMicros?: number | undefined;
  readonly page: number;
  readonly limit: number;
}

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
    const added = this.#environment.write(() => {
      if (reach !== null) raiseHighWater(this.#meta, reach);
      return this.#insertNew(entries);
    });
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

  /** Newest first by arrival time, then id; `total` counts all pages. */
  listFires(ou: OuId, query: FireQuery): { fires: Fire[]; total: number } {
    const prefix = filterPrefix(ou, query.sequenceId, query.leadId);
    // An id follows the time in every key, so a bound of the time alone sorts before all keys of that time.
    const bounds = {
      start: [...prefix, query.toMicros === undefined ? Number.MAX_SAFE_INTEGER : query.toMicros + 1],
      end: [...prefix, query.fromMicros ?? Number.MIN_SAFE_INTEGER],
      reverse: true,
    };
    // A copy, because the count is asked for by a mark that the library leaves on the options.
    const total = this.rows.index.getKeysCount({ ...bounds });
    const page = { ...bounds, offset: (query.page - 1) * query.limit, limit: query.limit };
    const fires: Fire[] = [];
    for (const key of this.rows.index.getKeys(page)) {
      const row = this.rows.read(String(key.at(-1)));
      if (row !== undefined) fires.push(row.fire);
    }
    return { fires, total };
  }

  #insertNew(entries: readonly FireEntry[]): Delivery[] {
    const added: Delivery[] = [];
    for (const { fire, deliveries } of entries) {
      if (this.rows.isStored(fire.id)) continue;
      this.rows.insert({ fire, deliveryIds: deliveries.map((delivery) => delivery.id) });
      added.push(...deliveries);
    }
    // Marked before the commit makes them visible, and only the new ones: one that stands already is on disk
    // or marked, and nobody would wake the outbox for it again.
    this.#deliveries.markUnflushed(added);
    this.#deliveries.rows.insert(added);
    return added;
  }
}
