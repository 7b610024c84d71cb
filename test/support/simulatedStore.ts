import type { FireEntry, StateStorePort } from '../../src/engine/ports.ts';
import type { Checkpoint, Reach, StreamMark } from '../../src/model/checkpoint.ts';
import type { Fire } from '../../src/model/fire.ts';
import type { Sequence, SequenceChange } from '../../src/model/sequence.ts';

type Row = { readonly ou: string; readonly leadId: string; readonly state: Uint8Array };
type Key = { readonly ou: string; readonly leadId: string };
type Write = (disk: Disk) => void;

/** What is on the simulated disk. */
class Disk {
  checkpoint: Checkpoint | null = null;
  highWater: Reach | null = null;

  raise(reach: Reach): void {
    if (this.highWater === null || this.highWater.position <= reach.position) this.highWater = reach;
  }

  readonly sequences = new Map<string, Sequence>();
  changes: { readonly ordinal: number; readonly change: SequenceChange }[] = [];
  changeCount = 0;
  readonly leads = new Map<string, Row>();
  readonly fires = new Map<string, Fire>();
}

/**
 * A store that keeps the one promise of the real one: writes reach the disk in the order in which they are
 * asked for, each whole or not at all. A crash keeps a prefix of them.
 */
export class SimulatedStore implements StateStorePort {
  private readonly writes: Write[] = [];
  private disk = new Disk();
  /** Set by a test. */
  trouble: string | null = null;

  get writeCount(): number {
    return this.writes.length;
  }

  get fires(): ReadonlyMap<string, Fire> {
    return this.disk.fires;
  }

  /** A store as it is found after a crash that lost all but the first `writesKept` writes. */
  crashedAfter(writesKept: number): SimulatedStore {
    const survivor = new SimulatedStore();
    for (const write of this.writes.slice(0, writesKept)) survivor.make(write);
    return survivor;
  }

  checkpoint(): Checkpoint | null {
    return this.disk.checkpoint;
  }

  allSequences(): Sequence[] {
    return [...this.disk.sequences.values()];
  }

  changesSinceCheckpoint(): SequenceChange[] {
    return this.disk.changes.map(({ change }) => change);
  }

  changeCount(): number {
    return this.disk.changeCount;
  }

  allLeads(): Iterable<Row> {
    return this.disk.leads.values();
  }

  recordChange(change: SequenceChange, highWater: StreamMark | null): Promise<void> {
    return this.make((disk) => {
      if (highWater !== null) disk.raise({ position: change.position, stream: highWater });
      const sequence = change.after ?? change.before!;
      if (change.after === null) disk.sequences.delete(`${sequence.ou}/${sequence.id}`);
      else disk.sequences.set(`${sequence.ou}/${sequence.id}`, change.after);
      disk.changes = [...disk.changes, { ordinal: disk.changeCount++, change }];
    });
  }

  highWater(): Reach | null {
    return this.disk.highWater;
  }

  putLeads(rows: readonly Row[], reach: Reach): Promise<void> {
    return this.make((disk) => {
      disk.raise(reach);
      for (const row of rows) disk.leads.set(`${row.ou}/${row.leadId}`, row);
    });
  }

  removeLeads(keys: readonly Key[]): Promise<void> {
    return this.make((disk) => {
      for (const { ou, leadId } of keys) disk.leads.delete(`${ou}/${leadId}`);
    });
  }

  putCheckpoint(checkpoint: Checkpoint, reach: Reach): Promise<void> {
    return this.make((disk) => {
      disk.checkpoint = checkpoint;
      disk.raise(reach);
      disk.changes = disk.changes.filter(({ ordinal }) => ordinal >= checkpoint.changes);
    });
  }

  commitFires = (entries: readonly FireEntry[], reach: Reach | null) => {
    const committed = this.make((disk) => {
      if (reach !== null) disk.raise(reach);
      for (const { fire } of entries) if (!disk.fires.has(fire.id)) disk.fires.set(fire.id, fire);
    });
    return { committed, flushed: committed.then(() => []) };
  };

  private make(write: Write): Promise<void> {
    this.writes.push(write);
    write(this.disk);
    return Promise.resolve();
  }
}
