import { fork } from 'node:child_process';
import { resolve } from 'node:path';
import type { CompletedLeads } from './run.ts';
import type { WorkerResult, WorkerTask } from './worker.ts';

/** The build; benchmarks and tests run from the root of the project. */
const WORKER = resolve('dist/bench/peers/worker.js');

/** Runs a contestant in a process of its own, so that each one's memory is its own. */
export function contest(task: WorkerTask): Promise<WorkerResult> {
  return new Promise((resolve, reject) => {
    const child = fork(WORKER, [JSON.stringify(task)], { execArgv: [] });
    child.once('message', (result) => resolve(result as WorkerResult));
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      reject(new Error(`${task.contestant} ended without a result (exit code ${code}, signal ${signal})`));
    });
  });
}

/** Pairs of a sequence and a lead that one of the two has and the other has not; none: they agree exactly. */
export function differences(expected: CompletedLeads, actual: CompletedLeads): string[] {
  const missing = pairsOf(expected).filter(({ id, lead }) => actual[id]?.includes(lead) !== true);
  const added = pairsOf(actual).filter(({ id, lead }) => expected[id]?.includes(lead) !== true);
  return [
    ...missing.map(({ id, lead }) => `${id} lacks ${lead}`),
    ...added.map(({ id, lead }) => `${id} has ${lead} in addition`),
  ];
}

export function pairsOf(completed: CompletedLeads): { id: string; lead: string }[] {
  return Object.entries(completed).flatMap(([id, leads]) => leads.map((lead) => ({ id, lead })));
}
