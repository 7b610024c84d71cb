import type { Matcher } from '../matcher/matcher.ts';
import type { StreamMark } from '../model/checkpoint.ts';
import type { OuId } from '../model/event.ts';
import {
  definitionOf,
  type LoggedChange,
  type Sequence,
  type SequenceChange,
  type SequenceId,
} from '../model/sequence.ts';
import type { LoggerPort, StateStorePort } from './ports.ts';

export type CatalogRefusal =
  | { readonly ok: false; readonly reason: 'not_found' }
  | { readonly ok: false; readonly reason: 'unavailable' }
  | { readonly ok: false; readonly reason: 'limit' };
export type CatalogResult = { readonly ok: true; readonly sequence: Sequence } | CatalogRefusal;

/**
 * The sequences, and the only way to change them.
 *
 * A change takes effect at the engine's position, at once and in memory, and is logged under that position;
 * its promise resolves when the log is on disk. Whatever the changed program lets fire is written after it
 * and therefore never durable without it. While the store cannot be written, changes are refused; one that was
 * under way stands, is written before whatever follows, and is not acknowledged before.
 *
 * After a crash the matcher starts with the sequences as they stood at the checkpoint, and the logged changes are
 * made again where the replay reaches their positions (R20).
 *
 * Modes: replaying (an earlier life was further than the engine is: it logged changes, or wrote states or fires
 * that come of later messages; a change now would lie before them, so it is refused as unavailable) → open →
 * closed (draining: changes are refused).
 */
export class Catalog {
  private readonly matcher: Matcher;
  private readonly store: StateStorePort;
  private readonly sequencesPerOuMax: number;
  private readonly currentPosition: () => number;
  private readonly currentMark: () => StreamMark | null;
  private readonly logger: LoggerPort;
  /** As users see them: all changes made. */
  private readonly current = new SequenceTable();
  /** As the matcher has them: the changes up to the position made. */
  private readonly effective = new SequenceTable();
  private outstanding: LoggedChange[] = [];
  /** Position that anything on disk reaches to, as it was loaded. */
  private reachedBefore = 0;
  private replayed = false;
  private closed = false;

  constructor(options: {
    matcher: Matcher;
    store: StateStorePort;
    sequencesPerOuMax: number;
    currentPosition: () => number;
    /** The message at that position; null before the stream was found. */
    currentMark: () => StreamMark | null;
    logger: LoggerPort;
  }) {
    this.matcher = options.matcher;
    this.store = options.store;
    this.sequencesPerOuMax = options.sequencesPerOuMax;
    this.currentPosition = options.currentPosition;
    this.currentMark = options.currentMark;
    this.logger = options.logger;
  }

  /**
   * Loads the sequences and takes them back to the checkpoint.
   *
   * @param reachedBefore the furthest position that anything on disk comes of
   */
  load(reachedBefore: number): void {
    this.reachedBefore = reachedBefore;
    for (const sequence of this.store.allSequences()) {
      this.current.set(sequence);
      this.effective.set(sequence);
    }
    this.outstanding = this.store.changesSinceCheckpoint();
    for (const { before, after } of this.outstanding.toReversed()) {
      if (before !== null) this.effective.set(before);
      else if (after !== null) this.effective.delete(after.ou, after.id);
    }
    for (const sequence of this.effective.all()) this.matcher.setSequence(definitionOf(sequence));
  }

  get isReplaying(): boolean {
    return this.replayEnd > 0;
  }

  /** Position at which the replay ends; 0 once it has. */
  get replayEnd(): number {
    return this.replayed ? 0 : Math.max(this.reachedBefore, this.outstanding.at(-1)?.position ?? 0);
  }

  /** How many changes, counted from the first ever, are in force: a checkpoint lets those of the log go. */
  get changesMade(): number {
    return this.outstanding[0]?.ordinal ?? this.store.changeCount();
  }

  /** To be called once all leads are loaded. Makes the logged changes that lie at or below a position. */
  replayThrough(position: number): void {
    if (this.replayed) return;
    while (this.outstanding.length > 0 && this.outstanding[0]!.position <= position) {
      this.enact(this.outstanding.shift()!);
    }
    if (this.replayEnd > position) return;
    this.replayed = true;
    this.matcher.forgetUnknownSequences();
  }

  /** The sequence as it stands at the engine's position. */
  effectiveSequence(ou: OuId, id: SequenceId): Sequence | undefined {
    return this.effective.get(ou, id);
  }

  close(): void {
    this.closed = true;
  }

  /** Sequences of all OUs. */
  get count(): number {
    return [...this.current.all()].length;
  }

  /** The sequences of an OU in the order of their creation. */
  list(ou: OuId): readonly Sequence[] {
    return [...this.current.of(ou)].sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1));
  }

  get(ou: OuId, id: SequenceId): Sequence | undefined {
    return this.current.get(ou, id);
  }

  async create(sequence: Sequence): Promise<CatalogResult> {
    if (this.refusesChanges) return { ok: false, reason: 'unavailable' };
    if (this.current.count(sequence.ou) >= this.sequencesPerOuMax) return { ok: false, reason: 'limit' };
    const after = { ...sequence, effectiveFrom: this.currentPosition() };
    await this.change(null, after);
    return { ok: true, sequence: after };
  }

  /** `change` returns the very object it is given when there is nothing to write. */
  async update(ou: OuId, id: SequenceId, change: (current: Sequence) => Sequence): Promise<CatalogResult> {
    if (this.refusesChanges) return { ok: false, reason: 'unavailable' };
    const before = this.current.get(ou, id);
    if (before === undefined) return { ok: false, reason: 'not_found' };
    const changed = change(before);
    if (changed === before) return { ok: true, sequence: before };
    const effectiveFrom = startsAnew(before, changed) ? this.currentPosition() : before.effectiveFrom;
    const after = { ...changed, effectiveFrom };
    await this.change(before, after);
    return { ok: true, sequence: after };
  }

  async remove(ou: OuId, id: SequenceId): Promise<{ readonly ok: true } | CatalogRefusal> {
    if (this.refusesChanges) return { ok: false, reason: 'unavailable' };
    const before = this.current.get(ou, id);
    if (before === undefined) return { ok: false, reason: 'not_found' };
    await this.change(before, null);
    return { ok: true };
  }

  private get refusesChanges(): boolean {
    return this.closed || this.isReplaying || this.store.trouble !== null;
  }

  /** In memory now, so that the next event sees it; durable when the promise resolves. */
  private change(before: Sequence | null, after: Sequence | null): Promise<void> {
    const change = { position: this.currentPosition(), before, after };
    this.audit(change);
    if (after !== null) this.current.set(after);
    else if (before !== null) this.current.delete(before.ou, before.id);
    this.enact(change);
    return this.store.recordChange(change, this.currentMark());
  }

  /**
   * One line per change that users ask for, before it is written: whether a crash came in between, a look at
   * the sequence tells. Changes that are made again in a replay are not new and have no line.
   */
  private audit({ position, before, after }: SequenceChange): void {
    const sequence = after ?? before;
    if (sequence === null) return;
    const kind = before === null ? 'created' : after === null ? 'deleted' : 'updated';
    const { ou, id: sequenceId, version } = sequence;
    this.logger.info({ ou, sequenceId, kind, version, effectivePosition: position }, 'a sequence is changed');
  }

  private enact({ before, after }: SequenceChange): void {
    if (after !== null) {
      this.effective.set(after);
      this.matcher.setSequence(definitionOf(after));
    } else if (before !== null) {
      this.effective.delete(before.ou, before.id);
      this.matcher.removeSequence(before.ou, before.id);
    }
  }
}

/** Whether completions count only from now on (R16, R17): other steps, window or order, or an activation. */
function startsAnew(before: Sequence, after: Sequence): boolean {
  return (
    before.ordered !== after.ordered ||
    before.windowSeconds !== after.windowSeconds ||
    before.eventTypes.length !== after.eventTypes.length ||
    before.eventTypes.some((type, step) => type !== after.eventTypes[step]) ||
    (!before.active && after.active)
  );
}

/** Sequences by OU and id. */
class SequenceTable {
  private readonly byOu = new Map<OuId, Map<SequenceId, Sequence>>();

  get(ou: OuId, id: SequenceId): Sequence | undefined {
    return this.byOu.get(ou)?.get(id);
  }

  set(sequence: Sequence): void {
    let byId = this.byOu.get(sequence.ou);
    if (byId === undefined) {
      byId = new Map();
      this.byOu.set(sequence.ou, byId);
    }
    byId.set(sequence.id, sequence);
  }

  delete(ou: OuId, id: SequenceId): void {
    this.byOu.get(ou)?.delete(id);
  }

  of(ou: OuId): Iterable<Sequence> {
    return this.byOu.get(ou)?.values() ?? [];
  }

  count(ou: OuId): number {
    return this.byOu.get(ou)?.size ?? 0;
  }

  *all(): Generator<Sequence> {
    for (const byId of this.byOu.values()) yield* byId.values();
  }
}
