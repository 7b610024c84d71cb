import { Matcher } from '../matcher/matcher.ts';
import type { MatcherLimits } from '../matcher/settings.ts';
import type { Backfill } from '../model/backfill.ts';
import { definitionOf } from '../model/sequence.ts';
import type { Catalog } from './catalog.ts';
import type { BackfillSourcePort, BackfillStorePort, LoggerPort } from './ports.ts';
import { inWritingOrder } from './writingOrder.ts';

/** Each takes about a millisecond of the main thread. */
const LEADS_PER_TURN = 100;
const ROWS_REMOVED = 500;
/** Rests so many times as long as it worked, so that events that arrive meanwhile find the thread free. */
const REST_FACTOR = 3;
const REST_MS_MIN = 1;
/** How often it looks whether the stream is there. */
const POLL_MS = 100;
/** Of the whole, as `fraction` tells it; the rest is merging. */
const READING_SHARE = 0.9;

export interface BackfillerOptions {
  readonly matcher: Matcher;
  readonly limits: MatcherLimits;
  readonly catalog: Catalog;
  readonly engine: {
    readonly position: number;
    readonly streamCursor: number;
    /** Whether all lead states are in memory. */
    readonly isLoaded: boolean;
    checkpoint(): Promise<void>;
  };
  readonly store: BackfillStorePort;
  /** The stream, once its messages are consumed; null before. */
  readonly source: () => BackfillSourcePort | null;
  readonly logger: LoggerPort;
  /** Leads written down or merged before other work gets its turn. */
  readonly leadsPerTurn?: number;
  readonly clock: {
    /** Of a clock that only goes forward. */
    nowMs(): number;
    /** Of the wall clock. */
    dateMs(): number;
    pause(ms: number): Promise<void>;
  };
}

/**
 * Does the backfills, one after the other, beside the feed.
 *
 * Modes: idle ⇄ reading (the stream is read into a matcher of its own, which knows the one sequence only and so
 * ends with the leads as if that had been there all the time; nothing else sees it) → written down (its leads are
 * rows of the store; after a crash up to here it is read again) → merging (the change is logged; see Backfills)
 * → done, once a checkpoint that began behind the merge is on disk.
 */
export class Backfiller {
  private readonly options: BackfillerOptions;
  private readonly leadsPerTurn: number;
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private wake: () => void = () => {};

  constructor(options: BackfillerOptions) {
    this.options = options;
    this.leadsPerTurn = options.leadsPerTurn ?? LEADS_PER_TURN;
  }

  start(): void {
    this.options.catalog.backfills.onWork = () => this.wake();
    this.running = this.run();
  }

  /** Resolves when nothing is under way any more; what was is taken up by the next start. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.options.catalog.backfills.close();
    this.wake();
    await this.running;
  }

  private get isStopping(): boolean {
    return this.stopping.signal.aborted;
  }

  private async run(): Promise<void> {
    const { catalog, clock, engine, source, logger } = this.options;
    try {
      await this.removeRows(catalog.backfills.mergingId);
      while (!this.isStopping) {
        const backfill = catalog.backfills.next();
        const stream = source();
        if (backfill === null) await this.work();
        else if (stream === null || catalog.isReplaying || !engine.isLoaded) await clock.pause(POLL_MS);
        else if (backfill.state === 'merging') await this.merge(backfill);
        else await this.read(backfill, stream);
      }
    } catch (error) {
      if (this.isStopping) return;
      logger.error({ err: error }, 'backfills cannot go on; the program has to be started again');
    }
  }

  /** Resolves when there may be something to do. */
  private work(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }

  private async read(backfill: Backfill, stream: BackfillSourcePort): Promise<void> {
    const { catalog, logger } = this.options;
    const { ou, sequenceId } = backfill;
    logger.info({ ou, sequenceId, throughPosition: backfill.throughPosition }, 'a backfill begins to read');
    const leads = new Matcher(this.options.limits);
    try {
      await this.readInto(leads, backfill, stream);
    } catch (error) {
      if (this.isStopping || !catalog.backfills.isCurrent(backfill)) return;
      const reason = error instanceof Error ? error.message : String(error);
      logger.warn({ ou, sequenceId, reason }, 'a backfill failed');
      await this.finish(backfill, { state: 'failed', reason });
      return;
    }
    await this.writeDown(leads, backfill);
    for (;;) {
      const read = catalog.backfills.of(ou, sequenceId);
      if (this.isStopping || read === undefined || !catalog.backfills.isCurrent(backfill)) break;
      if (await catalog.bringIn(read)) return;
      // A store that cannot be written now may be later.
      await this.options.clock.pause(POLL_MS);
    }
    await this.removeRows(null);
  }

  /** Applies to a matcher that has only the sequence what the stream retains of its window. */
  private async readInto(leads: Matcher, backfill: Backfill, stream: BackfillSourcePort): Promise<void> {
    const { catalog, engine, limits, matcher } = this.options;
    const { ou, sequenceId } = backfill;
    const sequence = catalog.get(ou, sequenceId)!;
    const definition = definitionOf(sequence);
    leads.setSequence({ ...definition, active: false, effectiveFrom: 0 });
    const offset = engine.position - engine.streamCursor;
    const request = {
      ou,
      streamCreated: backfill.streamCreated,
      fromMicros: matcher.clockMicros - definition.windowMicros - limits.allowedLatenessMicros,
      throughSequence: backfill.throughPosition - offset,
      signal: this.stopping.signal,
    };
    let eventsRead = 0;
    for await (const { events, fraction } of stream.read(request)) {
      const startedMs = this.options.clock.nowMs();
      if (this.isStopping || !catalog.backfills.isCurrent(backfill)) return;
      for (const event of events) {
        leads.apply(offset === 0 ? event : { ...event, streamSequence: event.streamSequence + offset });
      }
      eventsRead += events.length;
      catalog.backfills.set({ ...backfill, eventsRead, fraction: fraction * READING_SHARE });
      await this.rest(startedMs);
    }
  }

  private async writeDown(leads: Matcher, backfill: Backfill): Promise<void> {
    // All leads of the OU have been heard of; few have what the sequence asks for.
    const holding = leads.takeDirty().filter((handle) => leads.holdsEvents(handle));
    for await (const handles of inWritingOrder(leads, holding, this.leadsPerTurn)) {
      const startedMs = this.options.clock.nowMs();
      if (this.isStopping || !this.options.catalog.backfills.isCurrent(backfill)) return;
      await this.options.store.putBackfillLeads(
        backfill.id,
        handles.map((handle) => leads.encodeDirty(handle)!),
      );
      await this.rest(startedMs);
    }
  }

  private async merge(backfill: Backfill): Promise<void> {
    const { catalog, clock, engine, logger } = this.options;
    const { backfills } = catalog;
    for (;;) {
      const startedMs = clock.nowMs();
      if (this.isStopping) return;
      if (backfills.mergeNext(this.leadsPerTurn) === 0) break;
      backfills.set({ ...backfill, eventsAdded: backfills.eventsAdded });
      await this.rest(startedMs);
    }
    // One that is under way may have begun before the last lead was merged.
    await engine.checkpoint();
    await engine.checkpoint();
    const { eventsAdded } = backfills;
    await this.finish(backfill, { state: 'done', fraction: 1, eventsAdded });
    backfills.end();
    const { ou, sequenceId, eventsRead } = backfill;
    logger.info({ ou, sequenceId, eventsRead, eventsAdded }, 'a backfill is done');
    await this.removeRows(null);
  }

  private async finish(backfill: Backfill, end: Partial<Backfill>): Promise<void> {
    const { catalog, clock, store } = this.options;
    const current = catalog.backfills.of(backfill.ou, backfill.sequenceId) ?? backfill;
    const finished = { ...current, ...end, finishedAtMs: clock.dateMs() };
    await store.putBackfill(finished);
    if (catalog.backfills.isCurrent(current)) catalog.backfills.set(finished);
  }

  private async removeRows(keptId: number | null): Promise<void> {
    const { clock, store } = this.options;
    for (;;) {
      const startedMs = clock.nowMs();
      if (this.isStopping || (await store.removeBackfillLeads(keptId, ROWS_REMOVED)) === 0) return;
      await this.rest(startedMs);
    }
  }

  /** Gives way to other work for a while, a short one where a change waits. */
  private rest(sinceMs: number): Promise<void> {
    const { catalog, clock } = this.options;
    const workedMs = clock.nowMs() - sinceMs;
    return clock.pause(catalog.backfills.isWaitedFor ? 0 : Math.max(REST_MS_MIN, workedMs * REST_FACTOR));
  }
}
