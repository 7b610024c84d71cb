import type { BackfillStorePort, StateStorePort } from '../../src/engine/ports.ts';
import type { EncodedLead, LeadKey } from '../../src/matcher/matcher.ts';
import type { Backfill } from '../../src/model/backfill.ts';
import type { Checkpoint, Reach, StreamMark } from '../../src/model/checkpoint.ts';
import type { Attempt, Delivery, DeliveryId } from '../../src/model/delivery.ts';
import type { Destination } from '../../src/model/destination.ts';
import type { LeadId, OuId } from '../../src/model/event.ts';
import type { Fire, FireId } from '../../src/model/fire.ts';
import type { LoggedChange, Trigger, TriggerChange } from '../../src/model/trigger.ts';
import type { DeliveryQueue, DestinationSettings, DueRow, FireSource } from '../../src/outbox/ports.ts';
import type { FireCommit, FireEntry } from '../../src/store/fires.ts';
import { destinationOf, laneOf, partsOf } from '../../src/store/lanes.ts';
import { sequenceKey, type Tables } from './simulatedTables.ts';
import type { Chance, SimulatedProcess } from './simulatedTime.ts';

/** Pause before a write is tried again. */
const RETRY_PAUSE_MS = 500;

/** What a write is about, for faults and for checks at the moment it becomes durable. */
export type WriteKind =
  | 'change'
  | 'backfill'
  | 'leads'
  | 'lead removal'
  | 'checkpoint'
  | 'fires'
  | 'attempt'
  | 'postponement'
  | 'lane';

export interface DatabaseOptions {
  readonly process: SimulatedProcess;
  readonly chance: Chance;
  /** Whether a write of this kind cannot be made now; it and those behind it are tried again then. */
  readonly fails: (kind: WriteKind) => boolean;
  /** Called for each write at the moment from which no crash can undo it. */
  readonly onDurable: (kind: WriteKind, disk: Tables) => void;
  readonly commitMsMax: number;
  readonly flushMsMax: number;
}

interface Write {
  readonly kind: WriteKind;
  readonly commit: (tables: Tables) => void;
  readonly onCommitted: () => void;
  readonly onFailed: (error: unknown) => void;
}

/**
 * The store of one life, as the real one behaves on LMDB: writes are made in the order in which they are
 * asked for, each whole or not at all; at first they are visible, a while later durable. One that cannot be
 * made waits, and those behind it too. A crash keeps what is durable and any number of the writes that follow.
 */
export class SimulatedDatabase
  implements StateStorePort, BackfillStorePort, DeliveryQueue, DestinationSettings, FireSource
{
  readonly #options: DatabaseOptions;
  /** Durable; outlives the process. */
  readonly #disk: Tables;
  readonly #visible: Tables;
  #asked: Write[] = [];
  #committed: Write[] = [];
  #committedCount = 0;
  #durableCount = 0;
  #waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  #isCommitting = false;
  #isFlushing = false;
  #changeCount: number;
  #trouble: string | null = null;
  #isAbandoned = false;
  readonly #unflushed = new Set<DeliveryId>();

  constructor(disk: Tables, options: DatabaseOptions) {
    this.#options = options;
    this.#disk = disk;
    this.#visible = disk.copy();
    const last = Math.max(-1, ...disk.changes.keys());
    this.#changeCount = last === -1 ? (disk.checkpoint?.changes ?? 0) : last + 1;
  }

  /** Ends this life: some of the writes that were not durable yet still reach the disk, in their order. */
  crash(writesKept: (notDurable: number) => number): void {
    const writes = [...this.#committed, ...this.#asked];
    for (const write of writes.slice(0, writesKept(writes.length))) {
      write.commit(this.#disk);
      this.#options.onDurable(write.kind, this.#disk);
    }
  }

  /** Resolves when every write committed so far is durable. */
  flushed(): Promise<void> {
    if (this.#durableCount === this.#committedCount) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ count: this.#committedCount, resolve }));
  }

  /** Why writes wait, in a sentence; null while they do not. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /** From now on what cannot be written at once is rejected, so that the program can stop. */
  abandonWrites(): void {
    this.#isAbandoned = true;
    if (this.#trouble !== null) this.#rejectAsked();
  }

  /** Whether everything that was asked for is durable. */
  get isIdle(): boolean {
    return this.#asked.length === 0 && this.#committed.length === 0;
  }

  isDurable(fireId: FireId, deliveryId: DeliveryId): boolean {
    return this.#disk.fires.has(fireId) && this.#disk.deliveries.has(deliveryId);
  }

  checkpoint(): Checkpoint | null {
    return this.#visible.checkpoint;
  }

  allTriggers(): Trigger[] {
    return [...this.#visible.sequences.values()];
  }

  triggerOf(ou: OuId, id: string): Trigger | undefined {
    const key = sequenceKey({ ou, id });
    return this.#visible.sequences.get(key) ?? this.#visible.deletedSequences.get(key);
  }

  changesSinceCheckpoint(): LoggedChange[] {
    const changes = [...this.#visible.changes].map(([ordinal, change]) => ({ ...change, ordinal }));
    return changes.sort((a, b) => a.ordinal - b.ordinal);
  }

  changeCount(): number {
    return this.#changeCount;
  }

  leadsBehind(place: LeadKey | null): Iterable<EncodedLead> {
    return this.#visible.leadsBehind(place);
  }

  leadState(ou: OuId, leadId: LeadId): Uint8Array | undefined {
    return this.#visible.leadState(ou, leadId);
  }

  highWater(): Reach | null {
    return this.#visible.highWater;
  }

  async recordChange(change: TriggerChange, highWater: StreamMark | null): Promise<void> {
    const ordinal = this.#changeCount++;
    await this.#write('change', (tables) => tables.recordChange(ordinal, change, highWater));
    await this.flushed();
  }

  putLeads(rows: readonly EncodedLead[], reach: Reach): Promise<void> {
    return this.#write('leads', (tables) => tables.putLeads(rows, reach));
  }

  removeLeads(keys: readonly LeadKey[]): Promise<void> {
    return this.#write('lead removal', (tables) => tables.removeLeads(keys));
  }

  async putCheckpoint(checkpoint: Checkpoint, reach: Reach): Promise<void> {
    await this.#write('checkpoint', (tables) => tables.putCheckpoint(checkpoint, reach));
    await this.flushed();
  }

  allBackfills(): Backfill[] {
    return [...this.#visible.backfills.values()];
  }

  async putBackfill(backfill: Backfill): Promise<void> {
    await this.#write('backfill', (tables) => tables.putBackfill(backfill));
    await this.flushed();
  }

  putBackfillLeads(id: number, rows: readonly { leadId: string; state: Uint8Array }[]): Promise<void> {
    return this.#write('backfill', (tables) => tables.putBackfillLeads(id, rows));
  }

  backfillLead(id: number, leadId: string): Uint8Array | undefined {
    return this.#visible.backfillLeads.get(id)?.get(leadId);
  }

  backfillLeads(id: number, behind: string | null, countMax: number): string[] {
    return this.#visible.backfillLeadIds(id, behind, countMax);
  }

  async removeBackfillLeads(keptId: number | null): Promise<number> {
    let removed = 0;
    await this.#write('backfill', (tables) => {
      const count = tables.removeBackfillLeads(keptId);
      if (tables === this.#visible) removed = count;
    });
    return removed;
  }

  commitFires(entries: readonly FireEntry[], reach: Reach | null): FireCommit {
    let added: readonly Delivery[] = [];
    const committed = this.#write('fires', (tables) => {
      const inserted = tables.insertFires(entries, reach);
      if (tables !== this.#visible) return;
      added = inserted;
      for (const { id } of added) this.#unflushed.add(id);
    });
    const flushed = committed.then(async () => {
      await this.flushed();
      for (const { id } of added) this.#unflushed.delete(id);
      return added;
    });
    committed.catch(() => {});
    flushed.catch(() => {});
    return { committed, flushed };
  }

  fire(ou: OuId, id: FireId): Fire | undefined {
    const fire = this.#visible.fires.get(id)?.fire;
    return fire?.ou === ou ? fire : undefined;
  }

  delivery(ou: OuId, id: DeliveryId): { delivery: Delivery; attempts: readonly Attempt[] } | undefined {
    const delivery = this.#visible.deliveries.get(id);
    if (delivery?.ou !== ou) return undefined;
    return { delivery, attempts: this.#visible.attempts.get(id) ?? [] };
  }

  lanes(
    after: string | null = null,
    count = Number.POSITIVE_INFINITY,
  ): { readonly lane: string; readonly dueAtMs: number }[] {
    const lanes = [...this.#visible.due.keys()].sort().filter((lane) => after === null || lane > after);
    return lanes.slice(0, count).map((lane) => ({ lane, dueAtMs: this.#visible.dueIn(lane)[0]!.dueAtMs }));
  }

  heldLanes(after: string | null = null, count = Number.POSITIVE_INFINITY): string[] {
    const lanes = this.#visible.heldLanes().filter((lane) => after === null || lane > after);
    return lanes.slice(0, count);
  }

  laneOf(delivery: Pick<Delivery, 'ou' | 'channel' | 'destination'>): string {
    return laneOf(delivery);
  }

  partsOf(lane: string) {
    return partsOf(lane);
  }

  due(lane: string, nowMs: number, skip: ReadonlySet<DeliveryId>, count: number) {
    const rows: DueRow[] = [];
    for (const { id, dueAtMs } of this.#visible.dueIn(lane)) {
      if (skip.has(id) || this.#unflushed.has(id)) continue;
      if (dueAtMs > nowMs) return { rows, nextDueAtMs: dueAtMs };
      if (rows.push({ kind: 'delivery', delivery: this.#visible.deliveries.get(id)! }) === count) break;
    }
    return { rows, nextDueAtMs: null };
  }

  postpone(lane: string, id: DeliveryId, untilMs: number): Promise<void> {
    return this.#write('postponement', (tables) => tables.postpone(lane, id, untilMs));
  }

  async recordAttempts(
    settlements: readonly { delivery: Delivery; attempt: Attempt }[],
  ): Promise<DeliveryId[]> {
    let missing: DeliveryId[] = [];
    await this.#write('attempt', (tables) => {
      missing = settlements.flatMap(({ delivery, attempt }) =>
        tables.recordAttempt(delivery, attempt) ? [] : [delivery.id],
      );
    });
    return missing;
  }

  async move(id: DeliveryId, url: string, nowMs: number): Promise<Delivery | undefined> {
    await this.#write('lane', (tables) => tables.move(id, url, nowMs));
    return this.#visible.deliveries.get(id);
  }

  async hold(lane: string, reason: string, nowMs: number): Promise<number> {
    const count = this.#visible.due.get(lane)?.size ?? 0;
    if (count > 0) await this.#write('lane', (tables) => tables.hold(lane, reason, nowMs));
    return count;
  }

  async release(lane: string, nowMs: number): Promise<number> {
    const count = this.#visible.heldIn(lane).length;
    if (count > 0) await this.#write('lane', (tables) => tables.release(lane, nowMs));
    return count;
  }

  async giveUp(
    lane: string,
    dueBeforeMs: number,
    skip: ReadonlySet<DeliveryId>,
    reason: string,
    nowMs: number,
  ): Promise<number> {
    const isOld = (row: { readonly id: DeliveryId; readonly dueAtMs: number }) =>
      row.dueAtMs < dueBeforeMs && !skip.has(row.id);
    const old = this.#visible.dueIn(lane).filter(isOld);
    if (old.length > 0)
      await this.#write('lane', (tables) => tables.giveUp(lane, dueBeforeMs, new Set(skip), reason, nowMs));
    return old.length;
  }

  all(): Destination[] {
    return [...this.#visible.destinations.values()];
  }

  async put(destination: Destination): Promise<void> {
    await this.#write('lane', (tables) => tables.putDestination(destination));
    await this.flushed();
  }

  destinationOf(delivery: Pick<Delivery, 'ou' | 'channel' | 'destination'>): Destination {
    return destinationOf(delivery);
  }

  #write(kind: WriteKind, commit: (tables: Tables) => void): Promise<void> {
    return new Promise((onCommitted, onFailed) => {
      this.#asked.push({ kind, commit, onCommitted, onFailed });
      this.#scheduleCommit();
    });
  }

  #scheduleCommit(): void {
    if (this.#isCommitting || this.#asked.length === 0) return;
    this.#isCommitting = true;
    const { process, chance, commitMsMax } = this.#options;
    process.after(chance.delayMs(commitMsMax), () => this.#commitSome());
  }

  #commitSome(): void {
    this.#isCommitting = false;
    // They were given up meanwhile.
    if (this.#asked.length === 0) return;
    for (let left = this.#options.chance.integer(1, this.#asked.length); left > 0; left--) {
      if (!this.#commit(this.#asked[0]!)) break;
      this.#asked.shift();
    }
    if (this.#trouble === null) this.#scheduleCommit();
    else this.#waitForRoom();
    this.#scheduleFlush();
  }

  /** Gives whether it was made or refused; else it is to be tried again. */
  #commit(write: Write): boolean {
    this.#trouble = this.#options.fails(write.kind) ? 'the disk is full' : null;
    if (this.#trouble !== null) return false;
    try {
      write.commit(this.#visible);
    } catch (error) {
      write.onFailed(error);
      return true;
    }
    this.#committed.push(write);
    this.#committedCount++;
    write.onCommitted();
    return true;
  }

  #waitForRoom(): void {
    if (this.#isAbandoned) {
      this.#rejectAsked();
      return;
    }
    this.#isCommitting = true;
    this.#options.process.after(RETRY_PAUSE_MS, () => this.#commitSome());
  }

  #rejectAsked(): void {
    for (const { onFailed } of this.#asked.splice(0)) onFailed(new Error(`${this.#trouble}`));
  }

  #scheduleFlush(): void {
    if (this.#isFlushing || this.#committed.length === 0) return;
    this.#isFlushing = true;
    const { process, chance, flushMsMax } = this.#options;
    process.after(chance.delayMs(flushMsMax), () => this.#flushSome());
  }

  #flushSome(): void {
    this.#isFlushing = false;
    const { chance, onDurable } = this.#options;
    for (const write of this.#committed.splice(0, chance.integer(1, this.#committed.length))) {
      write.commit(this.#disk);
      this.#durableCount++;
      onDurable(write.kind, this.#disk);
    }
    const done = this.#waiting.filter(({ count }) => count <= this.#durableCount);
    this.#waiting = this.#waiting.filter(({ count }) => count > this.#durableCount);
    for (const { resolve } of done) resolve();
    this.#scheduleFlush();
  }
}
