import { isDeepStrictEqual } from 'node:util';
import type { Matcher } from '../matcher/matcher.ts';
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
import type { LoggerPort, StateStorePort } from './ports.ts';
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

  readonly milestones: MilestoneCatalog = {
    list: (ou) => this.current.of(ou).filter(isMilestone),
    get: (ou, id) => asMilestone(this.current.get(ou, id)),
    create: (milestone) => this.createTrigger(milestone),
    update: (ou, id, change) => this.updateTrigger(this.milestones.get(ou, id), change),
    remove: (ou, id, check) => this.removeTrigger(this.milestones.get(ou, id), check),
  };

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

  async create(sequence: Sequence): Promise<CatalogResult> {
    return withSequence(await this.createTrigger(sequence));
  }

  /** `change` returns the very object it is given when there is nothing to write; what it throws refuses the change. */
  async update(ou: OuId, id: SequenceId, change: (current: Sequence) => Sequence): Promise<CatalogResult> {
    return withSequence(await this.updateTrigger(this.get(ou, id), change));
  }

  /** `check` throws when it is not to be removed as it is. */
  async remove(
    ou: OuId,
    id: SequenceId,
    check?: (current: Sequence) => void,
  ): Promise<{ readonly ok: true } | CatalogRefusal> {
    return this.removeTrigger(this.get(ou, id), check);
  }

  private async createTrigger<T extends Trigger>(trigger: T): Promise<Changed<T>> {
    if (this.refusesChanges) return { ok: false, reason: 'unavailable' };
    const kind = isMilestone(trigger) ? 'milestone' : 'sequence';
    if (this.current.count(trigger.ou, kind) >= this.sequencesPerOuMax) return { ok: false, reason: 'limit' };
    const after = { ...trigger, effectiveFrom: this.currentPosition() };
    await this.change(null, after);
    return { ok: true, trigger: after };
  }

  private async updateTrigger<T extends Trigger>(
    before: T | undefined,
    change: (current: T) => T,
  ): Promise<Changed<T>> {
    if (this.refusesChanges) return { ok: false, reason: 'unavailable' };
    if (before === undefined) return { ok: false, reason: 'not_found' };
    const changed = change(before);
    if (changed === before) return { ok: true, trigger: before };
    const effectiveFrom = startsAnew(before, changed) ? this.currentPosition() : before.effectiveFrom;
    const after = { ...changed, effectiveFrom };
    await this.change(before, after);
    return { ok: true, trigger: after };
  }

  private async removeTrigger<T extends Trigger>(
    before: T | undefined,
    check?: (current: T) => void,
  ): Promise<{ readonly ok: true } | CatalogRefusal> {
    if (this.refusesChanges) return { ok: false, reason: 'unavailable' };
    if (before === undefined) return { ok: false, reason: 'not_found' };
    check?.(before);
    await this.change(before, null);
    return { ok: true };
  }

  private get refusesChanges(): boolean {
    return this.closed || this.isReplaying || this.store.trouble !== null;
  }

  /** In memory now, so that the next event sees it; durable when the promise resolves. */
  private change(before: Trigger | null, after: Trigger | null): Promise<void> {
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
  private audit({ position, before, after }: TriggerChange): void {
    const trigger = after ?? before;
    if (trigger === null) return;
    const kind = before === null ? 'created' : after === null ? 'deleted' : 'updated';
    const { ou, id, version } = trigger;
    const fields = { kind, version, effectivePosition: position };
    if (isMilestone(trigger)) this.logger.info({ ou, triggerId: id, ...fields }, 'a trigger is changed');
    else this.logger.info({ ou, sequenceId: id, ...fields }, 'a sequence is changed');
  }

  private enact({ before, after }: TriggerChange): void {
    if (after !== null) {
      this.effective.set(after);
      this.teach(after);
    } else if (before !== null) {
      this.effective.delete(before.ou, before.id);
      if (isMilestone(before)) this.matcher.removeMilestone(before.ou, before.id);
      else this.matcher.removeSequence(before.ou, before.id);
    }
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
