import type { EncodedLead, LeadKey } from '../../src/matcher/matcher.ts';
import type { Checkpoint, Reach, StreamMark } from '../../src/model/checkpoint.ts';
import type { Attempt, Delivery, DeliveryId } from '../../src/model/delivery.ts';
import type { Fire, FireId } from '../../src/model/fire.ts';
import type { Sequence, SequenceChange } from '../../src/model/sequence.ts';
import { EMAIL_LANE, laneOf } from '../../src/store/deliveryRows.ts';
import type { FireEntry } from '../../src/store/fires.ts';

/**
 * The rows of the store as plain maps, and its transactions as methods: each is made whole or, where it
 * throws, not at all. Rows are never changed in place, so copies may share them.
 */
export class Tables {
  checkpoint: Checkpoint | null = null;
  highWater: Reach | null = null;
  readonly sequences = new Map<string, Sequence>();
  readonly deletedSequences = new Map<string, Sequence>();
  readonly changes = new Map<number, SequenceChange>();
  readonly leads = new Map<string, EncodedLead>();
  readonly fires = new Map<FireId, { readonly fire: Fire; readonly deliveryIds: readonly DeliveryId[] }>();
  readonly deliveries = new Map<DeliveryId, Delivery>();
  readonly attempts = new Map<DeliveryId, readonly Attempt[]>();
  /** By lane: when which delivery is due. */
  readonly due = new Map<string, Map<DeliveryId, number>>();
  /** Not of the real store: every change ever made, which a simulation is judged by. */
  readonly changesEver: SequenceChange[] = [];

  copy(): Tables {
    const copy = new Tables();
    copy.checkpoint = this.checkpoint;
    copy.highWater = this.highWater;
    for (const [key, row] of this.sequences) copy.sequences.set(key, row);
    for (const [key, row] of this.deletedSequences) copy.deletedSequences.set(key, row);
    for (const [key, row] of this.changes) copy.changes.set(key, row);
    for (const [key, row] of this.leads) copy.leads.set(key, row);
    for (const [key, row] of this.fires) copy.fires.set(key, row);
    for (const [key, row] of this.deliveries) copy.deliveries.set(key, row);
    for (const [key, row] of this.attempts) copy.attempts.set(key, row);
    for (const [lane, rows] of this.due) copy.due.set(lane, new Map(rows));
    copy.changesEver.push(...this.changesEver);
    return copy;
  }

  recordChange(ordinal: number, change: SequenceChange, highWater: StreamMark | null): void {
    const { before, after } = change;
    if (after !== null) {
      this.sequences.set(sequenceKey(after), after);
    } else if (before !== null) {
      this.sequences.delete(sequenceKey(before));
      this.deletedSequences.set(sequenceKey(before), before);
    }
    if (highWater !== null) this.#raise({ position: change.position, stream: highWater });
    this.changes.set(ordinal, change);
    this.changesEver.push(change);
  }

  putLeads(rows: readonly EncodedLead[], reach: Reach): void {
    this.#raise(reach);
    for (const row of rows) this.leads.set(leadKey(row), row);
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

  recordAttempt(after: Delivery, attempt: Attempt): void {
    if (!this.deliveries.has(after.id)) throw new Error(`delivery ${after.id} has no row`);
    this.#replace(after);
    const others = (this.attempts.get(after.id) ?? []).filter(({ number }) => number !== attempt.number);
    this.attempts.set(
      after.id,
      [...others, attempt].sort((a, b) => a.number - b.number),
    );
  }

  postpone(lane: string, id: DeliveryId, untilMs: number): void {
    this.due.get(lane)?.set(id, untilMs);
  }

  holdEmails(reason: string, nowMs: number): number {
    const ids = [...(this.due.get(EMAIL_LANE)?.keys() ?? [])];
    for (const id of ids) {
      const before = this.deliveries.get(id)!;
      this.#replace({ ...before, state: 'held', reason, dueAtMs: null, updatedAtMs: nowMs });
    }
    return ids.length;
  }

  releaseEmails(nowMs: number): number {
    const held = this.heldEmails();
    for (const before of held) {
      const state = before.attemptsMade === 0 ? 'pending' : 'retrying';
      this.#replace({ ...before, state, reason: null, dueAtMs: nowMs, updatedAtMs: nowMs });
    }
    return held.length;
  }

  heldEmails(): Delivery[] {
    const rows = [...this.deliveries.values()];
    return rows.filter(({ channel, state }) => channel === 'email' && state === 'held');
  }

  /** What lies in a lane, the earliest first, then by id. */
  dueIn(lane: string): { readonly id: DeliveryId; readonly dueAtMs: number }[] {
    const rows = [...(this.due.get(lane) ?? [])].map(([id, dueAtMs]) => ({ id, dueAtMs }));
    return rows.sort((a, b) => a.dueAtMs - b.dueAtMs || (a.id < b.id ? -1 : 1));
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
    const lane = laneOf(after);
    const rows = this.due.get(lane) ?? new Map<DeliveryId, number>();
    rows.delete(after.id);
    if (after.dueAtMs !== null) rows.set(after.id, after.dueAtMs);
    if (rows.size > 0) this.due.set(lane, rows);
    else this.due.delete(lane);
    this.deliveries.set(after.id, after);
  }
}

export function sequenceKey({ ou, id }: { readonly ou: string; readonly id: string }): string {
  return `${ou}/${id}`;
}

export function leadKey({ ou, leadId }: LeadKey): string {
  return `${ou}/${leadId}`;
}
