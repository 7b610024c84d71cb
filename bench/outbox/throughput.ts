import { readFileSync } from 'node:fs';
import { Agent } from 'undici';
import { signatureHeaders } from '../../src/outbox/signature.ts';
import { webhookBody } from '../../src/outbox/webhookMessage.ts';
import { Durations } from '../matcher/durations.ts';
import { startCost } from '../peers/cost.ts';
import { Countdown } from './countdown.ts';
import { FIRES_PER_COMMIT, outboxOn, Stores, timed, webhookSender, withDataDir } from './subject.ts';
import { type Entry, entryOf, sequencesFor } from './workload.ts';

const TIMEOUT_MS = 15_000;
const RETRY_DELAYS_MS = [0, 5_000];
/** The unit of /proc on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** So many deliveries, to each URL in turn. */
export interface Load {
  readonly urls: readonly string[];
  readonly deliveries: number;
  /** Attempts under way at a time. */
  readonly concurrency: number;
}

/** What a run took. */
export interface Run {
  readonly seconds: number;
  /** Of the process, all threads. */
  readonly cpuSeconds: number;
  /** Of its main thread alone; NaN where there is no /proc. */
  readonly mainCpuSeconds: number;
  readonly attemptP50Ms: number;
  readonly attemptP99Ms: number;
}

export interface OutboxRun extends Run {
  /** Deliveries that the store counts as delivered. */
  readonly delivered: number;
  readonly writes: number;
  readonly commits: number;
  /** Time in the steps of transactions, for each delivery. */
  readonly stepMicros: number;
  /** From asking for a write until it is committed. */
  readonly writeP50Ms: number;
  readonly writeP99Ms: number;
}

const NOTHING = { begin: async () => {}, end: async () => {} };

/** A loop around undici that posts the same bodies and headers, made and signed beforehand, and nothing else. */
export async function runBare({ urls, deliveries, concurrency }: Load): Promise<Run> {
  const nowMs = Date.now();
  const requests = entriesOf(urls, deliveries).map(({ fire, sequence }) => {
    const url = new URL(sequence.webhookUrl!);
    const body = Buffer.from(webhookBody(fire));
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'sequence-triggers/0.0.0',
      ...signatureHeaders(fire.id, nowMs, body, [sequence.webhookSecret]),
    };
    return { origin: url.origin, path: url.pathname, method: 'POST' as const, headers, body };
  });
  const agent = new Agent({ headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
  const attempts = new Durations();
  const cost = startRun(attempts);
  await inParallel(requests, concurrency, async (request) => {
    const startedMs = performance.now();
    const { statusCode, body } = await agent.request(request);
    await body.text();
    if (statusCode !== 200) throw new Error(`the receiver answered ${statusCode}`);
    attempts.add((performance.now() - startedMs) * 1_000);
  });
  const run = cost();
  await agent.close();
  return run;
}

/** A loop around our sender: it checks the address, writes and signs the body, and bounds the time. */
export async function runSender({ urls, deliveries, concurrency }: Load): Promise<Run> {
  const entries = entriesOf(urls, deliveries);
  const attempts = new Durations();
  const sender = timed(webhookSender(TIMEOUT_MS), attempts);
  const { signal } = new AbortController();
  const cost = startRun(attempts);
  await inParallel(entries, concurrency, async ({ fire, sequence, deliveries: [delivery] }) => {
    const result = await sender.send({ delivery: delivery!, fire, sequence, nowMs: Date.now() }, signal);
    if (result.outcome !== 'delivered') throw new Error(result.detail);
  });
  const run = cost();
  await sender.close();
  return run;
}

/**
 * The outbox on the store, until the last success is committed.
 *
 * @param isSteady false: the fires are on disk before it starts; true: they are committed while it runs, as
 *   fast as that goes and in groups as the engine makes them
 * @param around called right before and right after what is measured
 */
export async function runOutbox(
  { urls, deliveries, isSteady }: Load & { readonly isSteady: boolean },
  around: { readonly begin: () => Promise<void>; readonly end: () => Promise<void> } = NOTHING,
): Promise<OutboxRun> {
  const entries = entriesOf(urls, deliveries);
  return withDataDir(async (dataDir) => {
    const stores = new Stores(dataDir);
    await stores.addSequences(sequencesFor(urls));
    const countdown = new Countdown(deliveries);
    const attempts = new Durations();
    const outbox = outboxOn(stores, timed(webhookSender(TIMEOUT_MS), attempts), RETRY_DELAYS_MS, () =>
      countdown.step(),
    );
    if (!isSteady) await commit(stores, entries, () => {});
    stores.writes.forget();
    const commitsBefore = stores.commits;
    await around.begin();
    const cost = startRun(attempts);
    await outbox.start();
    if (isSteady) await commit(stores, entries, (added) => outbox.wake(added));
    await countdown.done;
    const run = {
      ...cost(),
      delivered: stores.deliveries.countByState().delivered,
      writes: stores.writes.count,
      commits: stores.commits - commitsBefore,
      stepMicros: (stores.writes.stepMs / deliveries) * 1_000,
      writeP50Ms: stores.writes.waits.at(0.5) / 1_000,
      writeP99Ms: stores.writes.waits.at(0.99) / 1_000,
    };
    await around.end();
    await outbox.drain(0);
    await stores.environment.close();
    return run;
  });
}

async function commit(
  stores: Stores,
  entries: readonly Entry[],
  onDurable: (added: Entry['deliveries']) => void,
): Promise<void> {
  const durable: Promise<void>[] = [];
  for (let from = 0; from < entries.length; from += FIRES_PER_COMMIT) {
    const { committed, flushed } = stores.fires.commitFires(entries.slice(from, from + FIRES_PER_COMMIT));
    durable.push(flushed.then(onDurable));
    await committed;
  }
  await Promise.all(durable);
}

function entriesOf(urls: readonly string[], count: number) {
  const sequences = sequencesFor(urls);
  return Array.from({ length: count }, (_, index) => {
    const sequence = sequences[index % sequences.length]!;
    return { sequence, ...entryOf(sequence, index) };
  });
}

async function inParallel<T>(
  items: readonly T[],
  concurrency: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const loop = async () => {
    while (next < items.length) await work(items[next++]!);
  };
  await Promise.all(Array.from({ length: concurrency }, loop));
}

/** Starts to count; the returned function ends that. */
function startRun(attempts: Durations): () => Run {
  globalThis.gc?.();
  const mainBefore = mainThreadCpuSeconds();
  const cost = startCost();
  return () => ({
    ...cost(),
    mainCpuSeconds: mainThreadCpuSeconds() - mainBefore,
    attemptP50Ms: attempts.at(0.5) / 1_000,
    attemptP99Ms: attempts.at(0.99) / 1_000,
  });
}

function mainThreadCpuSeconds(): number {
  try {
    const stat = readFileSync(`/proc/self/task/${process.pid}/stat`, 'latin1');
    // The name stands in parentheses and may hold blanks; user and system time are fields 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return Number.NaN;
  }
}
