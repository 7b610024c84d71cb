import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '../random.ts';
import { nowMs } from './clock.ts';
import { FIRES_PER_COMMIT, outboxOn, Stores, webhookSender, withDataDir } from './subject.ts';
import { type Entry, entryOf, sequencesFor } from './workload.ts';

const SEED = 7;
/** Fires whose time has come are committed together at least so often. */
const TICK_MS = 1;
const SETTLE_MS_MAX = 20_000;
const POLL_MS = 20;

/** Deliveries to destinations at random, at a fixed rate. */
export interface Offer {
  readonly urls: readonly string[];
  /** So many of them, from the first on, answer. */
  readonly answering: number;
  readonly perSecond: number;
  readonly seconds: number;
  readonly timeoutMs: number;
  readonly retryDelaysMs: readonly number[];
  /** Destinations of one delivery each, all of which are due in the middle of the time. */
  readonly burstUrls: readonly string[];
}

/** When a fire was to happen by the schedule, in `nowMs`; `destination` is an index into the URLs, -1 in the burst. */
export interface Due {
  readonly fireId: string;
  readonly destination: number;
  readonly dueMs: number;
}

/**
 * Commits fires as the engine does, at the moments that a schedule made beforehand names, whether or not the
 * outbox keeps up, and waits for those to destinations that answer. Resolves to the schedule.
 */
export async function offer(wanted: Offer): Promise<Due[]> {
  return withDataDir(async (dataDir) => {
    const stores = new Stores(dataDir);
    await stores.addSequences(sequencesFor([...wanted.urls, ...wanted.burstUrls]));
    const schedule = scheduleOf(wanted);
    const isAnswered = ({ destination }: Scheduled) => destination >= 0 && destination < wanted.answering;
    let missing = schedule.filter(isAnswered).length;
    const outbox = outboxOn(stores, webhookSender(wanted.timeoutMs), wanted.retryDelaysMs, () => {
      missing -= 1;
    });
    await outbox.start();
    const startMs = nowMs();
    const durable: Promise<void>[] = [];
    for (let next = 0; next < schedule.length; ) {
      const from = next;
      const elapsedMs = nowMs() - startMs;
      while (next < schedule.length && next - from < FIRES_PER_COMMIT && schedule[next]!.atMs <= elapsedMs)
        next += 1;
      if (next > from) {
        const entries = schedule.slice(from, next).map(({ entry }) => entry());
        const { committed, flushed } = stores.fires.commitFires(entries);
        durable.push(flushed.then((added) => outbox.wake(added)));
        await committed;
      } else {
        await sleep(TICK_MS);
      }
    }
    await Promise.all(durable);
    for (let waitedMs = 0; missing > 0 && waitedMs < SETTLE_MS_MAX; waitedMs += POLL_MS) await sleep(POLL_MS);
    await outbox.drain(0);
    await stores.environment.close();
    return schedule.map(({ atMs, destination, fireId }) => ({ fireId, destination, dueMs: startMs + atMs }));
  });
}

interface Scheduled {
  /** After the start. */
  readonly atMs: number;
  readonly destination: number;
  readonly fireId: string;
  /** Planned only when it happens, so that the delivery is not due before. */
  entry(): Entry;
}

function scheduleOf({ urls, burstUrls, perSecond, seconds }: Offer): Scheduled[] {
  const random = seededRandom(SEED);
  const sequences = sequencesFor(urls);
  const steady = Array.from({ length: Math.round(perSecond * seconds) }, (_, index) => {
    const destination = Math.floor(random() * urls.length);
    return scheduled((index / perSecond) * 1_000, destination, sequences[destination]!, index);
  });
  const middle = Math.floor(steady.length / 2);
  const burst = sequencesFor(burstUrls).map((sequence, index) =>
    scheduled(steady[middle]!.atMs, -1, sequence, steady.length + index),
  );
  return [...steady.slice(0, middle), ...burst, ...steady.slice(middle)];
}

function scheduled(
  atMs: number,
  destination: number,
  sequence: Parameters<typeof entryOf>[0],
  index: number,
): Scheduled {
  const { fire } = entryOf(sequence, index);
  return { atMs, destination, fireId: fire.id, entry: () => entryOf(sequence, index) };
}
