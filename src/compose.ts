import { setTimeout as sleep } from 'node:timers/promises';
import { createApp } from './api/app.ts';
import type { ApiPorts, Readiness } from './api/ports.ts';
import { type HttpServer, serveHttp } from './api/server.ts';
import { executablePath } from './config/load.ts';
import type { Config } from './config/schema.ts';
import { programVersion } from './config/version.ts';
import { Catalog } from './engine/catalog.ts';
import { Engine } from './engine/engine.ts';
import { Matcher } from './matcher/matcher.ts';
import type { Checkpoint } from './model/checkpoint.ts';
import { checkWebhookUrl, parseCidrs } from './outbox/addressGuard.ts';
import { EmailSender } from './outbox/emailSender.ts';
import { Outbox } from './outbox/outbox.ts';
import { planDeliveries } from './outbox/plan.ts';
import { WebhookSender } from './outbox/webhookSender.ts';
import { lockDataDirectory } from './store/dataDirectory.ts';
import { DeliveryStore } from './store/deliveries.ts';
import { type Environment, openEnvironment } from './store/environment.ts';
import { FireStore } from './store/fires.ts';
import { StateStore } from './store/states.ts';
import { openTokenStore, type TokenStore } from './store/tokens.ts';
import { digestOf } from './stream/reconcile.ts';
import { openStreamRoom, type StreamRoom } from './stream/room.ts';
import type { Logger } from './telemetry/log.ts';
import { createMetrics, type Metrics } from './telemetry/metrics.ts';

const DEFAULT_OU = 'default';
/** Time for the attempts under way to end when the program stops; what is cut off is sent after the restart. */
const OUTBOX_DRAIN_MS = 10_000;
const STREAM_RETRY_MS = 1_000;
const REPLAY_POLL_MS = 20;
/** Mail servers that scan contents take minutes to answer; giving up on them earlier sends copies. */
const EMAIL_TIMEOUT_MS = 5 * 60_000;
/** Time for the group in hand to be committed when the program stops. */
const FEED_STOP_MS = 5_000;

/** A running program. */
export interface Program {
  readonly httpPort: number;
  /** Where the events stream is served, with the embedded server or not. */
  readonly natsUrl: string;
  /** The token made for OU `default` on the very first start; null on every other. */
  readonly firstToken: string | null;
  readonly log: Logger;
  /** Ends consuming, writes a checkpoint, finishes deliveries under way. May be called once. */
  stop(): Promise<void>;
}

/**
 * Starts everything, in the order in which one thing needs the other: store → lead states → HTTP → outbox →
 * stream → feed. The HTTP API answers from the third step on, and `/readyz` says what is still missing. An
 * external server that is not there is waited for in the background; without the embedded one the start fails.
 *
 * @throws Error in plain words when the store, the port or the embedded server cannot be had.
 */
export async function startProgram(config: Config, log: Logger): Promise<Program> {
  const unlock = lockDataDirectory(config.dataDir);
  const core = loadCore(config, log);
  let http: HttpServer | undefined;
  try {
    http = await serveHttp(createApp(apiPorts(config, core)), config.httpHost, config.httpPort);
    log.info({ host: config.httpHost, port: http.port }, 'serving HTTP');
    await core.outbox.start();
    const opening = openStream(config, core);
    if (config.natsUrl === null) await opening;
    else opening.catch((error: unknown) => core.fail(error));
    // Last, so that a start which fails does not use up the only time that the token is shown.
    const firstToken = await createFirstToken(config, core.tokens);
    return program(config, core, http, opening, firstToken, unlock);
  } catch (error) {
    core.abort.abort();
    await http?.close();
    await core.room?.close();
    await core.outbox.drain(0);
    await core.environment.close();
    unlock();
    throw error;
  }
}

function program(
  config: Config,
  core: Core,
  http: HttpServer,
  opening: Promise<void>,
  firstToken: string | null,
  unlock: () => void,
): Program {
  return {
    httpPort: http.port,
    natsUrl: core.room?.url ?? config.natsUrl ?? '',
    firstToken,
    log: core.log,
    stop: async () => {
      core.abort.abort();
      await opening.catch(() => undefined);
      await http.close();
      await stopFeed(core);
      await core.engine.drain();
      const { unfinished } = await core.outbox.drain(OUTBOX_DRAIN_MS);
      await core.room?.close();
      await core.environment.flushed();
      await core.environment.close();
      unlock();
      core.log.info({ position: core.engine.position, unfinished }, 'stopped');
    },
  };
}

/** Waits for the group in hand, unless what it writes cannot be written: then a replay does it again. */
async function stopFeed({ room, engine }: Core): Promise<void> {
  const late = setTimeout(() => {
    room?.rejected.close();
    engine.abandonWrites();
  }, FEED_STOP_MS);
  await room?.feed.stop();
  clearTimeout(late);
}

/** What stands before the stream does. */
interface Core {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly environment: Environment;
  readonly tokens: TokenStore;
  readonly fires: FireStore;
  readonly deliveries: DeliveryStore;
  readonly matcher: Matcher;
  readonly catalog: Catalog;
  readonly engine: Engine;
  readonly outbox: Outbox;
  readonly checkpoint: Checkpoint | null;
  readonly abort: AbortController;
  /** The stream, once it is connected. */
  room: StreamRoom | null;
  /** Why nothing is consumed; null once the feed runs. */
  obstacle: string | null;
  fail(error: unknown): void;
}

function loadCore(config: Config, log: Logger): Core {
  const metrics = createMetrics();
  const environment = openEnvironment(config.dataDir);
  const states = new StateStore(environment);
  const deliveries = new DeliveryStore(environment);
  const fires = new FireStore(environment, deliveries);
  const matcher = new Matcher({
    allowedLatenessMicros: config.allowedLatenessSeconds * 1e6,
    futureSkewMicros: config.futureSkewSeconds * 1e6,
    heldEventsMax: config.heldEventsMax,
  });
  const catalog: Catalog = new Catalog({
    matcher,
    store: states,
    sequencesPerOuMax: config.sequencesMax,
    currentPosition: () => engine.position,
    currentMark: () => engine.mark(),
  });
  const outbox = createOutbox(config, log, metrics, deliveries, fires, states);
  const engine: Engine = new Engine({
    matcher,
    catalog,
    store: states,
    commitFires: (entries) => fires.commitFires(entries),
    storeRejected: (message, rejection) => {
      if (core.room === null) throw new Error('the stream is not connected');
      return core.room.rejected.store(message, rejection);
    },
    planDeliveries: (fire, sequence) =>
      planDeliveries(fire, sequence, {
        emailConfigured: config.smtpUrl !== null,
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
    },
    'loaded the lead states',
  );
  const core: Core = {
    log,
    metrics,
    environment,
    tokens: openTokenStore(environment, config.apiTokens),
    fires,
    deliveries,
    matcher,
    catalog,
    engine,
    outbox,
    checkpoint,
    abort: new AbortController(),
    room: null,
    obstacle: 'connecting to NATS',
    fail(error) {
      core.obstacle = error instanceof Error ? error.message : String(error);
      if (!core.abort.signal.aborted) log.error({ err: error }, 'the events stream cannot be opened');
    },
  };
  observe(core);
  return core;
}

function createOutbox(
  config: Config,
  log: Logger,
  metrics: Metrics,
  deliveries: DeliveryStore,
  fires: FireStore,
  states: StateStore,
): Outbox {
  const { smtpUrl, emailFrom, webhookTimeoutMs: timeoutMs } = config;
  return new Outbox({
    queue: deliveries,
    fires,
    sequenceOf: (ou, id) => states.sequenceOf(ou, id),
    webhookSender: new WebhookSender({
      version: programVersion(),
      timeoutMs,
      allowedCidrs: parseCidrs(config.webhookAllowCidrs),
    }),
    emailSender:
      smtpUrl === null || emailFrom === null
        ? null
        : new EmailSender({ smtpUrl, from: emailFrom, timeoutMs: EMAIL_TIMEOUT_MS }),
    retryDelaysMs: config.retryScheduleMs,
    log,
    metrics: {
      onAttempt: ({ channel, outcome, durationMs }) => metrics.onAttempt(channel, outcome, durationMs / 1000),
    },
    limits: {
      attemptsMax: config.webhookConcurrency,
      attemptsPerLaneMax: Math.max(1, Math.floor(config.webhookConcurrency / 16)),
      attemptsToSuspectsMax: Math.max(1, Math.floor(config.webhookConcurrency / 2)),
    },
  });
}

/** Opens the stream. An external server may be up before its JetStream is: that is tried until it works. */
async function openStream(config: Config, core: Core): Promise<void> {
  for (;;) {
    try {
      return await connectStream(config, core);
    } catch (error) {
      await core.room?.close();
      core.room = null;
      if (config.natsUrl === null || core.abort.signal.aborted) throw error;
      core.fail(error);
      await sleep(STREAM_RETRY_MS, undefined, { signal: core.abort.signal });
    }
  }
}

/** Connects, finds the place in the stream where the lead states stand, and lets the feed go on from there. */
async function connectStream(config: Config, core: Core): Promise<void> {
  const { log, engine, metrics } = core;
  core.room = await openStreamRoom(
    {
      ...config,
      path: executablePath(),
      signal: core.abort.signal,
      feed: {
        onGap: ({ from, to }) => metrics.onGap(to - from + 1),
        onRebuild: (reason) => metrics.onFeedRebuild(reason),
        onHalt: (reason) => {
          core.obstacle = reason;
        },
      },
    },
    log,
  );
  const { name, created } = core.room.streams.events;
  const found = await findPlace(core, core.room, config.onStreamMismatch);
  if (!found.proceed) {
    core.obstacle = found.message;
    log.error({ verdict: found.verdict }, found.message);
    return;
  }
  log.info({ verdict: found.verdict, stream: name, startSequence: found.startSequence }, 'found the stream');
  await engine.start({
    streamName: name,
    streamCreated: created,
    startSequence: found.startSequence,
    renumbered: !['fresh', 'resume', 'retention_gap'].includes(found.verdict.outcome),
  });
  core.obstacle = null;
  core.room.feed.start(engine.streamCursor, (group) => engine.process(group));
  void finishReplay(core, core.room);
}

/** Makes the logged changes whose messages are gone from the stream, once all that is left of it was read. */
async function finishReplay({ catalog, abort }: Core, { feed }: StreamRoom): Promise<void> {
  while (catalog.isReplaying && !abort.signal.aborted) {
    if (feed.state.ready && feed.lag === 0) catalog.replayThrough(Number.MAX_SAFE_INTEGER);
    else await sleep(REPLAY_POLL_MS);
  }
}

/**
 * Compares the stream with the furthest message that a lead state contains, and when that still stands there,
 * says where to go on from the checkpoint.
 */
async function findPlace(core: Core, room: StreamRoom, policy: Config['onStreamMismatch']) {
  const highWater = core.engine.highWater();
  if (core.checkpoint !== null && highWater !== null) {
    const found = await room.reconcile({ ...core.checkpoint, stream: highWater }, policy);
    if (found.verdict.outcome !== 'resume') return found;
  }
  return room.reconcile(core.checkpoint, policy);
}

/** A token for the first user, where nobody has one yet. */
async function createFirstToken(config: Config, tokens: TokenStore): Promise<string | null> {
  if (config.apiTokens.length > 0 || tokens.list().length > 0) return null;
  const { token } = await tokens.create(DEFAULT_OU, 'first start');
  return token;
}

function apiPorts(config: Config, core: Core): ApiPorts {
  const { catalog, fires, deliveries, metrics, log } = core;
  const allowedCidrs = parseCidrs(config.webhookAllowCidrs);
  return {
    tokens: core.tokens,
    catalog,
    publish: async (ou, events) => {
      const result = await core.room?.publisher.publish(ou, events.map(toPublish));
      return result?.stored === true ? { ok: true } : { ok: false, reason: 'unavailable' };
    },
    fires,
    deliveries,
    rejected: {
      listRejected: async (ou, page) => {
        if (core.room === null) return { unavailable: 'the stream is not connected' };
        try {
          return await core.room.rejected.list(ou, page);
        } catch (error) {
          log.warn({ err: error }, 'rejected events cannot be listed');
          return { unavailable: 'the stream does not answer' };
        }
      },
    },
    checkWebhookUrl: (url) => {
      const check = checkWebhookUrl(url, allowedCidrs);
      return check.ok ? { ok: true } : { ok: false, reason: check.message };
    },
    readiness: () => readiness(core),
    metrics: () => metrics.render(),
    logger: log,
    nowMs: Date.now,
    sequencesPerOuMax: config.sequencesMax,
  };
}

type IngestEvent = Parameters<ApiPorts['publish']>[1][number];

function toPublish({ createdAt, metadata, ...event }: IngestEvent) {
  return {
    ...event,
    ...(createdAt === null ? {} : { createdAt }),
    ...(metadata === null ? {} : { metadata }),
  };
}

function readiness(core: Core): Readiness {
  const { room, engine, catalog } = core;
  const reasons = [...engine.trouble];
  if (core.obstacle !== null) reasons.push(core.obstacle);
  else if (room !== null && !room.state.ready) reasons.push(room.state.reason);
  if (catalog.isReplaying) reasons.push('replaying the stream since the last checkpoint');
  return {
    ready: reasons.length === 0,
    reasons,
    details: { position: engine.committedPosition, lag: room?.feed.lag ?? null },
  };
}

function observe(core: Core): void {
  const { metrics, engine, matcher, catalog, deliveries } = core;
  metrics.observe({
    position: () => engine.committedPosition,
    lagMessages: () => core.room?.feed.lag,
    leads: () => matcher.leadCount,
    heldEvents: () => matcher.heldEventCount,
    sequences: () => catalog.count,
    deliveriesByState: () => deliveries.countByState(),
  });
}
