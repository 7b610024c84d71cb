import { readFileSync } from 'node:fs';
import type { Fire } from '../../src/model/fire.ts';
import type { DeliveryQueue } from '../../src/outbox/ports.ts';
import { delivered, type Sender } from '../../src/outbox/sender.ts';
import { Durations } from '../matcher/durations.ts';
import { Countdown } from './countdown.ts';
import { outboxOn, Stores } from './subject.ts';
import { entryOf, fireOf, sequencesFor } from './workload.ts';

const ROWS_PER_COMMIT = 5_000;
const MEBIBYTE = 2 ** 20;
/** The first and the last so many picks are looked at. */
const PICKS_LOOKED_AT = 1_000;

/** Due rows in the store of a data directory. */
export interface Backlog {
  readonly dataDir: string;
  readonly rows: number;
  readonly destinations: number;
}

/** How an outbox begins with a backlog. */
export interface Beginning {
  /** As the store counts them. */
  readonly dueRows: number;
  readonly startMs: number;
  /** From the call of `start` until the first delivery was given to the sender. */
  readonly firstSendMs: number;
  readonly firstPickMicros: number;
  readonly earlyPickP50Micros: number;
  readonly latePickP50Micros: number;
  readonly latePickP99Micros: number;
  readonly picks: number;
  readonly deliveriesPerSecond: number;
  /** Without the pages of files, which are for the most part those of the store; NaN where there is no /proc. */
  readonly anonymousBeforeMiB: number;
  readonly anonymousAfterMiB: number;
  readonly residentAfterMiB: number;
  readonly heapBeforeMiB: number;
  readonly heapAfterMiB: number;
}

/** Puts due deliveries into the store, without fires, in large transactions. Resolves to the seconds it took. */
export async function fill({ dataDir, rows, destinations }: Backlog): Promise<number> {
  const startedMs = performance.now();
  const stores = new Stores(dataDir);
  const sequences = sequencesFor(urlsOf(destinations));
  for (let from = 0; from < rows; from += ROWS_PER_COMMIT) {
    const length = Math.min(ROWS_PER_COMMIT, rows - from);
    const deliveries = Array.from({ length }, (_, offset) => {
      const index = from + offset;
      return entryOf(sequences[index % destinations]!, index).deliveries;
    }).flat();
    await stores.environment.write(() => stores.deliveries.rows.insert(deliveries));
  }
  await stores.environment.flushed();
  await stores.environment.close();
  return (performance.now() - startedMs) / 1_000;
}

/**
 * Starts an outbox on the backlog, with a sender that succeeds at once and does nothing, and lets it make so many
 * deliveries, or all when there are fewer.
 */
export async function begin({
  dataDir,
  rows,
  deliveries,
}: Backlog & { readonly deliveries: number }): Promise<Beginning> {
  const stores = new Stores(dataDir);
  const [sequence] = sequencesFor(urlsOf(1));
  const fire: Fire = fireOf(sequence!, 0);
  const pickMicros: number[] = [];
  let firstSendAtMs = Number.NaN;
  const sender: Sender = {
    send: async () => {
      if (Number.isNaN(firstSendAtMs)) firstSendAtMs = performance.now();
      return delivered(200, 'ok');
    },
    close: async () => {},
  };
  const countdown = new Countdown(Math.min(rows, deliveries));
  const onDelivered = () => countdown.step();
  const outbox = outboxOn(stores, sender, [0], onDelivered, {
    queue: timedPicks(stores.deliveries, pickMicros),
    fires: { fire: () => fire },
    sequenceOf: () => sequence!,
  });
  const dueRows = stores.deliveries.countByState().pending;
  const before = memory();
  const startedMs = performance.now();
  await outbox.start();
  const startMs = performance.now() - startedMs;
  const after = memory();
  await countdown.done;
  const seconds = (performance.now() - startedMs) / 1_000;
  await outbox.drain(10_000);
  await stores.environment.close();
  const early = durations(pickMicros.slice(0, PICKS_LOOKED_AT));
  const late = durations(pickMicros.slice(-PICKS_LOOKED_AT));
  return {
    dueRows,
    startMs,
    firstSendMs: firstSendAtMs - startedMs,
    firstPickMicros: pickMicros[0]!,
    earlyPickP50Micros: early.at(0.5),
    latePickP50Micros: late.at(0.5),
    latePickP99Micros: late.at(0.99),
    picks: pickMicros.length,
    deliveriesPerSecond: Math.min(rows, deliveries) / seconds,
    anonymousBeforeMiB: before.anonymous,
    anonymousAfterMiB: after.anonymous,
    residentAfterMiB: after.rss,
    heapBeforeMiB: before.heap,
    heapAfterMiB: after.heap,
  };
}

/** The same queue, with what each row that was read took. Its methods are called on the queue itself. */
function timedPicks(queue: DeliveryQueue, pickMicros: number[]): DeliveryQueue {
  const due: DeliveryQueue['due'] = (...wanted) => {
    const startedMs = performance.now();
    const found = queue.due(...wanted);
    const micros = (performance.now() - startedMs) * 1_000;
    // Rows are read several at a time. Finding nothing in a lane that is done is no pick of the next delivery.
    for (const _row of found.rows) pickMicros.push(micros / found.rows.length);
    return found;
  };
  return new Proxy(queue, {
    get: (target, name) => {
      if (name === ('due' satisfies keyof DeliveryQueue)) return due;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

function urlsOf(destinations: number): string[] {
  return Array.from({ length: destinations }, (_, index) => `http://127.0.0.1:9/hook/${index}`);
}

function durations(micros: readonly number[]): Durations {
  const all = new Durations();
  for (const each of micros) all.add(each);
  return all;
}

function memory(): { readonly anonymous: number; readonly rss: number; readonly heap: number } {
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  return { anonymous: anonymousMiB(), rss: rss / MEBIBYTE, heap: heapUsed / MEBIBYTE };
}

function anonymousMiB(): number {
  try {
    const kibibytes = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return Number(kibibytes ?? Number.NaN) / 1_024;
  } catch {
    return Number.NaN;
  }
}
