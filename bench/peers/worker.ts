import { CONTESTANTS, type Contestant } from './contestants.ts';
import type { Run } from './run.ts';
import { type WorkloadName, workloadOf } from './workload.ts';

/** What one process is to do: one contestant, one workload. */
export interface WorkerTask {
  readonly contestant: Contestant;
  readonly workload: WorkloadName;
}

export interface WorkerResult extends Run {
  /** Highest resident set size of the process, loading included. */
  readonly rssMaxMb: number;
}

// Whoever asked is gone: nobody waits for the result.
process.once('disconnect', () => process.exit());
const { contestant, workload } = JSON.parse(process.argv[2]!) as WorkerTask;
const run = await CONTESTANTS[contestant](workloadOf(workload));
const result: WorkerResult = { ...run, rssMaxMb: Math.round(process.resourceUsage().maxRSS / 1024) };
process.send!(result, () => process.exit());
