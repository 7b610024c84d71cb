import { isDeepStrictEqual } from 'node:util';
import type { Matcher } from '../matcher/matcher.ts';
import type { Backfill, BackfillWish } from '../model/backfill.ts';
import type { StreamMark } from '../model/checkpoint.ts';
import type { OuId } from '../model/event.ts';
import { type Milestone, type MilestoneId, milestoneDefinitionOf } from '../model/milestone.ts';
import { definitionOf, type Sequence, type SequenceId } from '../model/sequence.ts';
import {
  isMilestone,
  isSequence,
  type LoggedChange,
  type Trigger,
  type TriggerChange,
} from '../model/trigger.ts';
import { Backfills, newBackfill } from './backfills.ts';
import type { BackfillStorePort, LoggerPort, StateStorePort } from './ports.ts';
import { TriggerTable } from './triggerTable.ts';

export type CatalogRefusal =
  | { readonly ok: false; readonly reason: 'not_found' }
  | { readonly ok: false; readonly reason: 'unavailable' }
  | { readonly ok: false; readonly reason: 'limit' };
export type CatalogResult = { readonly ok: true; readonly sequence: Sequence } | CatalogRefusal;
export type Changed<T extends Trigger> = { readonly ok: true; readonly trigger: T } | CatalogRefusal;

/** The milestone triggers as the catalog has them: the same rules as for sequences. */
export interface MilestoneCatalog {
  /** Those of an OU in the order of their creation. */
  list(ou: OuId): readonly Milestone[];
  get(ou: OuId, id: MilestoneId): Milestone | undefined;
  create(milestone: Milestone): Promise<Changed<Milestone>>;
  /** `change` returns the very object it is given when there is nothing to write. */
  update(ou: OuId, id: MilestoneId, change: (current: Milestone) => Milestone): Promise<Changed<Milestone>>;
  /** `check` throws when it is not to be removed as it is. */
  remove(
    ou: OuId,
    id: MilestoneId,
    check?: (current: Milestone) => void,
  ): Promise<{ readonly ok: true } | CatalogRefusal>;
}

/**
 * The triggers, and the only way to change them: sequences by its own methods, milestone triggers by `milestones`.
 *
 * A change takes effect at the engine's position, at once and in memory, and is logged under that position;
 * its promise resolves when the log is on disk. Whatever the changed program lets fire is written after it
 * and therefore never durable without it. While the store cannot be written, changes are refused; one that was
 * under way stands, is written before whatever follows, and is not acknowledged before.
 *
 * After a crash the matcher starts with the triggers as they stood at the checkpoint, and the logged changes are
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
  private readonly current = new TriggerTable();
  /** As the matcher has them: the changes up to the position made. */
  private readonly effective = new TriggerTable();
  private outstanding: LoggedChange[] = [];
  /** Position that anything on disk reaches to, as it was loaded. */
  private reachedBefore = 0;
  private replayed = false;
  private closed = false;
  readonly backfills: Backfills;

  readonly milestones: MilestoneCatalog = {
    list: (ou) => this.current.of(ou).filter(isMilestone),
    get: (ou, id) => asMilestone(this.current.get(ou, id)),
    create: (milestone) => this.createTrigger(milestone),
    update: (ou, id, change) => this.updateTrigger(ou, () => this.milestones.get(ou, id), change),
    remove: (ou, id, check) => this.removeTrigger(ou, () => this.milestones.get(ou, id), check),
  };

  constructor(options: {
    matcher: Matcher;
    store: StateStorePort;
    backfillStore: BackfillStorePort;
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
    this.backfills = new Backfills(this.matcher, options.backfillStore);
  }

  /**
   * Loads the triggers and takes them back to the checkpoint.
   *
   * @param reachedBefore the furthest position that anything on disk comes of
   */
  load(reachedBefore: number): void {
    this.reachedBefore = reachedBefore;
    for (const trigger of this.store.allTriggers()) {
      this.current.set(trigger);
      this.effective.set(trigger);
    }
    this.outstanding = this.store.changesSinceCheckpoint();
    for (const { before, after } of this.outstanding.toReversed()) {
      if (before !== null) this.effective.set(before);
      else if (after !== null) this.effective.delete(after.ou, after.id);
    }
    for (const trigger of this.effective.all()) this.teach(trigger);
    this.backfills.load(this.outstanding);
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

  /** Makes the logged changes that lie at or below a position. */
  replayThrough(position: number): void {
    if (this.replayed) return;
    while (this.outstanding.length > 0 && this.outstanding[0]!.position <= position) {
      this.enact(this.outstanding.shift()!);
    }
    if (this.replayEnd > position) return;
    this.replayed = true;
    this.matcher.forgetUnknownTriggers();
  }

  /** The sequence as it stands at the engine's position. */
  effectiveSequence(ou: OuId, id: SequenceId): Sequence | undefined {
    return asSequence(this.effective.get(ou, id));
  }

  /** The milestone trigger as it stands at the engine's position. */
  effectiveMilestone(ou: OuId, id: MilestoneId): Milestone | undefined {
    return asMilestone(this.effective.get(ou, id));
  }

  close(): void {
    this.closed = true;
    this.backfills.close();
  }

  /** Sequences of all OUs. */
  get count(): number {
    return [...this.current.all()].filter(isSequence).length;
  }

  /** The triggers of both kinds of an OU, in the order of their creation. */
  triggers(ou: OuId): readonly Trigger[] {
    return this.current.of(ou);
  }

  trigger(ou: OuId, id: string): Trigger | undefined {
    return this.current.get(ou, id);
  }

  /** The sequences of an OU in the order of their creation. */
  list(ou: OuId): readonly Sequence[] {
    return this.current.of(ou).filter(isSequence);
  }

  get(ou: OuId, id: SequenceId): Sequence | undefined {
    return asSequence(this.current.get(ou, id));
  }

  async create(sequence: Sequence, wish?: BackfillWish): Promise<CatalogResult> {
    return withSequence(await this.createTrigger(sequence, wish));
  }

  /**
   * `change` returns the very object it is given when there is nothing to write but a backfill; what it throws
   * refuses the change.
   */
  async update(
    ou: OuId,
    id: SequenceId,
    change: (current: Sequence) => Sequence,
    wish?: BackfillWish,
  ): Promise<CatalogResult> {
    return withSequence(await this.updateTrigger(ou, () => this.get(ou, id), change, wish));
  }

  /** `check` throws when it is not to be removed as it is. */
  async remove(
    ou: OuId,
    id: SequenceId,
    check?: (current: Sequence) => void,
  ): Promise<{ readonly ok: true } | CatalogRefusal> {
    return this.removeTrigger(ou, () => this.get(ou, id), check);
  }

  /**
   * Has what a backfill read count from here on, as a change of its sequence: completing events of before do not
   * (R16). Resolves when on disk, with whether it could be made.
   */
  async bringIn(backfill: Backfill): Promise<boolean> {
    const { ou, sequenceId } = backfill;
    const before = this.get(ou, sequenceId);
    if (before === undefined || this.refusesChangesOf(ou) || !this.backfills.isCurrent(backfill)) {
      return false;
    }
    const position = this.currentPosition();
    const merge = { position, ...this.matcher.silenceOf(ou) };
    const merging = { ...backfill, state: 'merging' as const, merge };
    this.logger.info({ ou, sequenceId, effectivePosition: position }, 'a backfill takes effect');
    await this.record({ position, before, after: { ...before, effectiveFrom: position }, backfill: merging });
    return true;
  }

  private async createTrigger<T extends Trigger>(trigger: T, wish?: BackfillWish): Promise<Changed<T>> {
    if (this.backfills.isMerging(trigger.ou)) await this.backfills.settled(trigger.ou);
    if (this.refusesChangesOf(trigger.ou)) return { ok: false, reason: 'unavailable' };
    const kind = isMilestone(trigger) ? 'milestone' : 'sequence';
    if (this.current.count(trigger.ou, kind) >= this.sequencesPerOuMax) return { ok: false, reason: 'limit' };
    const after = { ...trigger, effectiveFrom: this.currentPosition() };
    await this.change(null, after, wish);
    return { ok: true, trigger: after };
  }

  private async updateTrigger<T extends Trigger>(
    ou: OuId,
    find: () => T | undefined,
    change: (current: T) => T,
    wish?: BackfillWish,
  ): Promise<Changed<T>> {
    if (this.backfills.isMerging(ou)) await this.backfills.settled(ou);
    if (this.refusesChangesOf(ou)) return { ok: false, reason: 'unavailable' };
    const before = find();
    if (before === undefined) return { ok: false, reason: 'not_found' };
    const changed = change(before);
    if (changed === before && wish === undefined) return { ok: true, trigger: before };
    const effectiveFrom = startsAnew(before, changed) ? this.currentPosition() : before.effectiveFrom;
    const after = { ...changed, effectiveFrom };
    await this.change(before, after, wish);
    return { ok: true, trigger: after };
  }

  private async removeTrigger<T extends Trigger>(
    ou: OuId,
    find: () => T | undefined,
    check?: (current: T) => void,
  ): Promise<{ readonly ok: true } | CatalogRefusal> {
    if (this.backfills.isMerging(ou)) await this.backfills.settled(ou);
    if (this.refusesChangesOf(ou)) return { ok: false, reason: 'unavailable' };
    const before = find();
    if (before === undefined) return { ok: false, reason: 'not_found' };
    check?.(before);
    await this.change(before, null);
    return { ok: true };
  }

  private refusesChangesOf(ou: OuId): boolean {
    return this.closed || this.isReplaying || this.store.trouble !== null || this.backfills.isMerging(ou);
  }

  private change(before: Trigger | null, after: Trigger | null, wish?: BackfillWish): Promise<void> {
    const backfill = after === null ? undefined : this.backfillAfter(before, after, wish);
    const change = { position: this.currentPosition(), before, after, ...(backfill && { backfill }) };
    this.audit(change);
    return this.record(change);
  }

  /** What a change says of the sequence's backfill; undefined: nothing. */
  private backfillAfter(
    before: Trigger | null,
    after: Trigger,
    wish: BackfillWish | undefined,
  ): Backfill | undefined {
    const current = this.backfills.of(after.ou, after.id);
    const isRead = current?.state === 'reading';
    const isSame = before !== null && !matchesOtherwise(before, after);
    // What is read goes as far back, and what came since was seen.
    if (isRead && isSame) return undefined;
    if (wish !== undefined) {
      return newBackfill(after, {
        // The number that the change will have among all.
        id: this.store.changeCount(),
        throughPosition: this.currentPosition(),
        streamCreated: this.currentMark()?.created ?? null,
        startedAtMs: wish.startedAtMs,
      });
    }
    if (!isRead) return undefined;
    const reason = 'the sequence was changed';
    return { ...current, state: 'stopped', finishedAtMs: after.updatedAtMs, reason };
  }

  /** In memory now, so that the next event sees it; durable when the promise resolves. */
  private record(change: TriggerChange): Promise<void> {
    const { before, after, backfill } = change;
    if (after !== null) {
      this.current.set(after);
    } else if (before !== null) {
      this.current.delete(before.ou, before.id);
      this.backfills.delete(before.ou, before.id);
    }
    this.enact(change);
    const recorded = this.store.recordChange(change, this.currentMark());
    if (backfill !== undefined) this.backfills.set(backfill);
    return recorded;
  }

  /**
   * One line per change that users ask for, before it is written: whether a crash came in between, a look at
   * the sequence tells. Changes that are made again in a replay are not new and have no line.
   */
  private audit({ position, before, after }: TriggerChange): void {
    const trigger = after ?? before;
    if (trigger === null) return;
    const kind = before === null ? 'created' : after === null ? 'deleted' : 'updated';
    const { ou, id, version } = trigger;
    const fields = { kind, version, effectivePosition: position };
    if (isMilestone(trigger)) this.logger.info({ ou, triggerId: id, ...fields }, 'a trigger is changed');
    else this.logger.info({ ou, sequenceId: id, ...fields }, 'a sequence is changed');
  }

  private enact({ before, after, backfill }: TriggerChange): void {
    if (after !== null) {
      this.effective.set(after);
      this.teach(after);
    } else if (before !== null) {
      this.effective.delete(before.ou, before.id);
      if (isMilestone(before)) this.matcher.removeMilestone(before.ou, before.id);
      else this.matcher.removeSequence(before.ou, before.id);
    }
    if (backfill?.state === 'merging') this.backfills.begin(backfill);
  }

  private teach(trigger: Trigger): void {
    if (isMilestone(trigger)) this.matcher.setMilestone(milestoneDefinitionOf(trigger));
    else this.matcher.setSequence(definitionOf(trigger));
  }
}

function asSequence(trigger: Trigger | undefined): Sequence | undefined {
  return trigger !== undefined && isSequence(trigger) ? trigger : undefined;
}

function asMilestone(trigger: Trigger | undefined): Milestone | undefined {
  return trigger !== undefined && isMilestone(trigger) ? trigger : undefined;
}

function withSequence(result: Changed<Sequence>): CatalogResult {
  return result.ok ? { ok: true, sequence: result.trigger } : result;
}

/** Whether completions and crossings count only from now on (R16, R17). */
function startsAnew(before: Trigger, after: Trigger): boolean {
  return (!before.active && after.active) || matchesOtherwise(before, after);
}

/** Whether a change lets other events complete it: another match, another threshold or event type. */
function matchesOtherwise(before: Trigger, after: Trigger): boolean {
  if (isMilestone(before) || isMilestone(after)) {
    if (!isMilestone(before) || !isMilestone(after)) return true;
    return before.scoreThreshold !== after.scoreThreshold || before.eventType !== after.eventType;
  }
  return (
    before.ordered !== after.ordered ||
    before.windowSeconds !== after.windowSeconds ||
    before.maxGapSeconds !== after.maxGapSeconds ||
    !isDeepStrictEqual(before.eventTypes, after.eventTypes) ||
    !isDeepStrictEqual(before.exclude, after.exclude)
  );
}
