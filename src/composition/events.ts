import { setTimeout as sleep } from 'node:timers/promises';
import { executablePath } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { openStreamRoom, type StreamRoom } from '../stream/room.ts';
import type { Core } from './core.ts';

const STREAM_RETRY_MS = 1_000;
const REPLAY_POLL_MS = 20;

/** Opens the stream. An external server may be up before its JetStream is: that is tried until it works. */
export async function openStream(config: Config, core: Core): Promise<void> {
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
