import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { RunningProgram } from '../program.ts';

const MEGABYTE = 1e6;

/**
 * What is looked at, in the order of the table: a name, its unit, and whether growth of it is a leak. Resident
 * memory holds the part of LMDB's file that was touched, which is mapped and grows with the history; what is
 * left without mapped files is the program's own.
 */
export const SERIES = {
  rss: { title: 'resident memory', unit: 'MB', isJudged: false },
  own: { title: 'resident memory without files', unit: 'MB', isJudged: true },
  heap: { title: 'JavaScript heap used', unit: 'MB', isJudged: true },
  external: { title: 'memory outside the heap', unit: 'MB', isJudged: true },
  fds: { title: 'open file descriptors', unit: '', isJudged: true },
  lag: { title: 'lag behind the stream', unit: 'messages', isJudged: true },
  delay: { title: 'event-loop delay, p99', unit: 'ms', isJudged: true },
  leads: { title: 'leads in memory', unit: '', isJudged: true },
  held: { title: 'held events', unit: '', isJudged: true },
  pending: { title: 'deliveries under way', unit: '', isJudged: true },
  fires: { title: 'fires', unit: '', isJudged: false },
  lmdb: { title: 'LMDB file', unit: 'MB', isJudged: false },
  nats: { title: 'store of the nats-server', unit: 'MB', isJudged: false },
} as const;

export type SeriesName = keyof typeof SERIES;
export const SERIES_NAMES = Object.keys(SERIES) as SeriesName[];

/** The program at one moment; `values` are in the units of `SERIES`. */
export interface Sample {
  /** Since the load began. */
  readonly seconds: number;
  readonly values: Readonly<Record<SeriesName, number>>;
}

export async function takeSample(program: RunningProgram, dataDir: string, seconds: number): Promise<Sample> {
  const text = await (await fetch(`${program.url}/metrics`)).text();
  const metric = (name: string) => metricIn(text, name);
  return {
    seconds,
    values: {
      rss: metric('process_resident_memory_bytes') / MEGABYTE,
      own: (anonymousBytes(program.process.pid) ?? metric('process_resident_memory_bytes')) / MEGABYTE,
      heap: metric('nodejs_heap_size_used_bytes') / MEGABYTE,
      external: metric('nodejs_external_memory_bytes') / MEGABYTE,
      fds: metric('process_open_fds'),
      lag: metric('sequence_triggers_stream_lag_messages'),
      delay: metric('nodejs_eventloop_lag_p99_seconds') * 1_000,
      leads: metric('sequence_triggers_leads'),
      held: metric('sequence_triggers_held_events'),
      pending:
        metric('sequence_triggers_deliveries{state="pending"}') +
        metric('sequence_triggers_deliveries{state="retrying"}'),
      fires: metric('sequence_triggers_fires_total{stale="false"}'),
      lmdb: bytesIn(join(dataDir, 'lmdb')) / MEGABYTE,
      nats: bytesIn(join(dataDir, 'nats')) / MEGABYTE,
    },
  };
}

/** As Linux tells it; undefined on a system that does not. */
function anonymousBytes(pid: number | undefined): number | undefined {
  try {
    const kibibytes = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
  } catch {
    return undefined;
  }
}

/**
 * The value of a metric, named with its labels.
 *
 * @throws Error when the scrape has none of that name.
 */
export function metricIn(scrape: string, name: string): number {
  const line = scrape.split('\n').find((each) => each.startsWith(`${name} `));
  if (line === undefined) throw new Error(`/metrics shows no ${name}`);
  return Number(line.slice(name.length + 1));
}

/** Bytes of all files below a directory; one that goes away meanwhile counts nothing, and neither does the absent. */
function bytesIn(path: string): number {
  const info = statSync(path, { throwIfNoEntry: false });
  if (info === undefined) return 0;
  if (!info.isDirectory()) return info.size;
  return namesIn(path).reduce((sum, name) => sum + bytesIn(join(path, name)), 0);
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
