import type { Delivery, DeliveryState } from '../model/delivery.ts';
import type { OuId } from '../model/event.ts';
import type { DeliveryStore } from './deliveries.ts';
import { type Environment, packRow, type Table, unpackRow } from './environment.ts';
import type { FireRow } from './fireCodec.ts';
import type { FirePlace } from './fireRows.ts';
import type { FireStore } from './fires.ts';
import type { CountChanges } from './rangeCounts.ts';
import type { SequenceKey, StateStore } from './states.ts';

const ROW_VERSION = 1;

/** A step ends with the row at which it reaches one of these. */
export interface StepLimits {
  /** Fires, or deleted sequences. */
  readonly lookedAtMax: number;
  /** Of all tables of rows; the entries of indexes come on top. */
  readonly rowsRemovedMax: number;
  /** From the start of its work, which holds up everything else. */
  readonly durationMsMax: number;
}

export const DEFAULT_STEP_LIMITS: StepLimits = {
  lookedAtMax: 200,
  rowsRemovedMax: 600,
  durationMsMax: 4,
};

/** States in which nothing will happen to a delivery any more. */
const FINAL_STATES: ReadonlySet<DeliveryState> = new Set(['delivered', 'dead', 'skipped_stale']);

/** How far a walk through the old fires of all OUs has come. */
export interface WalkPlace {
  readonly ou: OuId;
  /** The last fire looked at; null before the first of the OU. */
  readonly behind: FirePlace | null;
}

export interface RemovedRows {
  fires: number;
  deliveries: number;
  attempts: number;
}

/** What a step removes by, and what it has removed. */
interface Removal {
  readonly untilMs: number;
  readonly coveredPosition: number;
  readonly removed: RemovedRows;
  readonly changes: CountChanges;
}

export interface RemovalStep {
  readonly removed: RemovedRows;
  /** Old fires that were left in place. */
  readonly kept: number;
  /** Where the next step begins; null when the walk is through. */
  readonly next: WalkPlace | null;
}

/** What is known of the wall clock from the rounds of removal before, so that a clock gone wrong is noticed. */
export interface ClockMemory {
  /** Wall clock of the last round, in milliseconds. */
  readonly seenMs: number;
  /** Nothing is removed while the wall clock shows an earlier time. */
  readonly trustedFromMs: number;
}

/**
 * Removal of old fires with all that belongs to them, through the indexes that serve the lists: no table
 * beside them is needed, and a store of before is walked as it is.
 *
 * A fire goes when it arrived before the given time and every delivery of it has been in a final state since
 * before then. It stays, whatever its age, as long as a replay from the checkpoint on disk could derive it
 * again, because its row is what keeps it from being sent again.
 */
export class HistoryStore {
  readonly #environment: Environment;
  readonly #fires: FireStore;
  readonly #deliveries: DeliveryStore;
  readonly #states: StateStore;
  readonly #meta: Table;
  readonly #limits: StepLimits;

  constructor(
    environment: Environment,
    stores: { readonly fires: FireStore; readonly deliveries: DeliveryStore; readonly states: StateStore },
    limits = DEFAULT_STEP_LIMITS,
  ) {
    this.#environment = environment;
    this.#fires = stores.fires;
    this.#deliveries = stores.deliveries;
    this.#states = stores.states;
    this.#meta = environment.table('meta');
    this.#limits = limits;
  }

  /** The arrival clock of the stream at the checkpoint on disk, in milliseconds; null before the first. */
  arrivalClockMs(): number | null {
    const clockMicros = this.#states.checkpoint()?.clockMicros ?? Number.NEGATIVE_INFINITY;
    return Number.isFinite(clockMicros) ? Math.floor(clockMicros / 1000) : null;
  }

  /** Arrival time of the oldest fire, in milliseconds; null without any. */
  oldestFireMs(): number | null {
    const micros = this.#fires.rows.oldestMicros();
    return micros === null ? null : Math.floor(micros / 1000);
  }

  clockMemory(): ClockMemory | null {
    const row = this.#meta.get(['history_clock']);
    return row === undefined ? null : unpackRow<ClockMemory>(row, [ROW_VERSION]);
  }

  async rememberClock(memory: ClockMemory): Promise<void> {
    await this.#environment.write(() => void this.#meta.put(['history_clock'], packRow(ROW_VERSION, memory)));
  }

  /**
   * Takes one step of a walk through the fires that arrived before a time, OU by OU, the oldest first, and
   * removes those that may go, in one transaction.
   *
   * @param from where the step before has ended; null to begin.
   */
  removeStep(from: WalkPlace | null, untilMs: number): Promise<RemovalStep> {
    return this.#environment.write(() => this.#step(from, untilMs));
  }

  /** Takes one step of a walk through the deleted sequences, and removes those that nothing refers to any more. */
  removeSequencesStep(from: SequenceKey | null): Promise<{ removed: number; next: SequenceKey | null }> {
    return this.#states.removeDeleted(
      from,
      this.#limits.lookedAtMax,
      ({ ou, id }) => this.#fires.rows.hasFireOf(ou, id) || this.#deliveries.rows.hasDeliveryOf(ou, id),
    );
  }

  #step(from: WalkPlace | null, untilMs: number): RemovalStep {
    const endMs = performance.now() + this.#limits.durationMsMax;
    const { lookedAtMax, rowsRemovedMax } = this.#limits;
    const removed: RemovedRows = { fires: 0, deliveries: 0, attempts: 0 };
    const coveredPosition = this.#states.checkpoint()?.position ?? 0;
    const ou = from?.ou ?? this.#fires.rows.ouBehind('');
    if (ou === undefined) return { removed, kept: 0, next: null };
    // A snapshot of the places first, because the walk must not go on in an index that it takes entries from.
    const places: FirePlace[] = [];
    for (const place of this.#fires.rows.olderThan(ou, untilMs * 1000, from?.behind ?? null)) {
      if (places.push(place) === lookedAtMax) break;
    }
    const changes = this.#fires.rows.counts.changes();
    let lookedAt = 0;
    for (const { id } of places) {
      lookedAt += 1;
      this.#removeIfOver(id, { untilMs, coveredPosition, removed, changes });
      const rows = removed.fires + removed.deliveries + removed.attempts;
      if (rows >= rowsRemovedMax || performance.now() >= endMs) break;
    }
    this.#fires.rows.counts.apply(changes);
    return { removed, kept: lookedAt - removed.fires, next: this.#nextPlace(ou, places, lookedAt) };
  }

  #nextPlace(ou: OuId, places: readonly FirePlace[], lookedAt: number): WalkPlace | null {
    const isThrough = lookedAt === places.length && lookedAt < this.#limits.lookedAtMax;
    if (!isThrough) return { ou, behind: places[lookedAt - 1] ?? null };
    const nextOu = this.#fires.rows.ouBehind(ou);
    return nextOu === undefined ? null : { ou: nextOu, behind: null };
  }

  #removeIfOver(id: string, { untilMs, coveredPosition, removed, changes }: Removal): void {
    const found = this.#readable(id);
    if (found === undefined || found.row.fire.streamSequence > coveredPosition) return;
    const isOver = ({ state, updatedAtMs }: Delivery) => FINAL_STATES.has(state) && updatedAtMs < untilMs;
    if (!found.deliveries.every(isOver)) return;
    this.#fires.rows.remove(found.row.fire, changes);
    removed.attempts += this.#deliveries.rows.remove(found.deliveries);
    removed.deliveries += found.deliveries.length;
    removed.fires += 1;
  }

  /** A fire and its deliveries; undefined where the fire is missing or any row cannot be read. */
  #readable(id: string): { row: FireRow; deliveries: Delivery[] } | undefined {
    try {
      const row = this.#fires.rows.read(id);
      if (row === undefined) return undefined;
      const deliveries = row.deliveryIds.map((deliveryId) => this.#deliveries.rows.read(deliveryId));
      return { row, deliveries: deliveries.filter((delivery) => delivery !== undefined) };
    } catch {
      return undefined;
    }
  }
}
