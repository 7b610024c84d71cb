import { PREFETCHED_MAX } from '../matcher/leadTable.ts';
import type { Matcher } from '../matcher/matcher.ts';
import type { Checkpoint, Reach, StreamMark } from '../model/checkpoint.ts';
import type { Delivery } from '../model/delivery.ts';
import type { FeedMessage, LeadEvent, LeadId, OuId } from '../model/event.ts';
import type { Catalog } from './catalog.ts';
import { Checkpointer, LEADS_PER_TURN } from './checkpointer.ts';
import { type Clock, systemClock } from './clock.ts';
import { GroupEffects } from './groupEffects.ts';
import { LeadLoader, LOADING, type Loading } from './leadLoader.ts';
import type {
  CommitFires,
  EngineMetrics,
  FireEntry,
  LoggerPort,
  PlanDeliveries,
  StateStorePort,
  StoreRejected,
} from './ports.ts';
import { Turnstile } from './turnstile.ts';
import { Uncommitted } from './uncommitted.ts';

/** A group that takes longer to commit is worth a word on /readyz. */
const GROUP_SECONDS_MAX = 5;
/** A fire with its delivery and their index entries takes some 50 µs of the main thread; others write in between. */
const FIRES_PER_WRITE = 250;

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
  readonly loading?: Loading;
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
 * The loop in the middle: a group of messages → matcher → writes → the outbox is woken.
 *
 * Its duties, in this order, for each group:
 *  1. Apply every message at its position, replayed changes of sequences BEFORE the message after them.
 *  2. Ask the store for the fires with their deliveries BEFORE any state of a lead that the group changed, so that
 *     they are on disk before it; and have what was rejected stored BEFORE such a state is asked for. Groups go on
 *     meanwhile, up to a limit: a write that cannot be made is made later, and the feed waits.
 *  3. Wake the outbox AFTER the rows are on disk, never before.
 */
export class Engine {
  private readonly options: EngineOptions;
  private readonly turnstile = new Turnstile();
  private readonly uncommitted = new Uncommitted((error) => this.turnstile.fail(error));
  private readonly checkpointer: Checkpointer;
  private readonly leadLoader: LeadLoader;
  private readonly clock: Clock;
  private stopTimer: () => void = () => {};
  private stopLoader: () => void = () => {};
  private stream: { readonly name: string; readonly created: string } | null = null;
  private offset = 0;
  private positionValue = 0;
  private committedPositionValue = 0;
  private checkpointed = -1;
  private lastMessage: { readonly arrivalMicros: number; readonly data: Uint8Array } | null = null;
  /** The mark of the loaded checkpoint, valid until the first message. */
  private loadedMark: StreamMark | null = null;

  constructor(options: EngineOptions) {
    this.options = options;
    this.clock = options.clock ?? systemClock;
    this.leadLoader = new LeadLoader(options.matcher, options.store, options.loading ?? LOADING);
    this.checkpointer = new Checkpointer({
      ...options,
      turn: (step) =>
        this.turnstile.run(async () => {
          await this.uncommitted.rejectionsStored();
          return step();
        }),
      // What was removed could be loaded again by a portion behind it.
      maySweep: () => this.leadLoader.isComplete,
      fail: (error) => this.turnstile.fail(error),
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
    const { sinceMs } = this.uncommitted;
    const seconds = sinceMs === null ? 0 : (this.clock.nowMs() - sinceMs) / 1000;
    if (seconds < GROUP_SECONDS_MAX) return [];
    return [`a group of messages has waited ${Math.round(seconds)} s for its writes`];
  }

  /** Resolves when no group is processed any more, with the reason; only a restart helps then. */
  get failed(): Promise<Error> {
    return this.turnstile.failed;
  }

  /**
   * Loads the triggers and the first lead states from the store; `loadOthers` is to follow. Returns the checkpoint
   * that they stand at, if any.
   */
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
    this.leadLoader.loadFirst();
    catalog.replayThrough(this.positionValue);
    return checkpoint;
  }

  /** Loads the other lead states in the background, which `stopLoading` ends early. `onLoaded` is told of the end. */
  loadOthers(onLoaded: () => void = () => {}): void {
    const { matcher, catalog } = this.options;
    const loadSome = (): void => {
      try {
        this.leadLoader.loadNext();
      } catch (error) {
        this.turnstile.fail(error);
        this.stopLoading();
      }
      if (!this.leadLoader.isComplete) return;
      this.stopLoading();
      // What leads remember of triggers that were removed: a replay that is not over will do the same.
      if (!catalog.isReplaying) matcher.forgetUnknownTriggers();
      onLoaded();
    };
    this.stopLoader = this.clock.every(this.leadLoader.intervalMs, loadSome);
  }

  /** The lead states that are not loaded yet stay on disk. Nothing of them may be asked any more. */
  stopLoading(): void {
    this.stopLoader();
  }

  /** Whether all lead states are loaded; single ones can be asked for before. */
  get isLoaded(): boolean {
    return this.leadLoader.isComplete;
  }

  /** To be called before a lead is read or changed: brings what the disk has of it into memory. */
  bring(ou: OuId, leadId: LeadId): void {
    try {
      this.leadLoader.bring(ou, leadId);
    } catch (error) {
      throw this.turnstile.fail(error);
    }
    this.options.catalog.backfills.catchUp(ou, leadId);
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
    const isElsewhere = await this.turnstile.run(async () => {
      await this.uncommitted.written();
      return this.takePlace(resume);
    });
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
   * Applies a group of messages in stream order and resolves when the next may follow; `committedPosition` tells
   * when its effects are written. Messages at or below the cursor are passed over. Rejects after a failure.
   */
  async process(messages: readonly FeedMessage[]): Promise<void> {
    await this.turnstile.run(async () => this.applyGroup(messages));
    await this.uncommitted.room();
  }

  /** Resolves when the effects of all groups so far are committed. Rejects after a failure. */
  async committed(): Promise<void> {
    await this.turnstile.run(() => this.uncommitted.written());
  }

  private applyGroup(messages: readonly FeedMessage[]): void {
    const { matcher, catalog, metrics, storeRejected } = this.options;
    const sinceMs = this.clock.nowMs();
    const effects = new GroupEffects(this.options);
    const events = messages.map(({ decoded }) => ('event' in decoded ? decoded.event : null));
    for (let index = 0; index < messages.length; index++) {
      if (index % PREFETCHED_MAX === 0) matcher.prefetch(events, index);
      const message = messages[index]!;
      const position = message.streamSequence + this.offset;
      if (position <= this.positionValue) continue;
      catalog.replayThrough(position - 1);
      this.apply(message, position, effects);
      this.positionValue = position;
      this.lastMessage = message;
    }
    catalog.replayThrough(this.positionValue);
    // The group itself is not kept until it is written: it may be large.
    const position = this.positionValue;
    const count = messages.length;
    this.uncommitted.add({
      messages: count,
      sinceMs,
      rejectedBytes: effects.rejectedBytes,
      fires: this.commit(effects.fires),
      rejections: Promise.all(
        effects.rejections.map(([message, rejection]) => storeRejected(message, rejection)),
      ),
      onWritten: () => {
        this.committedPositionValue = position;
        metrics.onGroup(effects.counts, count, (this.clock.nowMs() - sinceMs) / 1000);
      },
    });
  }

  private apply(message: FeedMessage, position: number, effects: GroupEffects): void {
    const { decoded } = message;
    if ('rejection' in decoded) {
      effects.addRejection(message, decoded.rejection);
      return;
    }
    const event = atPosition(decoded.event, position);
    this.bring(event.ou, event.leadId);
    effects.addOutcome(message, event, this.options.matcher.apply(event));
  }

  /**
   * Writes a checkpoint of the present position; resolves when it is on disk. Rejects after a failure: what
   * is in memory is then ahead of what was committed, and only a restart from the last checkpoint is right.
   */
  async checkpoint(): Promise<void> {
    const { position } = await this.checkpointer.run(() => this.readCheckpoint());
    this.checkpointed = position;
  }

  /** Stops the timer and writes a last checkpoint. The feed must have ended before. Rejects after a failure. */
  async drain(): Promise<void> {
    this.stopTimer();
    this.stopLoading();
    this.options.catalog.close();
    await this.committed();
    if (this.stream === null) return;
    await this.checkpoint();
    // One that was under way may have begun before the last group.
    if (this.checkpointed !== this.positionValue) await this.checkpoint();
  }

  /** Asks for all of them at once, and so before whatever is asked for later. */
  private async commit(fires: readonly FireEntry[]): Promise<void> {
    const reach = fires.length === 0 ? null : this.reach();
    const commits: Promise<void>[] = [];
    for (let from = 0; from < fires.length; from += FIRES_PER_WRITE) {
      commits.push(this.commitSome(fires.slice(from, from + FIRES_PER_WRITE), reach));
    }
    await Promise.all(commits);
  }

  private async commitSome(fires: readonly FireEntry[], reach: Reach | null): Promise<void> {
    const { committed, flushed } = this.options.commitFires(fires, reach);
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

function atPosition(event: LeadEvent, position: number): LeadEvent {
  return event.streamSequence === position ? event : { ...event, streamSequence: position };
}
