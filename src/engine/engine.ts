import { PREFETCHED_MAX } from '../matcher/leadTable.ts';
import type { EncodedLead, Matcher } from '../matcher/matcher.ts';
import type { Completion, Crossing, Outcome } from '../matcher/outcome.ts';
import type { Checkpoint, Reach, StreamMark } from '../model/checkpoint.ts';
import type { Delivery } from '../model/delivery.ts';
import type { FeedMessage, LeadEvent, Rejection } from '../model/event.ts';
import type { Fire } from '../model/fire.ts';
import type { Trigger } from '../model/trigger.ts';
import type { Catalog } from './catalog.ts';
import { Checkpointer, LEADS_PER_TURN } from './checkpointer.ts';
import { type Clock, systemClock } from './clock.ts';
import { fireOf, milestoneFireOf } from './fires.ts';
import type {
  CommitFires,
  EngineMetrics,
  FireEntry,
  GroupCounts,
  LoggerPort,
  PlanDeliveries,
  StateStorePort,
  StoreRejected,
} from './ports.ts';
import { Turnstile } from './turnstile.ts';

/** A group that takes longer to commit is worth a word on /readyz. */
const GROUP_SECONDS_MAX = 5;
/** A fire with its delivery and their index entries takes some 50 µs of the main thread. */
const FIRES_PER_COMMIT = 250;

export interface EngineOptions {
  readonly matcher: Matcher;
  readonly catalog: Catalog;
  readonly store: StateStorePort;
  readonly commitFires: CommitFires;
  readonly storeRejected: StoreRejected;
  readonly planDeliveries: PlanDeliveries;
  /** How a checkpoint recognizes a message by its bytes; start-up compares by the same. */
  readonly digestOf: (data: Uint8Array) => string;
  /** Called with deliveries that are on disk now. */
  readonly onDeliveriesDurable: (deliveries: readonly Delivery[]) => void;
  readonly metrics: EngineMetrics;
  readonly logger: LoggerPort;
  readonly checkpointIntervalMs: number;
  /** Leads written between two groups while a checkpoint is under way. */
  readonly leadsPerTurn?: number;
  readonly clock?: Clock;
}

/** Where in which stream the engine goes on. */
export interface ResumePoint {
  readonly streamName: string;
  readonly streamCreated: string;
  /** The first stream sequence that will arrive, at the lowest. */
  readonly startSequence: number;
  /** The stream's numbering is not the one the checkpoint speaks of: positions are to go on above it. */
  readonly renumbered: boolean;
}

/**
 * The loop in the middle: a group of messages → matcher → one commit → the outbox is woken.
 *
 * Its duties, in this order, for each group:
 *  1. Apply every message at its position, replayed changes of sequences BEFORE the message after them.
 *  2. Commit the fires with their deliveries, and store what was rejected, BEFORE the next group or the next
 *     turn of a checkpoint. A write that cannot be made is made later: the feed waits.
 *  3. Wake the outbox AFTER the rows are on disk, never before.
 */
export class Engine {
  private readonly options: EngineOptions;
  private readonly turnstile = new Turnstile();
  private readonly checkpointer: Checkpointer;
  private readonly clock: Clock;
  private stopTimer: () => void = () => {};
  private stream: { readonly name: string; readonly created: string } | null = null;
  private offset = 0;
  private positionValue = 0;
  private committedPositionValue = 0;
  /** When the group in hand was begun; null between groups. */
  private groupSinceMs: number | null = null;
  private checkpointed = -1;
  private lastMessage: { readonly arrivalMicros: number; readonly data: Uint8Array } | null = null;
  /** The mark of the loaded checkpoint, valid until the first message. */
  private loadedMark: StreamMark | null = null;

  constructor(options: EngineOptions) {
    this.options = options;
    this.clock = options.clock ?? systemClock;
    this.checkpointer = new Checkpointer({
      ...options,
      turnstile: this.turnstile,
      clock: this.clock,
      leadsPerTurn: options.leadsPerTurn ?? LEADS_PER_TURN,
    });
  }

  /** Position of the last applied message: its stream sequence plus an offset (see Checkpoint). */
  get position(): number {
    return this.positionValue;
  }

  /** Position up to which all effects are committed; what the outside is told. */
  get committedPosition(): number {
    return this.committedPositionValue;
  }

  /** Stream sequence of the last applied message, the authority on where the feed goes on. */
  get streamCursor(): number {
    return this.positionValue - this.offset;
  }

  /** What the engine cannot write now, a sentence each, for the readiness answer. */
  get trouble(): readonly string[] {
    const { failure } = this.turnstile;
    if (failure !== null) return [`the engine failed: ${failure.message}`];
    const seconds = this.groupSinceMs === null ? 0 : (this.clock.nowMs() - this.groupSinceMs) / 1000;
    if (seconds < GROUP_SECONDS_MAX) return [];
    return [`a group of messages has waited ${Math.round(seconds)} s for its writes`];
  }

  /** Resolves when no group is processed any more, with the reason; only a restart helps then. */
  get failed(): Promise<Error> {
    return this.turnstile.failed;
  }

  /** Loads triggers and lead states from the store. Returns the checkpoint that they stand at, if any. */
  load(): Checkpoint | null {
    const { matcher, catalog, store } = this.options;
    const checkpoint = store.checkpoint();
    if (checkpoint !== null) {
      this.positionValue = checkpoint.position;
      this.committedPositionValue = checkpoint.position;
      this.offset = checkpoint.position - checkpoint.stream.sequence;
      this.loadedMark = checkpoint.stream;
    }
    catalog.load(store.highWater()?.position ?? 0);
    if (checkpoint !== null) {
      matcher.restoreClock(checkpoint.clockMicros, checkpoint.silentBefore);
    }
    for (const lead of store.allLeads()) loadLead(matcher, lead);
    catalog.replayThrough(this.positionValue);
    return checkpoint;
  }

  /**
   * How far what is on disk reaches into the stream, which may be further than the checkpoint: a stream
   * that does not hold that message any more has lost its end.
   */
  highWater(): StreamMark | null {
    return this.options.store.highWater()?.stream ?? null;
  }

  /**
   * Takes its place in the stream that was found, and starts to write checkpoints. To be called after `load`,
   * and again, between two runs of the feed, when the stream turns out to be another one. Rejects after a failure.
   */
  async start(resume: ResumePoint): Promise<void> {
    this.stopTimer();
    // One that is under way speaks of the place before, and must not be the last word.
    await this.checkpointer.idle();
    const isElsewhere = await this.turnstile.run(async () => this.takePlace(resume));
    // What was accepted once need not be accepted again after a crash.
    if (isElsewhere) await this.checkpoint();
    const { checkpointIntervalMs } = this.options;
    this.stopTimer = this.clock.every(checkpointIntervalMs, () => this.checkpointInBackground());
  }

  /** Gives whether the place is another one than that behind the last message. */
  private takePlace(resume: ResumePoint): boolean {
    const isBehindGap = !resume.renumbered && resume.startSequence > this.streamCursor + 1;
    this.stream = { name: resume.streamName, created: resume.streamCreated };
    if (resume.renumbered) {
      // Lead states and fires may be ahead of the checkpoint; new positions must lie above all of them.
      const { catalog } = this.options;
      this.positionValue = Math.max(this.positionValue, catalog.replayEnd);
      this.offset = this.positionValue - (resume.startSequence - 1);
    } else if (isBehindGap) {
      this.positionValue = resume.startSequence - 1 + this.offset;
    }
    if (resume.renumbered || isBehindGap) {
      // The message before that place was never read.
      this.loadedMark = null;
      this.lastMessage = null;
    }
    this.options.catalog.replayThrough(this.positionValue);
    this.committedPositionValue = this.positionValue;
    return resume.renumbered || isBehindGap;
  }

  /**
   * Applies a group of messages in stream order and resolves when its effects are committed. Messages at or
   * below the cursor are passed over.
   */
  process(messages: readonly FeedMessage[]): Promise<void> {
    return this.turnstile.run(() => this.processInTurn(messages));
  }

  private async processInTurn(messages: readonly FeedMessage[]): Promise<void> {
    const startedMs = this.clock.nowMs();
    this.groupSinceMs = startedMs;
    const counts = emptyCounts();
    const fires: FireEntry[] = [];
    const rejections: [FeedMessage, Rejection][] = [];
    const events = messages.map(({ decoded }) => ('event' in decoded ? decoded.event : null));
    for (let index = 0; index < messages.length; index++) {
      if (index % PREFETCHED_MAX === 0) this.options.matcher.prefetch(events, index);
      const message = messages[index]!;
      const position = message.streamSequence + this.offset;
      if (position <= this.positionValue) continue;
      this.options.catalog.replayThrough(position - 1);
      const event = events[index]!;
      if (event !== null) this.options.catalog.backfills.catchUp(event.ou, event.leadId);
      this.apply(message, position, counts, fires, rejections);
      this.positionValue = position;
      this.lastMessage = message;
    }
    this.options.catalog.replayThrough(this.positionValue);
    await Promise.all([
      this.commit(fires),
      ...rejections.map(([message, rejection]) => this.options.storeRejected(message, rejection)),
    ]);
    this.committedPositionValue = this.positionValue;
    this.groupSinceMs = null;
    this.options.metrics.onGroup(counts, messages.length, (this.clock.nowMs() - startedMs) / 1000);
  }

  /**
   * Writes a checkpoint of the present position; resolves when it is on disk. Rejects after a failure: what
   * is in memory is then ahead of what was committed, and only a restart from the last checkpoint is right.
   */
  async checkpoint(): Promise<void> {
    const { position } = await this.checkpointer.run(() => this.readCheckpoint());
    this.checkpointed = position;
  }

  /** Stops the timer and writes a last checkpoint. The feed must have ended before. */
  async drain(): Promise<void> {
    this.stopTimer();
    this.options.catalog.close();
    if (this.stream === null || this.turnstile.failure !== null) return;
    await this.checkpoint();
    // One that was under way may have begun before the last group.
    if (this.checkpointed !== this.positionValue) await this.checkpoint();
  }

  private apply(
    message: FeedMessage,
    position: number,
    counts: GroupCounts,
    fires: FireEntry[],
    rejections: [FeedMessage, Rejection][],
  ): void {
    const { decoded } = message;
    const outcome =
      'event' in decoded
        ? this.options.matcher.apply(atPosition(decoded.event, position))
        : ({ kind: 'rejected', rejection: decoded.rejection } as const);
    switch (outcome.kind) {
      case 'rejected':
        counts.rejected[outcome.rejection.reason] = (counts.rejected[outcome.rejection.reason] ?? 0) + 1;
        rejections.push([message, outcome.rejection]);
        return;
      case 'held':
        counts.held++;
        if ('event' in decoded) this.collectFires(outcome, decoded.event, position, counts, fires);
        return;
      default:
        counts[outcome.kind]++;
    }
  }

  private collectFires(
    { completions, crossings }: Extract<Outcome, { kind: 'held' }>,
    decoded: LeadEvent,
    position: number,
    counts: GroupCounts,
    fires: FireEntry[],
  ): void {
    if (completions.length === 0 && crossings === undefined) return;
    const event = atPosition(decoded, position);
    for (const completion of completions) {
      if (isSuppressed(completion, counts)) continue;
      const sequence = this.options.catalog.effectiveSequence(event.ou, completion.sequenceId);
      if (sequence === undefined)
        throw new Error(`the matcher fired ${completion.sequenceId}, which is not in the catalog`);
      this.collect(fireOf(completion, event, sequence), sequence, counts, fires);
    }
    for (const crossing of crossings ?? []) {
      if (isSuppressed(crossing, counts)) continue;
      const milestone = this.options.catalog.effectiveMilestone(event.ou, crossing.milestoneId);
      if (milestone === undefined)
        throw new Error(`the matcher fired ${crossing.milestoneId}, which is not in the catalog`);
      counts.milestoneFires++;
      this.collect(milestoneFireOf(crossing, event, milestone), milestone, counts, fires);
    }
  }

  private collect(fire: Fire, trigger: Trigger, counts: GroupCounts, fires: FireEntry[]): void {
    counts.fires++;
    if (fire.stale) counts.staleFires++;
    fires.push({ fire, deliveries: this.options.planDeliveries(fire, trigger) });
  }

  /** Some at a time, so that a group in which every message fires does not hold up everything else meanwhile. */
  private async commit(fires: readonly FireEntry[]): Promise<void> {
    for (let from = 0; from < fires.length; from += FIRES_PER_COMMIT) {
      await this.commitSome(fires.slice(from, from + FIRES_PER_COMMIT));
    }
  }

  private async commitSome(fires: readonly FireEntry[]): Promise<void> {
    const { committed, flushed } = this.options.commitFires(fires, this.reach());
    flushed.then(this.options.onDeliveriesDurable, (error: unknown) => {
      this.options.logger.error(
        { err: error },
        'fires could not be brought to disk; they go out after a restart',
      );
    });
    await committed;
  }

  private checkpointInBackground(): void {
    if (this.checkpointed === this.positionValue || this.turnstile.failure !== null) return;
    this.checkpoint().catch((error: unknown) => {
      this.options.logger.error({ err: error }, 'a checkpoint failed; the program has to be started again');
    });
  }

  private readCheckpoint(): Checkpoint {
    const position = this.positionValue;
    return {
      position,
      clockMicros: this.options.matcher.clockMicros,
      silentBefore: this.options.matcher.silentBefore(),
      changes: this.options.catalog.changesMade,
      stream: this.mark()!,
    };
  }

  private reach(): Reach | null {
    const stream = this.mark();
    return stream === null ? null : { position: this.positionValue, stream };
  }

  /** The message at the position, for recognizing it again; null before the stream was found. */
  mark(): StreamMark | null {
    if (this.stream === null) return null;
    return { ...this.stream, sequence: this.streamCursor, ...this.messageMark() };
  }

  private messageMark(): Pick<StreamMark, 'messageArrivalMicros' | 'messageDigest'> {
    if (this.lastMessage === null) {
      return {
        messageArrivalMicros: this.loadedMark?.messageArrivalMicros ?? null,
        messageDigest: this.loadedMark?.messageDigest ?? null,
      };
    }
    const { arrivalMicros, data } = this.lastMessage;
    return { messageArrivalMicros: arrivalMicros, messageDigest: this.options.digestOf(data) };
  }
}

function loadLead(matcher: Matcher, { ou, leadId, state }: EncodedLead): void {
  try {
    matcher.loadLead(ou, leadId, state);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new Error(`the state of lead ${JSON.stringify(leadId)} of OU ${ou} cannot be read: ${problem}`);
  }
}

function isSuppressed({ suppressed }: Completion | Crossing, counts: GroupCounts): boolean {
  if (suppressed === null) return false;
  counts.suppressed[suppressed]++;
  return true;
}

function atPosition(event: LeadEvent, position: number): LeadEvent {
  return event.streamSequence === position ? event : { ...event, streamSequence: position };
}

function emptyCounts(): GroupCounts {
  return {
    held: 0,
    unlisted: 0,
    duplicate: 0,
    replayed: 0,
    fires: 0,
    staleFires: 0,
    milestoneFires: 0,
    suppressed: { once_per_lead: 0, cooldown: 0 },
    rejected: {},
  };
}
