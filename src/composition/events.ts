import { setTimeout as sleep } from 'node:timers/promises';
import { executablePath } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import type { StreamMark } from '../model/checkpoint.ts';
import { type MismatchPolicy, type Reconciliation, reconcile } from '../stream/reconcile.ts';
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
  const { log, metrics } = core;
  core.room = await openStreamRoom(
    {
      ...config,
      path: executablePath(),
      receivesInThread: true,
      signal: core.abort.signal,
      onWaiting: (reason) => {
        core.obstacle = reason;
      },
      feed: {
        onGap: ({ from, to }) => metrics.onGap(to - from + 1),
        onRebuild: (reason) => metrics.onFeedRebuild(reason),
      },
    },
    log,
  );
  // What was in the way of the connection no longer is, and this may wait for room on the disk.
  core.obstacle = 'taking its place in the stream';
  const policy = config.onStreamMismatch;
  const place = await findPlace(core, core.room, policy);
  if (await takePlace(core, core.room, place, policy)) core.consuming = consume(core, core.room, policy);
}

/** Reads until the feed is stopped, or until the stream is one that the policy does not let it read. */
async function consume(core: Core, room: StreamRoom, policy: MismatchPolicy): Promise<void> {
  const { engine } = core;
  const replayWatch = finishReplay(core, room);
  for (let goesOn = true; goesOn; ) {
    const ended = await room.feed.start(engine.mark() as StreamMark, (group) => engine.process(group));
    if (ended.kind === 'stopped') break;
    goesOn = await takePlace(core, room, reconcile(engine.mark(), ended.found, policy), policy).catch(
      (error: unknown) => {
        core.fail(error);
        return false;
      },
    );
  }
  clearInterval(replayWatch);
}

/** Says what was found, and where the policy allows it has the engine go on there. Resolves with whether it does. */
async function takePlace(
  core: Core,
  room: StreamRoom,
  place: Reconciliation,
  policy: MismatchPolicy,
): Promise<boolean> {
  const { log, engine, metrics } = core;
  const { verdict, message, proceed } = place;
  core.streamPlace = { verdict: verdict.outcome, policy, halted: !proceed };
  if (!proceed) {
    core.obstacle = message;
    log.error({ verdict, policy }, message);
    return false;
  }
  const { name } = room.streams.events;
  const { created, startSequence } = place;
  const fields = { verdict, policy, stream: name, startSequence };
  if (message === null) log.info(fields, 'found the stream');
  else log.warn(fields, message);
  if (verdict.outcome === 'retention_gap') metrics.onGap(verdict.toSequence - verdict.fromSequence + 1);
  const renumbered = !['fresh', 'resume', 'retention_gap'].includes(verdict.outcome);
  await engine.start({ streamName: name, streamCreated: created, startSequence, renumbered });
  core.obstacle = null;
  return true;
}

/**
 * Makes the logged changes whose messages are gone from the stream, once all that is left of it was read. Looks
 * for that until it is so, or until the timer it gives back is cleared.
 */
function finishReplay({ catalog }: Core, { feed }: StreamRoom): NodeJS.Timeout {
  const timer = setInterval(() => {
    if (!catalog.isReplaying) clearInterval(timer);
    else if (feed.state.ready && feed.lag === 0) catalog.replayThrough(Number.MAX_SAFE_INTEGER);
  }, REPLAY_POLL_MS);
  return timer;
}

/**
 * Compares the stream with the furthest message that a lead state contains, and when that still stands there,
 * says where to go on from the checkpoint.
 */
async function findPlace(core: Core, room: StreamRoom, policy: MismatchPolicy): Promise<Reconciliation> {
  const highWater = core.engine.highWater();
  // Before the first checkpoint there may be one as well, of a change of a sequence or of a crash since.
  if (highWater !== null) {
    const place = await room.reconcile(highWater, policy);
    // A gap behind the furthest message is one behind the checkpoint too, and a longer one.
    const isGap = place.verdict.outcome === 'retention_gap' && core.checkpoint !== null;
    if (place.verdict.outcome !== 'resume' && !isGap) return place;
  }
  return room.reconcile(core.checkpoint?.stream ?? null, policy);
}
