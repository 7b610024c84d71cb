import { constants, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { type LookBackJob, type LookBackResult, runLookBack } from './lookBackJob.ts';

/** What the thread says, once. */
export type LookBackAnswer = { readonly result: LookBackResult } | { readonly failure: string };

/** The entry of the thread: it gets a job, answers once, and ends. Any message tells it to stop early. */
const abort = new AbortController();
parentPort?.once('message', () => abort.abort());
giveWay();

const answer = await runLookBack(workerData as LookBackJob, abort.signal).then(
  (result): LookBackAnswer => ({ result }),
  (error: unknown): LookBackAnswer => ({ failure: error instanceof Error ? error.message : String(error) }),
);
parentPort?.postMessage(answer);
parentPort?.close();

/**
 * Lets threads that wait for an event go first. On Linux a thread has a priority of its own, and 0 names the one that
 * asks; elsewhere it would be that of the whole process.
 */
function giveWay(): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(0, constants.priority.PRIORITY_LOW);
  } catch {
    // A sandbox that forbids it does not keep the look-back from being made.
  }
}
