import type { Matcher } from '../matcher/matcher.ts';
import type { Backfill } from '../model/backfill.ts';
import type { LeadId, OuId } from '../model/event.ts';
import type { Sequence, SequenceId } from '../model/sequence.ts';
import type { LoggedChange } from '../model/trigger.ts';
import type { BackfillStorePort } from './ports.ts';

/** A change that has to wait for longer is refused. */
const WAIT_MS_MAX = 10_000;
/** Read of leads that are merged in one go: some have thousands of events. */
const BYTES_PER_TURN = 32_768;

/**
 * The backfills of all sequences, and the adding of what one of them has read to the leads.
 *
 * Events are added as of one position (R20), but not at once: a lead gets them before its next event or when somebody
 * looks at it, others get them a few at a time. No trigger of the OU is changed until all have them on disk; so the
 * result is the same as if all had got them at that position. After a crash what leads have already is added to them
 * once more, which changes nothing.
 *
 * One at a time is merged.
 */
export class Backfills {
  private readonly matcher: Matcher;
  private readonly store: BackfillStorePort;
  private readonly byKey = new Map<string, Backfill>();
  private merging: Backfill | null = null;
  /** Whether every lead has what is being merged: not yet on disk. */
  private isMerged = false;
  private lastMerged: LeadId | null = null;
  private addedCount = 0;
  private waiting: (() => void)[] = [];
  private isClosed = false;
  /** Called when there is something to do. */
  onWork: () => void = () => {};

  constructor(matcher: Matcher, store: BackfillStorePort) {
    this.matcher = matcher;
    this.store = store;
  }

  /** @param outstanding changes that the replay is still to make. */
  load(outstanding: readonly LoggedChange[]): void {
    const later = new Set(
      outstanding.map(({ backfill }) => (backfill?.state === 'merging' ? backfill.id : -1)),
    );
    for (const backfill of this.store.allBackfills()) {
      this.set(backfill);
      if (backfill.state === 'merging' && !later.has(backfill.id)) this.begin(backfill);
    }
  }

  of(ou: OuId, id: SequenceId): Backfill | undefined {
    return this.byKey.get(keyOf(ou, id));
  }

  set(backfill: Backfill): void {
    this.byKey.set(keyOf(backfill.ou, backfill.sequenceId), backfill);
    this.onWork();
  }

  delete(ou: OuId, id: SequenceId): void {
    this.byKey.delete(keyOf(ou, id));
  }

  /** Whether this is still what the sequence waits for. */
  isCurrent({ ou, sequenceId, id, state }: Backfill): boolean {
    const current = this.of(ou, sequenceId);
    return current?.id === id && current.state === state;
  }

  /** What is to be done next: a merge before anything is read, then in the order in which they were asked for. */
  next(): Backfill | null {
    if (this.merging !== null) return this.merging;
    const reading = [...this.byKey.values()].filter(({ state }) => state === 'reading');
    return reading.sort((a, b) => a.id - b.id)[0] ?? null;
  }

  /** The number of the one that is merged, or will be where a replay comes to it; null: none. */
  get mergingId(): number | null {
    return [...this.byKey.values()].find(({ state }) => state === 'merging')?.id ?? null;
  }

  /** From now on, the position of the last applied message, what it has read counts. */
  begin(backfill: Backfill): void {
    this.merging = backfill;
    this.isMerged = false;
    this.lastMerged = null;
    this.addedCount = 0;
  }

  /** To be called before an event of a lead is applied, or before somebody looks at its events. */
  catchUp(ou: OuId, leadId: LeadId): void {
    if (this.merging?.ou === ou && !this.isMerged) this.merge(this.merging, leadId);
  }

  /** Merges the next leads, at most so many. Gives how many those were; none: all are. */
  mergeNext(countMax: number): number {
    const { merging } = this;
    if (merging === null) return 0;
    const leadIds = this.store.backfillLeads(merging.id, this.lastMerged, countMax);
    let count = 0;
    for (let bytes = 0; count < leadIds.length && bytes < BYTES_PER_TURN; count++) {
      this.lastMerged = leadIds[count]!;
      bytes += this.merge(merging, this.lastMerged);
    }
    this.isMerged ||= count === 0;
    return count;
  }

  /** Events that leads did not hold, added since the merge began or, in a later life, went on. */
  get eventsAdded(): number {
    return this.addedCount;
  }

  /** All that was merged is on disk with the leads: changes go on. */
  end(): void {
    this.merging = null;
    this.letGo();
  }

  /** Whether changes of the OU's triggers have to wait. */
  isMerging(ou: OuId): boolean {
    return this.merging?.ou === ou;
  }

  /** Whether a change waits. */
  get isWaitedFor(): boolean {
    return this.waiting.length > 0;
  }

  /** Resolves when changes of the OU's triggers need not wait any more: false where they cannot be made. */
  async settled(ou: OuId): Promise<boolean> {
    let isLate = false;
    const late = setTimeout(() => {
      isLate = true;
      this.letGo();
    }, WAIT_MS_MAX);
    while (this.isMerging(ou) && !isLate && !this.isClosed) {
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
    clearTimeout(late);
    return !this.isMerging(ou);
  }

  /** Changes do not wait any more. */
  close(): void {
    this.isClosed = true;
    this.letGo();
  }

  /** Gives how many bytes were read for it. */
  private merge({ id, ou, merge }: Backfill, leadId: LeadId): number {
    let bytes = 0;
    this.addedCount += this.matcher.merge(ou, leadId, merge!, () => {
      const state = this.store.backfillLead(id, leadId);
      bytes = state?.length ?? 0;
      return state;
    });
    return bytes;
  }

  private letGo(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const go of waiting) go();
  }
}

/** A backfill that was just asked for. */
export function newBackfill(
  { ou, id: sequenceId }: Pick<Sequence, 'ou' | 'id'>,
  place: Pick<Backfill, 'id' | 'throughPosition' | 'streamCreated' | 'startedAtMs'>,
): Backfill {
  return {
    ...place,
    ou,
    sequenceId,
    state: 'reading',
    merge: null,
    eventsRead: 0,
    eventsAdded: 0,
    fraction: 0,
    finishedAtMs: null,
    reason: null,
  };
}

/** An OU has no slash in it. */
function keyOf(ou: OuId, id: SequenceId): string {
  return `${ou}/${id}`;
}
