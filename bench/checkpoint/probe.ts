import { openSync, readSync } from 'node:fs';
import {
  constants,
  monitorEventLoopDelay,
  type PerformanceEntry,
  PerformanceObserver,
} from 'node:perf_hooks';

/**
 * Observes the event loop of the program from within: loaded by `--import` before the program itself. Over
 * the channel to the parent it takes `begin` (forget what was seen so far) and `report` (send it).
 *
 * Two instruments see the same: Node's histogram of the lateness of a 1 ms timer (its values contain that
 * millisecond), and the gaps between the ticks of a timer of our own, which tell when a stall was, so that
 * the garbage collections within it can be told.
 */

/** A time in which the event loop did not get to its timers. */
export interface Stall {
  readonly milliseconds: number;
  /** Of these, spent in garbage collection on the main thread. */
  readonly collectingMs: number;
  /** Of these, spent by the main thread waiting for a processor that others had; null where the system does not tell. */
  readonly waitingMs: number | null;
  /** Since the beginning of the observation. */
  readonly atMs: number;
}

/** What was seen since the beginning of the observation. */
export interface LoopReport {
  /** Percentiles and maximum of Node's histogram, milliseconds. */
  readonly delayMs: {
    readonly p50: number;
    readonly p99: number;
    readonly p999: number;
    readonly max: number;
  };
  /** The longest first. */
  readonly stalls: readonly Stall[];
  /** The longest time without a tick that the program itself caused: the waiting for a processor is not in it. */
  readonly ownStallMaxMs: number;
  /** Longest and summed pauses of the garbage collector by kind, milliseconds. */
  readonly collections: Readonly<Record<string, { count: number; maxMs: number; totalMs: number }>>;
  /** Share of the time in which the event loop was not waiting, 0 to 1. */
  readonly utilization: number;
  /** Processor time of all threads since the process began. */
  readonly processorMs: number;
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
}

interface Gap extends Span {
  readonly waitingMs: number | null;
}

interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

const TICK_MS = 1;
/** Shorter gaps are not kept one by one; the histogram has them. */
const STALL_MS_MIN = 5;
const STALLS_MAX = 10;
const NANOS_PER_MS = 1e6;
const KINDS: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: 'minor',
  [constants.NODE_PERFORMANCE_GC_MAJOR]: 'major',
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental',
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: 'weak callbacks',
};

/** Linux tells how long the main thread has been ready to run without a processor: the second number, in nanoseconds. */
const schedule = openSchedule();
const scheduleBytes = Buffer.alloc(128);

const delays = monitorEventLoopDelay({ resolution: TICK_MS });
let gaps: Gap[] = [];
let collections: (Span & { readonly kind: string })[] = [];
let lastTickMs = performance.now();
let lastWaitedMs = waitedMs();
let begunMs = lastTickMs;
let begunUtilization = performance.eventLoopUtilization();

delays.enable();
setInterval(() => {
  const nowMs = performance.now();
  const nowWaitedMs = waitedMs();
  if (nowMs - lastTickMs > STALL_MS_MIN) {
    const waitingMs = nowWaitedMs === null || lastWaitedMs === null ? null : nowWaitedMs - lastWaitedMs;
    gaps.push({ startMs: lastTickMs, endMs: nowMs, waitingMs });
  }
  lastTickMs = nowMs;
  lastWaitedMs = nowWaitedMs;
}, TICK_MS).unref();

function openSchedule(): number | null {
  try {
    return openSync('/proc/self/schedstat', 'r');
  } catch {
    return null;
  }
}

function waitedMs(): number | null {
  if (schedule === null) return null;
  const length = readSync(schedule, scheduleBytes, 0, scheduleBytes.length, 0);
  return Number(scheduleBytes.toString('latin1', 0, length).split(' ')[1]) / NANOS_PER_MS;
}

/** What Node adds to an entry of the type `gc`. */
interface CollectionEntry extends PerformanceEntry {
  readonly detail: { readonly kind: number };
}

function keep(entries: readonly PerformanceEntry[]): void {
  for (const { startTime, duration, detail } of entries as readonly CollectionEntry[]) {
    const kind = KINDS[detail.kind] ?? 'other';
    collections.push({ startMs: startTime, endMs: startTime + duration, kind });
  }
}
const observer = new PerformanceObserver((list) => keep(list.getEntries()));
observer.observe({ entryTypes: ['gc'] });

function begin(): void {
  delays.reset();
  observer.takeRecords();
  gaps = [];
  collections = [];
  begunMs = performance.now();
  lastTickMs = begunMs;
  lastWaitedMs = waitedMs();
  begunUtilization = performance.eventLoopUtilization();
}

function report(): LoopReport {
  keep(observer.takeRecords());
  const { rss, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return {
    delayMs: {
      p50: delays.percentile(50) / NANOS_PER_MS,
      p99: delays.percentile(99) / NANOS_PER_MS,
      p999: delays.percentile(99.9) / NANOS_PER_MS,
      max: delays.max / NANOS_PER_MS,
    },
    stalls: longestStalls(),
    ownStallMaxMs: Math.max(0, ...gaps.map((gap) => length(gap) - (gap.waitingMs ?? 0))),
    collections: summedCollections(),
    utilization: performance.eventLoopUtilization(begunUtilization).utilization,
    processorMs: (user + system) / 1_000,
    rssBytes: rss,
    heapUsedBytes: heapUsed,
  };
}

function longestStalls(): Stall[] {
  const longest = [...gaps].sort((a, b) => length(b) - length(a)).slice(0, STALLS_MAX);
  return longest.map((gap) => ({
    milliseconds: length(gap),
    waitingMs: gap.waitingMs,
    collectingMs: collections.reduce((sum, collection) => sum + overlap(gap, collection), 0),
    atMs: gap.startMs - begunMs,
  }));
}

function summedCollections(): LoopReport['collections'] {
  const summed: Record<string, { count: number; maxMs: number; totalMs: number }> = {};
  for (const { kind, ...span } of collections) {
    summed[kind] ??= { count: 0, maxMs: 0, totalMs: 0 };
    const sum = summed[kind];
    sum.count++;
    sum.totalMs += length(span);
    sum.maxMs = Math.max(sum.maxMs, length(span));
  }
  return summed;
}

function length({ startMs, endMs }: Span): number {
  return endMs - startMs;
}

function overlap(a: Span, b: Span): number {
  return Math.max(0, Math.min(a.endMs, b.endMs) - Math.max(a.startMs, b.startMs));
}

process.on('message', (request) => {
  if (request === 'begin') begin();
  if (request === 'report') process.send?.(report());
});
// The channel alone must not keep a program alive that has ended.
process.channel?.unref();
