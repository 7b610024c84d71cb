import { createHistogram, PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChurnedMatcher, matcherOf } from './churn.ts';
import type { Engine } from './engine.ts';
import { feedBytes, feedOf, firstOf, lateShareOf } from './feed.ts';
import { MemoryFloor } from './memoryFloor.ts';
import { NaiveEngine } from './naive.ts';
import { applyAll, type Pass, runPass, timingEach } from './pass.ts';
import { sequencesOf } from './sequences.ts';
import type { Workload } from './workload.ts';

const WARMUP_EVENTS = 100_000;

export interface ThroughputFigures extends Pass {
  readonly heldEvents: number;
  /** Resident memory of the process at the end, collected, without the feed's arrays. */
  readonly rssBytes: number;
  /** What the engine and its state added to resident memory, and to the JavaScript heap and its buffers. */
  readonly rssGrowthBytes: number;
  readonly heapGrowthBytes: number;
  /** Longest pause for garbage, wherever in the pass it fell: while applying, parsing or writing the JSON. */
  readonly gcMaxMillis: number;
  readonly lateShare: number;
  /**
   * Processor time by time passed. At 1 or above the process was not kept waiting (its helper threads collect
   * and compile beside it); clearly below, others used the machine and the row says little.
   */
  readonly cpuShare: number;
  /** Of the changes of sequences between the events; null when there are none. */
  readonly changes: { readonly count: number; readonly p50Micros: number; readonly maxMicros: number } | null;
}

export interface LatencyFigures extends Pass {
  readonly p50Micros: number;
  readonly p99Micros: number;
  readonly p999Micros: number;
  readonly maxMicros: number;
}

/** Has the code compiled and the young generation grown before anything is measured. */
export async function warmUp(workload: Workload): Promise<null> {
  const feed = firstOf(feedOf(workload), WARMUP_EVENTS);
  await runPass(engineOf(workload), feed, { applyBlock: applyAll, withPairs: false });
  return null;
}

/** One pass without timers inside the blocks. Its memory figures are right in a process that ran no pass before. */
export async function measureThroughput(workload: Workload): Promise<ThroughputFigures> {
  const feed = feedOf(workload);
  const lateShare = lateShareOf(feed);
  const before = await collectedMemory();
  const engine = engineOf(workload);
  const pauses = new GarbagePauses();
  const cpuBefore = process.cpuUsage();
  const started = performance.now();
  const pass = await runPass(engine, feed, { applyBlock: applyAll, withPairs: false });
  const passMicros = (performance.now() - started) * 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const gcMaxMillis = await pauses.end();
  const after = await collectedMemory();
  return {
    ...pass,
    // Asking the engine here also keeps it alive until the memory was measured.
    heldEvents: engine.heldEventCount,
    rssBytes: after.rssBytes - feedBytes(feed),
    rssGrowthBytes: after.rssBytes - before.rssBytes,
    heapGrowthBytes: after.heapBytes - before.heapBytes,
    gcMaxMillis,
    lateShare,
    cpuShare: (user + system) / passMicros,
    changes: engine instanceof ChurnedMatcher ? changesOf(engine) : null,
  };
}

/** A pass of its own that times every apply. */
export async function measureLatency(workload: Workload): Promise<LatencyFigures> {
  const histogram = createHistogram();
  const record = (nanoseconds: number): void => histogram.record(Math.max(1, Math.round(nanoseconds)));
  const pass = await runPass(engineOf(workload), feedOf(workload), {
    applyBlock: timingEach(record),
    withPairs: true,
  });
  return {
    ...pass,
    p50Micros: histogram.percentile(50) / 1000,
    p99Micros: histogram.percentile(99) / 1000,
    p999Micros: histogram.percentile(99.9) / 1000,
    maxMicros: histogram.max / 1000,
  };
}

function engineOf(workload: Workload): Engine {
  switch (workload.engine) {
    case 'matcher':
      return matcherOf(workload);
    case 'churnedMatcher':
      return new ChurnedMatcher(workload);
    case 'naive':
      return new NaiveEngine(sequencesOf(workload));
    case 'memoryFloor':
      return new MemoryFloor(workload.leads);
  }
}

function changesOf({ changes }: ChurnedMatcher): ThroughputFigures['changes'] {
  return { count: changes.count, p50Micros: changes.at(0.5), maxMicros: changes.at(1) };
}

async function collectedMemory(): Promise<{ rssBytes: number; heapBytes: number }> {
  if (globalThis.gc === undefined) throw new Error('memory is measured with node --expose-gc');
  // Buffers are released beside the first collection, and are counted until the second.
  globalThis.gc();
  await sleep(10);
  globalThis.gc();
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  return { rssBytes: rss, heapBytes: heapUsed + arrayBuffers };
}

/** The pauses for garbage from its construction on. */
class GarbagePauses {
  private maxMillis = 0;
  private readonly observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) this.maxMillis = Math.max(this.maxMillis, duration);
  });

  constructor() {
    this.observer.observe({ entryTypes: ['gc'] });
  }

  /** Stops observing; resolves to the longest pause in milliseconds. */
  async end(): Promise<number> {
    // Entries are delivered in a later turn of the event loop.
    await sleep(10);
    this.observer.disconnect();
    return this.maxMillis;
  }
}
