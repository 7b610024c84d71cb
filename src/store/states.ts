import type { Checkpoint, Reach, StreamMark } from '../model/checkpoint.ts';
import type { LeadId, OuId } from '../model/event.ts';
import { partitionOf } from '../model/partition.ts';
import type { Sequence } from '../model/sequence.ts';
import { isMilestone, type LoggedChange, type Trigger, type TriggerChange } from '../model/trigger.ts';
import { backfillTable, putBackfillRow } from './backfillRows.ts';
import { type BytesTable, type Environment, packRow, type Table, unpackRow } from './environment.ts';
import { raiseHighWater, readHighWater } from './highWater.ts';

/** Version of the whole layout; a store written by a newer program is refused, never rewritten. */
const LAYOUT_VERSION = 1;
const ROW_VERSION = 1;
/**
 * Of rows that hold a milestone trigger, or a sequence that asks for more than types in a window, or that speak of a
 * backfill: a program from before them refuses the store instead of misreading it.
 */
const NEWER_ROW_VERSION = 2;
const READABLE_TRIGGERS = [ROW_VERSION, NEWER_ROW_VERSION];
/** Goes before the ordinal: the library gives a key of a single number back as something else. */
const CHANGE = 'change';

export interface LeadRow {
  readonly ou: OuId;
  readonly leadId: LeadId;
  /** As the matcher encodes it; opaque here. */
  readonly state: Uint8Array;
}

export interface SequenceKey {
  readonly ou: OuId;
  readonly id: string;
}

/** Changes and lead states: a checkpoint behind them speaks of them. */
const OTHERS_REST_ON_IT = { othersRestOnIt: true };

/**
 * What a restart needs: the checkpoint, the lead states, the triggers, and the changes of triggers since the
 * checkpoint. Sequences and milestone triggers share the tables: a row without a `kind` is a sequence.
 *
 * Tables: `meta` ["layout"], ["checkpoint"], ["high_water"] · `leads` (bytes) partition, ou, NUL, lead · `sequences` [ou, id] ·
 * `deleted_sequences` [ou, id] · `changes` ["change", ordinal].
 *
 * Writes are committed in the order in which they are asked for here, also when some have to be made again, so
 * a row is never durable before one that was written earlier.
 */
export class StateStore {
  private readonly environment: Environment;
  private readonly meta: Table;
  private readonly leads: BytesTable;
  private readonly sequences: Table;
  private readonly deletedSequences: Table;
  private readonly changes: Table;
  private readonly backfills: Table;
  private changeCountValue: number;

  /** @throws Error when the environment was written by a newer layout. */
  constructor(environment: Environment) {
    this.environment = environment;
    this.meta = environment.table('meta');
    this.leads = environment.bytesTable('leads');
    this.sequences = environment.table('sequences');
    this.deletedSequences = environment.table('deleted_sequences');
    this.changes = environment.table('changes');
    this.backfills = backfillTable(environment);
    this.checkLayout();
    const [lastKey] = this.changes.getKeys({ reverse: true, limit: 1 });
    this.changeCountValue =
      lastKey === undefined ? (this.checkpoint()?.changes ?? 0) : Number(lastKey[1]) + 1;
  }

  /** Why writes wait, in a sentence; null while they do not. */
  get trouble(): string | null {
    return this.environment.trouble();
  }

  /** How many changes of sequences were ever recorded, those included that wait to be written. */
  changeCount(): number {
    return this.changeCountValue;
  }

  checkpoint(): Checkpoint | null {
    const row = this.meta.get(['checkpoint']);
    if (row === undefined) return null;
    try {
      const checkpoint = unpackRow<Checkpoint>(row, [ROW_VERSION]);
      if (!Number.isSafeInteger(checkpoint?.position)) throw new Error('it has no position');
      return checkpoint;
    } catch (error) {
      throw new Error(`the checkpoint cannot be read: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** Every trigger of either kind as of the last change, all OUs. */
  allTriggers(): Trigger[] {
    return [...this.sequences.getRange()].map(({ value }) => triggerOfRow(value));
  }

  /** A trigger of either kind, also after its deletion: its fires still need its secret and texts. */
  triggerOf(ou: OuId, id: string): Trigger | undefined {
    const row = this.sequences.get([ou, id]) ?? this.deletedSequences.get([ou, id]);
    return row === undefined ? undefined : triggerOfRow(row);
  }

  /** The changes since the checkpoint, in the order in which they were made. */
  changesSinceCheckpoint(): LoggedChange[] {
    return [...this.changes.getRange()].map(({ key, value }) => {
      const change = unpackRow<TriggerChange>(value, READABLE_TRIGGERS);
      const { before, after } = change;
      return { ...change, before: completed(before), after: completed(after), ordinal: Number(key[1]) };
    });
  }

  /** The state of one lead, valid until the next is read. */
  leadState(ou: OuId, leadId: LeadId): Uint8Array | undefined {
    return this.leads.get(leadKey(ou, leadId));
  }

  /** Lead states in the order of their keys, from behind one on; null begins. Each is valid until the next is read. */
  *leadsBehind(place: Omit<LeadRow, 'state'> | null): Generator<LeadRow> {
    // A zero byte more makes the smallest key that is greater.
    const start = place && Buffer.concat([leadKey(place.ou, place.leadId), Buffer.alloc(1)]);
    let ouBytes = Buffer.alloc(0);
    let ou = '';
    for (const { key, value } of this.leads.getRange(start === null ? {} : { start })) {
      const end = key.indexOf(0, 1);
      // Within a partition the leads of an OU are neighbours.
      if (key.compare(ouBytes, 0, ouBytes.length, 1, end) !== 0) {
        ouBytes = Buffer.from(key.subarray(1, end));
        ou = ouBytes.toString();
      }
      yield { ou, leadId: key.toString('utf8', end + 1), state: value };
    }
  }

  /**
   * Writes a change, the trigger's new form, its backfill, and how far into the stream the change lies (null
   * before the stream was found) in one transaction; resolves when on disk.
   */
  async recordChange(change: TriggerChange, highWater: StreamMark | null): Promise<void> {
    const { before, after, backfill } = change;
    const version = [before, after].some(isOfNewerKind) ? NEWER_ROW_VERSION : ROW_VERSION;
    const ordinal = this.changeCountValue++;
    await this.environment.write(() => {
      if (after !== null) {
        this.sequences.put([after.ou, after.id], packRow(version, after));
      } else if (before !== null) {
        this.sequences.remove([before.ou, before.id]);
        this.deletedSequences.put([before.ou, before.id], packRow(version, before));
        this.backfills.remove([before.ou, before.id]);
      }
      if (backfill !== undefined) putBackfillRow(this.backfills, backfill);
      if (highWater !== null) raiseHighWater(this.meta, { position: change.position, stream: highWater });
      const changeVersion = backfill === undefined ? version : NEWER_ROW_VERSION;
      this.changes.put([CHANGE, ordinal], packRow(changeVersion, change));
    }, OTHERS_REST_ON_IT);
    await this.environment.flushed();
  }

  /**
   * Looks at deleted sequences, at most so many, in the order of their keys from behind a place on, and removes
   * those that no change since the checkpoint speaks of and that `isReferredTo` denies, in one transaction.
   *
   * @returns where the next call goes on; null when all were looked at.
   */
  removeDeleted(
    behind: SequenceKey | null,
    countMax: number,
    isReferredTo: (key: SequenceKey) => boolean,
  ): Promise<{ readonly removed: number; readonly next: SequenceKey | null }> {
    return this.environment.write(() => {
      const changed = new Set(this.changesSinceCheckpoint().map((change) => nameOf(triggerIn(change))));
      // The empty text makes the smallest key that is greater than that of the place.
      const start = behind === null ? [] : [behind.ou, behind.id, ''];
      const keys = [...this.deletedSequences.getKeys({ start, limit: countMax })].map(
        ([ou, id]): SequenceKey => ({ ou: String(ou), id: String(id) }),
      );
      const unused = keys.filter((key) => !changed.has(nameOf(key)) && !isReferredTo(key));
      for (const { ou, id } of unused) this.deletedSequences.remove([ou, id]);
      return { removed: unused.length, next: keys.length < countMax ? null : keys.at(-1)! };
    });
  }

  /** How far into the stream any lead state, change or fire on disk reaches; null before the first. */
  highWater(): Reach | null {
    return readHighWater(this.meta);
  }

  /**
   * Writes lead states and, with them, how far into the stream they reach; resolves when committed (not yet
   * on disk).
   */
  async putLeads(rows: readonly LeadRow[], reach: Reach): Promise<void> {
    await this.environment.write(() => {
      raiseHighWater(this.meta, reach);
      for (const { ou, leadId, state } of rows) this.leads.put(leadKey(ou, leadId), asBuffer(state));
    }, OTHERS_REST_ON_IT);
  }

  async removeLeads(keys: readonly { readonly ou: OuId; readonly leadId: LeadId }[]): Promise<void> {
    await this.environment.write(() => {
      for (const { ou, leadId } of keys) this.leads.remove(leadKey(ou, leadId));
    }, OTHERS_REST_ON_IT);
  }

  /**
   * Writes the checkpoint and drops the changes made before it, in one transaction; resolves when on disk. To
   * be called after every lead state that the checkpoint covers was put.
   */
  async putCheckpoint(checkpoint: Checkpoint, reach: Reach): Promise<void> {
    await this.environment.write(() => {
      this.meta.put(['checkpoint'], packRow(ROW_VERSION, checkpoint));
      raiseHighWater(this.meta, reach);
      for (const key of [...this.changes.getKeys({ end: [CHANGE, checkpoint.changes] })]) {
        this.changes.remove(key);
      }
    });
    await this.environment.flushed();
  }

  private checkLayout(): void {
    const row = this.meta.get(['layout']);
    if (row === undefined) {
      this.meta.putSync(['layout'], packRow(ROW_VERSION, LAYOUT_VERSION));
      return;
    }
    const version = unpackRow<number>(row, [ROW_VERSION]);
    if (version > LAYOUT_VERSION) {
      throw new Error(`the data directory has layout ${version}; this program reads up to ${LAYOUT_VERSION}`);
    }
  }
}

function triggerOfRow(row: Uint8Array): Trigger {
  return completed(unpackRow<Trigger>(row, READABLE_TRIGGERS));
}

const NOTHING_MORE: Pick<Sequence, 'exclude' | 'maxGapSeconds'> = { exclude: [], maxGapSeconds: null };

/** A stored trigger with what rows of sequences lack that were written before there was such a thing. */
function completed<Stored extends Trigger | null>(stored: Stored): Stored {
  return stored === null || isMilestone(stored) ? stored : { ...NOTHING_MORE, ...stored };
}

function isOfNewerKind(trigger: Trigger | null): boolean {
  if (trigger === null || isMilestone(trigger)) return trigger !== null;
  const { eventTypes, exclude, maxGapSeconds } = trigger;
  return (
    exclude.length > 0 || maxGapSeconds !== null || eventTypes.some((entry) => typeof entry !== 'string')
  );
}

function triggerIn({ before, after }: TriggerChange): Trigger {
  const trigger = after ?? before;
  if (trigger === null) throw new Error('a logged change holds no trigger');
  return trigger;
}

function nameOf({ ou, id }: SequenceKey): string {
  return JSON.stringify([ou, id]);
}

/** One byte of partition, then the OU, which has no NUL in it, a NUL, and the lead id. */
function leadKey(ou: OuId, leadId: LeadId): Buffer {
  const key = Buffer.from(`\0${ou}\0${leadId}`);
  key[0] = partitionOf(leadId);
  return key;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
