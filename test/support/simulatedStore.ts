import type { BackfillStorePort, FireEntry, StateStorePort } from '../../src/engine/ports.ts';
import type { EncodedLead, LeadKey } from '../../src/matcher/matcher.ts';
import type { Backfill } from '../../src/model/backfill.ts';
import type { Checkpoint, Reach, StreamMark } from '../../src/model/checkpoint.ts';
import type { LeadId, OuId } from '../../src/model/event.ts';
import type { Fire } from '../../src/model/fire.ts';
import type { LoggedChange, Trigger, TriggerChange } from '../../src/model/trigger.ts';
import { Tables } from './simulatedTables.ts';

type Write = (tables: Tables) => void;

/**
 * A store without time: each write is made at once. It keeps the one promise of the real one that crashes are
 * about: writes reach the disk in the order in which they are asked for, each whole or not at all. A crash
 * keeps a prefix of them.
 */
export class SimulatedStore implements StateStorePort, BackfillStorePort {
  private readonly writes: Write[] = [];
  private readonly tables = new Tables();
  private changesAsked = 0;
  /** Set by a test. */
  trouble: string | null = null;

  get writeCount(): number {
    return this.writes.length;
  }

  get fires(): ReadonlyMap<string, Fire> {
    return new Map([...this.tables.fires].map(([id, { fire }]) => [id, fire]));
  }

  /** A store as it is found after a crash that lost all but the first `writesKept` writes. */
  crashedAfter(writesKept: number): SimulatedStore {
    const survivor = new SimulatedStore();
    for (const write of this.writes.slice(0, writesKept)) survivor.make(write);
    survivor.changesAsked = survivor.tables.changesEver.length;
    return survivor;
  }

  checkpoint(): Checkpoint | null {
    return this.tables.checkpoint;
  }

  allTriggers(): Trigger[] {
    return [...this.tables.sequences.values()];
  }

  changesSinceCheckpoint(): LoggedChange[] {
    return [...this.tables.changes].map(([ordinal, change]) => ({ ...change, ordinal }));
  }

  changeCount(): number {
    return this.changesAsked;
  }

  leadsBehind(place: LeadKey | null): Iterable<EncodedLead> {
    return this.tables.leadsBehind(place);
  }

  leadState(ou: OuId, leadId: LeadId): Uint8Array | undefined {
    return this.tables.leadState(ou, leadId);
  }

  recordChange(change: TriggerChange, highWater: StreamMark | null): Promise<void> {
    const ordinal = this.changesAsked++;
    return this.make((tables) => tables.recordChange(ordinal, change, highWater));
  }

  highWater(): Reach | null {
    return this.tables.highWater;
  }

  putLeads(rows: readonly EncodedLead[], reach: Reach): Promise<void> {
    return this.make((tables) => tables.putLeads(rows, reach));
  }

  removeLeads(keys: readonly LeadKey[]): Promise<void> {
    return this.make((tables) => tables.removeLeads(keys));
  }

  putCheckpoint(checkpoint: Checkpoint, reach: Reach): Promise<void> {
    return this.make((tables) => tables.putCheckpoint(checkpoint, reach));
  }

  allBackfills(): Backfill[] {
    return [...this.tables.backfills.values()];
  }

  putBackfill(backfill: Backfill): Promise<void> {
    return this.make((tables) => tables.putBackfill(backfill));
  }

  putBackfillLeads(id: number, rows: readonly { leadId: string; state: Uint8Array }[]): Promise<void> {
    return this.make((tables) => tables.putBackfillLeads(id, rows));
  }

  backfillLead(id: number, leadId: string): Uint8Array | undefined {
    return this.tables.backfillLeads.get(id)?.get(leadId);
  }

  backfillLeads(id: number, behind: string | null, countMax: number): string[] {
    return this.tables.backfillLeadIds(id, behind, countMax);
  }

  async removeBackfillLeads(keptId: number | null): Promise<number> {
    let removed = 0;
    await this.make((tables) => {
      removed = tables.removeBackfillLeads(keptId);
    });
    return removed;
  }

  commitFires = (entries: readonly FireEntry[], reach: Reach | null) => {
    const committed = this.make((tables) => void tables.insertFires(entries, reach));
    return { committed, flushed: committed.then(() => []) };
  };

  private make(write: Write): Promise<void> {
    this.writes.push(write);
    write(this.tables);
    return Promise.resolve();
  }
}
