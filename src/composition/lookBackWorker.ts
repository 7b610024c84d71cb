import { parentPort, workerData } from 'node:worker_threads';
import { type LookBackJob, type LookBackResult, runLookBack } from './lookBackJob.ts';

/** What the thread says, once. */
export type LookBackAnswer = { readonly result: LookBackResult } | { readonly failure: string };

/** The entry of the thread: it gets a job, answers once, and ends. Any message tells it to stop early. */
const abort = new AbortController();
parentPort?.once('message', () => abort.abort());

const answer = await runLookBack(workerData as LookBackJob, abort.signal).then(
  (result): LookBackAnswer => ({ result }),
  (error: unknown): LookBackAnswer => ({ failure: error instanceof Error ? error.message : String(error) }),
);
parentPort?.postMessage(answer);
parentPort?.close();
