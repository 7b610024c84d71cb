import { benchApi } from './api/index.ts';
import { benchBackfill } from './backfill/index.ts';
import { BACKLOG_VARIANTS, benchBacklog } from './backlog/index.ts';
import { benchCheckpoint } from './checkpoint/index.ts';
import { benchEndToEnd } from './endToEnd/index.ts';
import { benchFireLatency } from './fireLatency/index.ts';
import { benchHistory, HISTORY_VARIANTS } from './history/index.ts';
import { benchMatcher, MATCHER_VARIANTS } from './matcher/index.ts';
import { NotInstalled } from './notInstalled.ts';
import { parseRunOptions, UsageError } from './options.ts';
import { benchOutbox, OUTBOX_VARIANTS } from './outbox/index.ts';
import { benchPeers } from './peers/index.ts';
import { type BenchOptions, type BenchReport, publish } from './report.ts';
import { benchSimulate } from './simulate/index.ts';

interface Benchmark {
  /** What `--only` may name; empty for a benchmark that runs as a whole. */
  readonly variants: readonly string[];
  run(options: BenchOptions): Promise<BenchReport>;
}

const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  matcher: { variants: MATCHER_VARIANTS, run: benchMatcher },
  fireLatency: { variants: [], run: ({ scale }) => benchFireLatency(scale) },
  endToEnd: { variants: [], run: ({ scale }) => benchEndToEnd(scale) },
  checkpoint: { variants: [], run: ({ scale }) => benchCheckpoint(scale) },
  backfill: { variants: [], run: ({ scale }) => benchBackfill(scale) },
  backlog: { variants: BACKLOG_VARIANTS, run: benchBacklog },
  outbox: { variants: OUTBOX_VARIANTS, run: benchOutbox },
  api: { variants: [], run: ({ scale }) => benchApi(scale) },
  history: { variants: HISTORY_VARIANTS, run: benchHistory },
  simulate: { variants: [], run: ({ scale }) => benchSimulate(scale) },
  peers: { variants: [], run: ({ scale }) => benchPeers(scale) },
};

const USAGE = `usage: npm run bench -- [NAME ...] [--scale N] [--only VARIANT,...]
  NAME     one of: ${Object.keys(BENCHMARKS).join(', ')}; all of them when absent
  --scale  share of the full workload, above 0 up to 1 (default 1)
  --only   some variants of the one benchmark named; matcher has: ${MATCHER_VARIANTS.join(', ')};
           backlog has: ${BACKLOG_VARIANTS.join(', ')}; outbox has: ${OUTBOX_VARIANTS.join(', ')};
           history has: ${HISTORY_VARIANTS.join(', ')} (the last only where it is named)`;

async function main(): Promise<void> {
  const variants = Object.entries(BENCHMARKS).map(([name, benchmark]) => [name, benchmark.variants] as const);
  const args = process.argv.slice(2);
  const { names, scale, only } = parseRunOptions(args, Object.fromEntries(variants));
  for (const name of names) {
    publish(await reportOf(name, { scale, only }, args.includes(name)), 'bench/results');
  }
}

/** A benchmark that needs packages which are not there fails when it was asked for, and else says so in its report. */
async function reportOf(name: string, options: BenchOptions, isNamed: boolean): Promise<BenchReport> {
  try {
    return await BENCHMARKS[name]!.run(options);
  } catch (error) {
    if (!(error instanceof NotInstalled) || isNamed) throw error;
    return { name, tables: [{ title: 'skipped', rows: [{ reason: error.message }] }] };
  }
}

try {
  await main();
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`${error.message}\n${USAGE}`);
    process.exitCode = 2;
  } else if (error instanceof NotInstalled) {
    console.error(error.message);
    process.exitCode = 1;
  } else {
    throw error;
  }
}
