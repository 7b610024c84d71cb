import type { EncodedLead, LeadKey } from '../../src/matcher/matcher.ts';
import type { Backfill } from '../../src/model/backfill.ts';
import type { Checkpoint, Reach, StreamMark } from '../../src/model/checkpoint.ts';
import type { Attempt, Delivery, DeliveryId } from '../../src/model/delivery.ts';
import type { Destination } from '../../src/model/destination.ts';
import type { LeadId, OuId } from '../../src/model/event.ts';
import type { Fire, FireId } from '../../src/model/fire.ts';
import type { Trigger, TriggerChange } from '../../src/model/trigger.ts';
import type { FireEntry } from '../../src/store/fires.ts';
import { laneOf } from '../../src/store/lanes.ts';

/**
 * The rows of the store as plain maps, and its transactions as methods: each is made whole or, where it
 * throws, not at all. Rows are never changed in place, so copies may share them.
 */
export class Tables {
  checkpoint: Checkpoint | null = null;
  highWater: Reach | null = null;
  readonly sequences = new Map<string, Trigger>();
  readonly deletedSequences = new Map<string, Trigger>();
  readonly changes = new Map<number, TriggerChange>();
  readonly leads = new Map<string, EncodedLead>();
  readonly backfills = new Map<string, Backfill>();
  /** By number of the backfill, then by lead. */
  readonly backfillLeads = new Map<number, ReadonlyMap<string, Uint8Array>>();
  readonly fires = new Map<FireId, { readonly fire: Fire; readonly deliveryIds: readonly DeliveryId[] }>();
  readonly deliveries = new Map<DeliveryId, Delivery>();
  /** What was set of destinations, by lane. */
  readonly destinations = new Map<string, Destination>();
  readonly attempts = new Map<DeliveryId, readonly Attempt[]>();
  /** By lane: when which delivery is due. */
  readonly due = new Map<string, Map<DeliveryId, number>>();
  /** Not of the real store: every change ever made, which a simulation is judged by. */
  readonly changesEver: TriggerChange[] = [];

  copy(): Tables {
    const copy = new Tables();
    copy.checkpoint = this.checkpoint;
    copy.highWater = this.highWater;
    for (const [key, row] of this.sequences) copy.sequences.set(key, row);
    for (const [key, row] of this.deletedSequences) copy.deletedSequences.set(key, row);
    for (const [key, row] of this.changes) copy.changes.set(key, row);
    for (const [key, row] of this.leads) copy.leads.set(key, row);
    for (const [key, row] of this.backfills) copy.backfills.set(key, row);
    for (const [key, rows] of this.backfillLeads) copy.backfillLeads.set(key, rows);
    for (const [key, row] of this.fires) copy.fires.set(key, row);
    for (const [key, row] of this.deliveries) copy.deliveries.set(key, row);
    for (const [key, row] of this.attempts) copy.attempts.set(key, row);
    for (const [lane, row] of this.destinations) copy.destinations.set(lane, row);
    for (const [lane, rows] of this.due) copy.due.set(lane, new Map(rows));
    copy.changesEver.push(...this.changesEver);
    return copy;
  }

  recordChange(ordinal: number, change: TriggerChange, highWater: StreamMark | null): void {
    const { before, after, backfill } = change;
    if (after !== null) {
      this.sequences.set(sequenceKey(after), after);
    } else if (before !== null) {
      this.sequences.delete(sequenceKey(before));
      this.deletedSequences.set(sequenceKey(before), before);
      this.backfills.delete(sequenceKey(before));
    }
    if (backfill !== undefined) this.backfills.set(backfillKey(backfill), backfill);
    if (highWater !== null) this.#raise({ position: change.position, stream: highWater });
    this.changes.set(ordinal, change);
    this.changesEver.push(change);
  }

  putLeads(rows: readonly EncodedLead[], reach: Reach): void {
    this.#raise(reach);
    for (const row of rows) this.leads.set(leadKey(row), row);
  }

  putBackfill(backfill: Backfill): void {
    const key = backfillKey(backfill);
    if (this.backfills.get(key)?.id === backfill.id) this.backfills.set(key, backfill);
  }

  putBackfillLeads(id: number, rows: readonly { leadId: string; state: Uint8Array }[]): void {
    const before = this.backfillLeads.get(id) ?? new Map<string, Uint8Array>();
    const added = rows.map(({ leadId, state }): [string, Uint8Array] => [leadId, state]);
    this.backfillLeads.set(id, new Map([...before, ...added]));
  }

  /** Leads of a backfill behind one, at most so many, in the order of their ids. */
  backfillLeadIds(id: number, behind: string | null, countMax: number): string[] {
    const leadIds = [...(this.backfillLeads.get(id)?.keys() ?? [])].sort();
    return leadIds.filter((leadId) => behind === null || leadId > behind).slice(0, countMax);
  }

  leadState(ou: OuId, leadId: LeadId): Uint8Array | undefined {
    return this.leads.get(leadKey({ ou, leadId }))?.state;
  }

  /** Lead states in the order of their keys, as they are now, from behind one on. */
  leadsBehind(place: LeadKey | null): EncodedLead[] {
    const behind = place === null ? '' : leadKey(place);
    const keys = [...this.leads.keys()].filter((key) => key > behind).sort();
    return keys.map((key) => this.leads.get(key)!);
  }

  /** Returns how many leads that were: all of the others, since a backfill here has few. */
  removeBackfillLeads(keptId: number | null): number {
    let removed = 0;
    for (const [id, rows] of this.backfillLeads) {
      if (id === keptId) continue;
      removed += rows.size;
      this.backfillLeads.delete(id);
    }
    return removed;
  }

  removeLeads(keys: readonly LeadKey[]): void {
    for (const key of keys) this.leads.delete(leadKey(key));
  }

  putCheckpoint(checkpoint: Checkpoint, reach: Reach): void {
    this.checkpoint = checkpoint;
    this.#raise(reach);
    for (const ordinal of this.changes.keys()) {
      if (ordinal < checkpoint.changes) this.changes.delete(ordinal);
    }
  }

  /** Returns the deliveries that are new; a fire that stands already is left as it is, and so are its deliveries. */
  insertFires(entries: readonly FireEntry[], reach: Reach | null): Delivery[] {
    if (reach !== null) this.#raise(reach);
    const added: Delivery[] = [];
    for (const { fire, deliveries } of entries) {
      if (this.fires.has(fire.id)) continue;
      this.fires.set(fire.id, { fire, deliveryIds: deliveries.map(({ id }) => id) });
      added.push(...deliveries);
    }
    for (const delivery of added) this.#replace(delivery);
    return added;
  }

  /** Gives whether the delivery has a row. */
  recordAttempt(after: Delivery, attempt: Attempt): boolean {
    if (!this.deliveries.has(after.id)) return false;
    this.#replace(after);
    const others = (this.attempts.get(after.id) ?? []).filter(({ number }) => number !== attempt.number);
    this.attempts.set(
      after.id,
      [...others, attempt].sort((a, b) => a.number - b.number),
    );
    return true;
  }

  postpone(lane: string, id: DeliveryId, untilMs: number): void {
    this.due.get(lane)?.set(id, untilMs);
  }

  move(id: DeliveryId, url: string, nowMs: number): void {
    const before = this.deliveries.get(id);
    if (before === undefined || before.dueAtMs === null) return;
    this.#replace({ ...before, destination: url, dueAtMs: nowMs, updatedAtMs: nowMs });
  }

  hold(lane: string, reason: string, nowMs: number): void {
    for (const { id } of this.dueIn(lane)) {
      const before = this.deliveries.get(id)!;
      this.#replace({ ...before, state: 'held', reason, dueAtMs: null, updatedAtMs: nowMs });
    }
  }

  release(lane: string, nowMs: number): void {
    for (const before of this.heldIn(lane)) {
      const state = before.attemptsMade === 0 ? 'pending' : 'retrying';
      const attemptsBefore = before.attemptsMade;
      this.#replace({
        ...before,
        state,
        reason: null,
        dueAtMs: nowMs,
        attemptsBefore,
        updatedAtMs: nowMs,
      });
    }
  }

  giveUp(
    lane: string,
    dueBeforeMs: number,
    skip: ReadonlySet<DeliveryId>,
    reason: string,
    nowMs: number,
  ): void {
    for (const { id, dueAtMs } of this.dueIn(lane)) {
      if (dueAtMs >= dueBeforeMs || skip.has(id)) continue;
      const before = this.deliveries.get(id)!;
      this.#replace({ ...before, state: 'dead', reason, dueAtMs: null, updatedAtMs: nowMs });
    }
  }

  heldIn(lane: string): Delivery[] {
    const rows = [...this.deliveries.values()];
    return rows.filter((delivery) => delivery.state === 'held' && laneOf(delivery) === lane);
  }

  heldLanes(): string[] {
    const rows = [...this.deliveries.values()].filter(({ state }) => state === 'held');
    return [...new Set(rows.map(laneOf))].sort();
  }

  putDestination(destination: Destination): void {
    const { ou, channel, url, pause, ratePerSecond } = destination;
    const lane = laneOf({ ou, channel, destination: url });
    if (pause === null && ratePerSecond === null) this.destinations.delete(lane);
    else this.destinations.set(lane, destination);
  }

  /** What lies in a lane, the earliest first, then by place in the stream and id. */
  dueIn(lane: string): { readonly id: DeliveryId; readonly dueAtMs: number }[] {
    const rows = [...(this.due.get(lane) ?? [])].map(([id, dueAtMs]) => {
      return { id, dueAtMs, place: this.deliveries.get(id)!.streamSequence };
    });
    return rows.sort((a, b) => a.dueAtMs - b.dueAtMs || a.place - b.place || (a.id < b.id ? -1 : 1));
  }

  /** The mark only goes forward as long as positions mean the same. */
  #raise(reach: Reach): void {
    const standing = this.highWater;
    const numbering = ({ position, stream }: Reach) =>
      JSON.stringify([stream.name, stream.created, position - stream.sequence]);
    const isNumberedAlike = standing !== null && numbering(standing) === numbering(reach);
    if (isNumberedAlike && standing.position > reach.position) return;
    this.highWater = reach;
  }

  #replace(after: Delivery): void {
    const before = this.deliveries.get(after.id);
    if (before !== undefined) this.#leave(laneOf(before), after.id);
    this.deliveries.set(after.id, after);
    if (after.dueAtMs === null) return;
    const lane = laneOf(after);
    const rows = this.due.get(lane) ?? new Map<DeliveryId, number>();
    rows.set(after.id, after.dueAtMs);
    this.due.set(lane, rows);
  }

  #leave(lane: string, id: DeliveryId): void {
    const rows = this.due.get(lane);
    rows?.delete(id);
    if (rows?.size === 0) this.due.delete(lane);
  }
}

function backfillKey({ ou, sequenceId }: Backfill): string {
  return sequenceKey({ ou, id: sequenceId });
}

export function sequenceKey({ ou, id }: { readonly ou: string; readonly id: string }): string {
  return `${ou}/${id}`;
}

export function leadKey({ ou, leadId }: LeadKey): string {
  return `${ou}/${leadId}`;
}
