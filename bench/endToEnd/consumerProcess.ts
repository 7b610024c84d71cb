import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Usage } from './rounds.ts';

const run = promisify(execFile);
/** The build; benchmarks and tests run from the root of the project. */
const CONSUMER = resolve('dist/bench/endToEnd/consumer.js');
const RUN_MS_MAX = 10 * 60_000;

/**
 * What a reader of the stream does with each message. The first two are the vendor's client alone; each of the
 * others is the program's own code with one stage more than the one before it.
 */
export type ConsumerStage = 'noop' | 'parse' | 'receive' | 'decode' | 'match';

/** Runs a stage over the whole stream in a process of its own, under the same options as the program. */
export async function runConsumer(stage: ConsumerStage, natsUrl: string, scale: number): Promise<Usage> {
  const { stdout } = await run(process.execPath, [CONSUMER, stage, natsUrl, String(scale)], {
    timeout: RUN_MS_MAX,
  });
  return JSON.parse(stdout) as Usage;
}

/** Starts to measure this process; what it returns gives the usage since. */
export function usageSince(): () => Usage {
  const startedMs = performance.now();
  const startedCpu = process.cpuUsage();
  return () => {
    const wallSeconds = (performance.now() - startedMs) / 1000;
    const { user, system } = process.cpuUsage(startedCpu);
    return { wallSeconds, cpuSeconds: (user + system) / 1e6 };
  };
}
