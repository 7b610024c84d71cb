import { createHash } from 'node:crypto';
import type { Delivery, DeliveryId } from '../model/delivery.ts';
import type { LeadId, OuId } from '../model/event.ts';
import type { Fire, FireId } from '../model/fire.ts';
import type { SequenceId } from '../model/sequence.ts';
import type { DeliveryStore } from './deliveries.ts';
import { type Environment, packRow, type Table, unpackRow } from './environment.ts';

const ROW_VERSION = 1;
const READABLE_VERSIONS = [ROW_VERSION];
const PRESENT = Buffer.from([ROW_VERSION]);

type Key = Array<string | number>;

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

interface FireRow {
  readonly fire: Fire;
  readonly deliveryIds: readonly DeliveryId[];
}

/**
 * Fires and their indexes. The table `fires` holds the rows by id; `fire_index` has one entry per filter:
 * ou, `all` | `seq`, sequence | `lead`, lead | `seqlead`, sequence, lead, then firedAtMicros and id. `meta` has
 * the furthest stream position of a fire under ["fires_through"].
 */
export class FireStore {
  readonly #environment: Environment;
  readonly #deliveries: DeliveryStore;
  readonly #fires: Table;
  readonly #index: Table;
  readonly #meta: Table;

  constructor(environment: Environment, deliveries: DeliveryStore) {
    this.#environment = environment;
    this.#deliveries = deliveries;
    this.#fires = environment.table('fires');
    this.#index = environment.table('fire_index');
    this.#meta = environment.table('meta');
  }

  /**
   * Stores fires and deliveries in one transaction, in the order of the calls. An entry whose fire stands
   * already is skipped whole, because a replay must not send again what was sent.
   */
  commitFires(entries: readonly FireEntry[]): FireCommit {
    const added = this.#environment.write(() => this.#insertNew(entries));
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

  /** Furthest stream position of a fire; 0 before the first. */
  firesThrough(): number {
    const row = this.#meta.get(['fires_through']);
    return row === undefined ? 0 : unpackRow<number>(row, READABLE_VERSIONS);
  }

  /** One fire of the OU; undefined also when it belongs to another OU. */
  fire(ou: OuId, id: FireId): Fire | undefined {
    const row = this.#read(id);
    return row?.fire.ou === ou ? row.fire : undefined;
  }

  /** The deliveries of a fire, in the order they were planned; none for a fire of another OU. */
  deliveriesOf(ou: OuId, id: FireId): Delivery[] {
    const row = this.#read(id);
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
    const total = this.#index.getKeysCount({ ...bounds });
    const page = { ...bounds, offset: (query.page - 1) * query.limit, limit: query.limit };
    const fires: Fire[] = [];
    for (const key of this.#index.getKeys(page)) {
      const row = this.#read(String(key.at(-1)));
      if (row !== undefined) fires.push(row.fire);
    }
    return { fires, total };
  }

  #insertNew(entries: readonly FireEntry[]): Delivery[] {
    const added: Delivery[] = [];
    const throughBefore = this.firesThrough();
    let through = throughBefore;
    for (const { fire, deliveries } of entries) {
      if (this.#fires.doesExist([fire.id])) continue;
      const row: FireRow = { fire, deliveryIds: deliveries.map((delivery) => delivery.id) };
      void this.#fires.put([fire.id], packRow(ROW_VERSION, row));
      for (const key of filterKeys(fire)) void this.#index.put(key, PRESENT);
      added.push(...deliveries);
      through = Math.max(through, fire.streamSequence);
    }
    if (through > throughBefore) void this.#meta.put(['fires_through'], packRow(ROW_VERSION, through));
    // Marked before the commit makes them visible, and only the new ones: one that stands already is on disk
    // or marked, and nobody would wake the outbox for it again.
    this.#deliveries.markUnflushed(added);
    this.#deliveries.rows.insert(added);
    return added;
  }

  #read(id: FireId): FireRow | undefined {
    const row = this.#fires.get([id]);
    return row === undefined ? undefined : unpackRow<FireRow>(row, READABLE_VERSIONS);
  }
}

function filterPrefix(ou: OuId, sequenceId: SequenceId | undefined, leadId: LeadId | undefined): Key {
  if (leadId === undefined) return sequenceId === undefined ? [ou, 'all'] : [ou, 'seq', sequenceId];
  return sequenceId === undefined
    ? [ou, 'lead', leadKey(leadId)]
    : [ou, 'seqlead', sequenceId, leadKey(leadId)];
}

function filterKeys({ ou, sequenceId, leadId, firedAtMicros, id }: Fire): Key[] {
  return [
    [...filterPrefix(ou, undefined, undefined), firedAtMicros, id],
    [...filterPrefix(ou, sequenceId, undefined), firedAtMicros, id],
    [...filterPrefix(ou, undefined, leadId), firedAtMicros, id],
    [...filterPrefix(ou, sequenceId, leadId), firedAtMicros, id],
  ];
}

/** A digest, because a lead id may hold any character, and ordered keys do not keep all of them apart. */
function leadKey(leadId: LeadId): string {
  return createHash('sha256').update(leadId, 'utf16le').digest('base64url').slice(0, 22);
}
