import { createHash } from 'node:crypto';
import type { LeadId, OuId } from '../model/event.ts';
import type { Fire, FireId } from '../model/fire.ts';
import type { SequenceId } from '../model/sequence.ts';
import type { Environment, Table } from './environment.ts';
import { type FireRow, packFire, unpackFire } from './fireCodec.ts';
import { type CountChanges, RangeCounts } from './rangeCounts.ts';

/** The value of an index entry, whose whole content is its key. */
const PRESENT = Buffer.from([1]);
/** A lead has few fires, so those are counted one by one; a count each would be two more writes for every fire. */
const COUNTED_FILTERS = new Set(['all', 'seq']);
const MICROS_PER_HOUR = 3_600_000_000;
/** Sorts behind the names of all filters, and so behind every entry of an OU. */
const BEHIND_FILTERS = '~';

type Key = Array<string | number>;

/** Where an entry lies in the index of all fires of an OU. */
export interface FirePlace {
  readonly firedAtMicros: number;
  readonly id: FireId;
}

/**
 * The tables of fires, and the writes that keep them in step. Every write method must be called inside one
 * transaction of the environment.
 *
 * | table | key | holds |
 * |---|---|---|
 * | fires | id | the row |
 * | fire_index | ou, `all` \| `seq`, sequence \| `lead`, lead \| `seqlead`, sequence, lead, then firedAtMicros, id | one entry per filter |
 * | fire_counts | see RangeCounts | counts of the entries of `all` and `seq` |
 *
 * In the index `<ou>~milestone` stands for the OU of a milestone trigger's fire, and `<ou>~sample` for that of a sample.
 */
export class FireRows {
  readonly index: Table;
  readonly counts: RangeCounts;
  readonly #fires: Table;

  constructor(environment: Environment) {
    this.#fires = environment.table('fires');
    this.index = environment.table('fire_index');
    this.counts = new RangeCounts(environment, {
      index: this.index,
      name: 'fire_counts',
      hourUnits: MICROS_PER_HOUR,
      filters: COUNTED_FILTERS,
    });
  }

  isStored(id: FireId): boolean {
    return this.#fires.doesExist([id]);
  }

  /** Throws when the row is of a version that this program cannot read. */
  read(id: FireId): FireRow | undefined {
    // Valid until the next row is read, and not copied for it.
    const row = this.#fires.getBinaryFast([id]);
    return row === undefined ? undefined : unpackFire(id, row);
  }

  /** `changes` are applied to `counts` in the same transaction. */
  insert(row: FireRow, changes: CountChanges): void {
    const { id, firedAtMicros } = row.fire;
    void this.#fires.put([id], packFire(row));
    for (const prefix of filterPrefixes(row.fire)) {
      void this.index.put([...prefix, firedAtMicros, id], PRESENT);
      changes.add(prefix, firedAtMicros, 1);
    }
  }

  /** `changes` are applied to `counts` in the same transaction. */
  remove(fire: Fire, changes: CountChanges): void {
    const { id, firedAtMicros } = fire;
    void this.#fires.remove([id]);
    for (const prefix of filterPrefixes(fire)) {
      void this.index.remove([...prefix, firedAtMicros, id]);
      changes.add(prefix, firedAtMicros, -1);
    }
  }

  /** The first OU with fires behind the given one, in the order of their names; '' is before all. */
  ouBehind(ou: OuId): OuId | undefined {
    const [key] = this.index.getKeys({ start: [ou, BEHIND_FILTERS], limit: 1 });
    return key === undefined ? undefined : String(key[0]);
  }

  /** Fires of an OU that arrived before a time, the oldest first, from behind a place on. */
  *olderThan(ou: OuId, untilMicros: number, behind: FirePlace | null): Generator<FirePlace> {
    const all = filterPrefix(ou, undefined, undefined);
    // The empty text makes the smallest key that is greater than that of the place.
    const start = behind === null ? all : [...all, behind.firedAtMicros, behind.id, ''];
    for (const key of this.index.getKeys({ start, end: [...all, untilMicros] })) {
      yield { firedAtMicros: Number(key.at(-2)), id: String(key.at(-1)) };
    }
  }

  /** Whether any fire is of the sequence or the milestone trigger. */
  hasFireOf(ou: OuId, triggerId: string): boolean {
    return [ou, milestonesOf(ou)].some((each) => {
      const prefix = filterPrefix(each, triggerId, undefined);
      const bounds = { start: prefix, end: [...prefix, Number.MAX_SAFE_INTEGER], limit: 1 };
      return [...this.index.getKeys(bounds)].length > 0;
    });
  }

  /** Arrival time of the oldest fire of all OUs, with one seek per OU; null without any. */
  oldestMicros(): number | null {
    let oldest: number | null = null;
    for (let ou = this.ouBehind(''); ou !== undefined; ou = this.ouBehind(ou)) {
      const [first] = this.olderThan(ou, Number.MAX_SAFE_INTEGER, null);
      if (first !== undefined && (oldest === null || first.firedAtMicros < oldest))
        oldest = first.firedAtMicros;
    }
    return oldest;
  }
}

/** The part of an index key that a filter fixes; an arrival time and an id follow it. */
export function filterPrefix(ou: OuId, sequenceId: SequenceId | undefined, leadId: LeadId | undefined): Key {
  if (leadId === undefined) return sequenceId === undefined ? [ou, 'all'] : [ou, 'seq', sequenceId];
  return sequenceId === undefined
    ? [ou, 'lead', leadKey(leadId)]
    : [ou, 'seqlead', sequenceId, leadKey(leadId)];
}

/**
 * What stands for an OU in the index where the fires of its milestone triggers are meant: no OU has such a name, so
 * they are in no list of sequences' fires, and their history is that of an OU of its own.
 */
export function milestonesOf(ou: OuId): OuId {
  return `${ou}~milestone`;
}

function indexedUnder(fire: Fire): OuId {
  // Samples are in no list at all.
  if (fire.isSample) return `${fire.ou}~sample`;
  return fire.milestone === undefined ? fire.ou : milestonesOf(fire.ou);
}

function filterPrefixes(fire: Fire): Key[] {
  const { sequenceId, leadId } = fire;
  const ou = indexedUnder(fire);
  return [
    filterPrefix(ou, undefined, undefined),
    filterPrefix(ou, sequenceId, undefined),
    filterPrefix(ou, undefined, leadId),
    filterPrefix(ou, sequenceId, leadId),
  ];
}

/** A digest, because a lead id may hold any character, and ordered keys do not keep all of them apart. */
function leadKey(leadId: LeadId): string {
  return createHash('sha256').update(leadId, 'utf16le').digest('base64url').slice(0, 22);
}
