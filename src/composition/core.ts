import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/schema.ts';
import { Backfiller } from '../engine/backfiller.ts';
import { Catalog } from '../engine/catalog.ts';
import { Engine } from '../engine/engine.ts';
import { Matcher } from '../matcher/matcher.ts';
import type { MatcherLimits } from '../matcher/settings.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { HistoryKeeper } from '../outbox/historyKeeper.ts';
import { limitsFor, type OutboxOptions } from '../outbox/options.ts';
import { Outbox } from '../outbox/outbox.ts';
import { planDeliveries } from '../outbox/plan.ts';
import { type AnswerStore, openAnswerStore } from '../store/answers.ts';
import { BackfillStore } from '../store/backfills.ts';
import { DeliveryStore } from '../store/deliveries.ts';
import { DestinationStore } from '../store/destinations.ts';
import { checkEnvironment, type Environment, openEnvironment } from '../store/environment.ts';
import { FireStore } from '../store/fires.ts';
import { FreshFires } from '../store/freshFires.ts';
import { HistoryStore } from '../store/history.ts';
import { StateStore } from '../store/states.ts';
import { openTokenStore, type TokenStore } from '../store/tokens.ts';
import { digestOf, type MismatchPolicy, type Verdict } from '../stream/reconcile.ts';
import type { StreamRoom } from '../stream/room.ts';
import type { Logger } from '../telemetry/log.ts';
import { createMetrics, type Metrics } from '../telemetry/metrics.ts';
import type { Senders } from './senders.ts';

/** What the last comparison of the stream with the lead states found, and what came of it. */
export interface StreamPlace {
  readonly verdict: Verdict['outcome'];
  readonly policy: MismatchPolicy;
  /** Nothing is consumed, until a start with the policy `accept`. */
  readonly halted: boolean;
}

/** What stands before the stream does. */
export interface Core {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly environment: Environment;
  readonly tokens: TokenStore;
  readonly answers: AnswerStore;
  readonly fires: FireStore;
  readonly deliveries: DeliveryStore;
  readonly matcher: Matcher;
  readonly catalog: Catalog;
  readonly engine: Engine;
  readonly backfiller: Backfiller;
  readonly outbox: Outbox;
  readonly history: HistoryStore;
  readonly states: StateStore;
  /** null: the history is kept for good. */
  readonly historyKeeper: HistoryKeeper | null;
  readonly checkpoint: Checkpoint | null;
  readonly abort: AbortController;
  /** The stream, once it is connected. */
  room: StreamRoom | null;
  /** Null until the stream was looked at. */
  streamPlace: StreamPlace | null;
  /** Resolves when the lists of a store of before have their counts, or the program stops. */
  counting: Promise<void>;
  /** Resolves when the feed has ended for good. */
  consuming: Promise<void>;
  /** Why nothing is consumed; null once the feed runs. */
  obstacle: string | null;
  fail(error: unknown): void;
}

/**
 * Opens the store, loads the lead states and puts engine and outbox together; nothing runs yet.
 *
 * @throws Error in one line when the store is damaged or was written by a newer program
 */
export function loadCore(config: Config, log: Logger, senders: Senders): Core {
  const metrics = createMetrics();
  checkEnvironment(config.dataDir);
  const environment = openEnvironment(config.dataDir, (trouble) => {
    if (trouble === null) log.info('the store can be written again');
    else log.error({ trouble }, 'the store cannot be written; what is to be written waits');
  });
  const states = new StateStore(environment);
  const backfillStore = new BackfillStore(environment);
  const deliveries = new DeliveryStore(environment);
  const fires = new FireStore(environment, deliveries);
  const freshFires = new FreshFires(fires);
  const history = new HistoryStore(environment, { fires, deliveries, states });
  const matcher = new Matcher(matcherLimits(config), { hashSeed: randomInt(2 ** 32) });
  const catalog: Catalog = new Catalog({
    matcher,
    store: states,
    backfillStore,
    sequencesPerOuMax: config.sequencesMax,
    currentPosition: () => engine.position,
    currentMark: () => engine.mark(),
    logger: log,
  });
  const destinations = new DestinationStore(environment);
  const outbox = createOutbox(config, log, metrics, {
    ...senders,
    queue: deliveries,
    destinations,
    fires: freshFires,
    // Those in the catalog are in memory; the others have been deleted.
    sequenceOf: (ou, id) => catalog.trigger(ou, id) ?? states.triggerOf(ou, id),
  });
  const engine: Engine = new Engine({
    matcher,
    catalog,
    store: states,
    commitFires: (entries, reach) => freshFires.commitFires(entries, reach),
    storeRejected: async (message, rejection) => {
      if (core.room === null) throw new Error('the stream is not connected');
      await core.room.rejected.store(message, rejection);
    },
    planDeliveries: (fire, trigger) =>
      planDeliveries(fire, trigger, {
        emailConfigured: config.smtpUrl !== null,
        pauseReason: (destination) => outbox.heldReason(destination),
        nowMs: Date.now(),
        firstDelayMs: config.retryScheduleMs[0] ?? 0,
      }),
    digestOf,
    onDeliveriesDurable: (durable) => outbox.wake(durable),
    metrics,
    logger: log,
    checkpointIntervalMs: config.checkpointIntervalMs,
  });
  const startedMs = performance.now();
  const checkpoint = engine.load();
  log.info(
    {
      position: engine.position,
      leads: matcher.leadCount,
      heldEvents: matcher.heldEventCount,
      milliseconds: Math.round(performance.now() - startedMs),
      isComplete: engine.isLoaded,
    },
    'loaded the lead states',
  );
  const backfiller = new Backfiller({
    matcher,
    limits: matcherLimits(config),
    catalog,
    engine,
    store: backfillStore,
    source: () => (core.obstacle === null && core.room?.state.ready ? core.room.backfill : null),
    logger: log,
    clock: { nowMs: () => performance.now(), dateMs: Date.now, pause: sleep },
  });
  let lastFailure: string | null = null;
  const core: Core = {
    log,
    metrics,
    environment,
    tokens: openTokenStore(environment, config.apiTokens),
    answers: openAnswerStore(environment),
    fires,
    deliveries,
    matcher,
    catalog,
    engine,
    backfiller,
    outbox,
    history,
    states,
    historyKeeper:
      config.historyMaxAgeMs === 0
        ? null
        : new HistoryKeeper({ history, maxAgeMs: config.historyMaxAgeMs, log, metrics }),
    checkpoint,
    abort: new AbortController(),
    room: null,
    streamPlace: null,
    counting: Promise.resolve(),
    consuming: Promise.resolve(),
    obstacle: 'connecting to NATS',
    fail(error) {
      const message = error instanceof Error ? error.message : String(error);
      core.obstacle = message;
      // It is tried every second, so that once is enough for each obstacle.
      if (message === lastFailure || core.abort.signal.aborted) return;
      lastFailure = message;
      log.error({ err: error }, 'the events stream cannot be opened');
    },
  };
  observe(core);
  return core;
}

export function matcherLimits(config: Config): MatcherLimits {
  return {
    allowedLatenessMicros: config.allowedLatenessSeconds * 1e6,
    futureSkewMicros: config.futureSkewSeconds * 1e6,
    heldEventsMax: config.heldEventsMax,
  };
}

function createOutbox(
  config: Config,
  log: Logger,
  metrics: Metrics,
  parts: Pick<OutboxOptions, 'queue' | 'destinations' | 'fires' | 'sequenceOf'> & Senders,
): Outbox {
  return new Outbox({
    ...parts,
    retryDelaysMs: config.retryScheduleMs,
    // Looking for secrets costs as much as storing an attempt, and none of the fields of these lines is one.
    log: log.child({}, { redact: [] }),
    metrics: {
      onAttempt: ({ channel, outcome, durationMs, host }) =>
        metrics.onAttempt(channel, outcome, host, durationMs / 1000),
    },
    limits: limitsFor(config.webhookConcurrency, config.destinationConcurrency),
    ratePerSecond: config.destinationRateMax,
  });
}

function observe(core: Core): void {
  const { metrics, engine, matcher, catalog, deliveries, history } = core;
  metrics.observe({
    storeWaits: () => (core.environment.trouble() === null ? 0 : 1),
    position: () => engine.committedPosition,
    lagMessages: () => core.room?.feed.lag,
    streamPlace: () => core.streamPlace ?? undefined,
    leads: () => matcher.leadCount,
    heldEvents: () => matcher.heldEventCount,
    sequences: () => catalog.count,
    deliveriesByState: () => deliveries.countByState(),
    oldestFireSeconds: () => {
      const oldestMs = history.oldestFireMs();
      return oldestMs === null ? undefined : (Date.now() - oldestMs) / 1000;
    },
  });
}
