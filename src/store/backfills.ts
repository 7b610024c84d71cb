import type { Backfill } from '../model/backfill.ts';
import type { LeadId } from '../model/event.ts';
import { partitionOf } from '../model/partition.ts';
import { backfillTable, putBackfillRow, readBackfillRow } from './backfillRows.ts';
import type { BytesTable, Environment, Table } from './environment.ts';

/** Before the lead id in a key: the backfill's number, six bytes, and the partition. */
const HEAD_BYTES = 7;

/** What a backfill found of a lead, encoded as the state of a lead. */
export interface BackfillLead {
  readonly leadId: LeadId;
  readonly state: Uint8Array;
}

/**
 * The backfill of each sequence that had one, and what those under way have read.
 *
 * Tables: `backfills` [ou, sequence id] · `backfill_leads` (bytes) number of the backfill, partition, lead.
 */
export class BackfillStore {
  private readonly environment: Environment;
  private readonly backfills: Table;
  private readonly leads: BytesTable;

  constructor(environment: Environment) {
    this.environment = environment;
    this.backfills = backfillTable(environment);
    this.leads = environment.bytesTable('backfill_leads');
  }

  allBackfills(): Backfill[] {
    return [...this.backfills.getRange()].map(({ value }) => readBackfillRow(value));
  }

  /** Replaces the row of the sequence, unless that is of another backfill by now; resolves when on disk. */
  async putBackfill(backfill: Backfill): Promise<void> {
    await this.environment.write(() => {
      const row = this.backfills.get([backfill.ou, backfill.sequenceId]);
      if (row === undefined || readBackfillRow(row).id !== backfill.id) return;
      putBackfillRow(this.backfills, backfill);
    });
    await this.environment.flushed();
  }

  /** Resolves when committed. */
  async putBackfillLeads(id: number, rows: readonly BackfillLead[]): Promise<void> {
    await this.environment.write(() => {
      for (const { leadId, state } of rows) this.leads.put(leadKey(id, leadId), state);
    });
  }

  /** The state is valid until the next is taken. */
  backfillLead(id: number, leadId: LeadId): Uint8Array | undefined {
    return this.leads.get(leadKey(id, leadId));
  }

  /** Leads of a backfill behind one (null: from the first), at most so many, in the order of their keys. */
  backfillLeads(id: number, behind: LeadId | null, countMax: number): LeadId[] {
    const start = behind === null ? headOf(id, 0) : Buffer.concat([leadKey(id, behind), Buffer.alloc(1)]);
    const keys = this.leads.getKeys({ start, end: headOf(id + 1, 0), limit: countMax });
    return [...keys].map((key) => key.toString('utf8', HEAD_BYTES));
  }

  /** Removes at most so many rows of other backfills than one (null: of all). Resolves with how many those were. */
  removeBackfillLeads(keptId: number | null, countMax: number): Promise<number> {
    return this.environment.write(() => {
      const ends = keptId === null ? [] : [headOf(keptId, 0), headOf(keptId + 1, 0)];
      const keys = [...this.leads.getKeys({ limit: countMax, ...(ends[0] && { end: ends[0] }) })];
      if (ends[1] && keys.length < countMax) {
        keys.push(...this.leads.getKeys({ start: ends[1], limit: countMax - keys.length }));
      }
      for (const key of keys) this.leads.remove(Buffer.from(key));
      return keys.length;
    });
  }
}

function leadKey(id: number, leadId: LeadId): Buffer {
  return Buffer.concat([headOf(id, partitionOf(leadId)), Buffer.from(leadId)]);
}

function headOf(id: number, partition: number): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUIntBE(id, 0, HEAD_BYTES - 1);
  head[HEAD_BYTES - 1] = partition;
  return head;
}
