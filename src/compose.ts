import { createApp } from './api/app.ts';
import { type HttpServer, serveHttp } from './api/server.ts';
import { apiPorts } from './composition/apiPorts.ts';
import { type Core, loadCore } from './composition/core.ts';
import { openStream } from './composition/events.ts';
import { createSenders, type Senders } from './composition/senders.ts';
import { warningsOf } from './config/load.ts';
import type { Config } from './config/schema.ts';
import { buildCounts } from './store/buildCounts.ts';
import { lockDataDirectory } from './store/dataDirectory.ts';
import type { TokenStore } from './store/tokens.ts';
import type { Logger } from './telemetry/log.ts';

const DEFAULT_OU = 'default';
/** Time for the attempts under way to end when the program stops; what is cut off is sent after the restart. */
const OUTBOX_DRAIN_MS = 10_000;
/** Time for writes that wait for room or for the stream when the program stops; others are waited for. */
const WRITES_STOP_MS = 5_000;

/** A running program. */
export interface Program {
  readonly httpPort: number;
  /** Where the events stream is served, with the embedded server or not. */
  readonly natsUrl: string;
  /** The token made for OU `default` on the very first start; null on every other. */
  readonly firstToken: string | null;
  readonly log: Logger;
  /** Resolves when the program cannot go on, with the reason; a restart goes on from the last checkpoint. */
  readonly failed: Promise<Error>;
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
  for (const warning of warningsOf(config)) log.warn(warning);
  const senders = createSenders(config);
  const unlock = lockDataDirectory(config.dataDir);
  const core = loadOrUnlock(config, log, senders, unlock);
  let http: HttpServer | undefined;
  try {
    http = await serveHttp(createApp(apiPorts(config, core)), config.httpHost, config.httpPort);
    log.info({ host: config.httpHost, port: http.port }, 'serving HTTP');
    await core.outbox.start();
    core.historyKeeper?.start();
    core.counting = countLists(core);
    core.backfiller.start();
    const opening = openStream(config, core);
    if (config.natsUrl === null) await opening;
    else opening.catch((error: unknown) => core.fail(error));
    // Last, so that a start which fails does not use up the only time that the token is shown.
    const firstToken = await createFirstToken(config, core.tokens);
    loadOthers(core);
    return program(config, core, http, opening, firstToken, unlock);
  } catch (error) {
    core.abort.abort();
    core.environment.abandonWrites();
    core.engine.stopLoading();
    await http?.close();
    await core.room?.close();
    await core.outbox.drain(0);
    await core.historyKeeper?.stop();
    await core.counting;
    await core.backfiller.stop();
    await core.environment.close();
    unlock();
    throw error;
  }
}

function loadOrUnlock(config: Config, log: Logger, senders: Senders, unlock: () => void): Core {
  try {
    return loadCore(config, log, senders);
  } catch (error) {
    unlock();
    const problem = error instanceof Error ? error.message : String(error);
    throw new Error(`the store in DATA_DIR ${config.dataDir} cannot be used: ${problem}`, { cause: error });
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
    failed: Promise.race([core.engine.failed, core.environment.failed]),
    stop: async () => {
      core.abort.abort();
      // First, because requests may wait for a backfill.
      core.catalog.backfills.close();
      await http.close();
      await stopEngine(core, opening);
      const { unfinished } = await core.outbox.drain(OUTBOX_DRAIN_MS);
      await core.room?.close();
      await core.environment.flushed();
      await core.environment.close();
      unlock();
      core.log.info({ position: core.engine.position, unfinished }, 'stopped');
    },
  };
}

/**
 * Waits for the group in hand and writes a last checkpoint, unless they cannot be written: then a replay makes
 * up for them.
 */
async function stopEngine(core: Core, opening: Promise<void>): Promise<void> {
  const { historyKeeper, backfiller, engine, environment, log } = core;
  const late = setTimeout(() => {
    core.room?.rejected.close();
    environment.abandonWrites();
  }, WRITES_STOP_MS);
  try {
    // Taking its place in the stream may wait for room on the disk too.
    await opening.catch(() => undefined);
    await core.room?.feed.stop();
    await core.consuming;
    await historyKeeper?.stop();
    await core.counting;
    await backfiller.stop();
    await engine.drain();
  } catch (error) {
    log.warn({ err: error }, 'no last checkpoint was written; the next start replays from the one before');
  }
  engine.stopLoading();
  clearTimeout(late);
  environment.abandonWrites();
}

/** The lead states that the start did not wait for. */
function loadOthers({ engine, matcher, log }: Core): void {
  if (engine.isLoaded) return;
  const startedMs = performance.now();
  engine.loadOthers(() => {
    const milliseconds = Math.round(performance.now() - startedMs);
    log.info(
      { leads: matcher.leadCount, heldEvents: matcher.heldEventCount, milliseconds },
      'all lead states are loaded',
    );
  });
}

/** Until they are counted, lists are counted entry by entry: slower, and as right. */
async function countLists({ environment, fires, deliveries, abort, log }: Core): Promise<void> {
  try {
    await buildCounts(environment, [fires.rows.counts, deliveries.rows.indexCounts], abort.signal);
  } catch (error) {
    log.warn({ err: error }, 'the lists could not be counted; the next start goes on with it');
  }
}

/** A token for the first user, where nobody has one yet. */
async function createFirstToken(config: Config, tokens: TokenStore): Promise<string | null> {
  if (config.apiTokens.length > 0 || tokens.list().length > 0) return null;
  // Whoever starts the program owns it.
  const wanted = { name: 'first start', role: 'admin', expiresAtMs: null, ratePerSecond: null } as const;
  const { token } = await tokens.create(DEFAULT_OU, wanted);
  return token;
}
