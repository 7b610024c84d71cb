import { Worker } from 'node:worker_threads';
import type { LookBackJob, LookBackResult } from './lookBackJob.ts';
import type { LookBackAnswer } from './lookBackWorker.ts';

/** A thread that was told to stop, or whose time is over, has this long for its answer. */
const STOP_MS = 10_000;

/**
 * Runs a look-back in a thread of its own, so that decoding a million events holds up nothing. Resolves early, with
 * what was read until then, when `signal` aborts. Rejects with an Error in plain words when the stream cannot be read
 * or the thread fails.
 */
export async function runInThread(job: LookBackJob, signal: AbortSignal): Promise<LookBackResult> {
  const worker = new Worker(new URL('./lookBackWorker.js', import.meta.url), { workerData: job });
  const stop = (): void => worker.postMessage('stop');
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  const overdue = setTimeout(() => void worker.terminate(), job.timeLimitMs + STOP_MS);
  try {
    const answer = await answerOf(worker);
    if ('failure' in answer) throw new Error(answer.failure);
    return answer.result;
  } finally {
    clearTimeout(overdue);
    signal.removeEventListener('abort', stop);
  }
}

function answerOf(worker: Worker): Promise<LookBackAnswer> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    // After an answer this rejects nothing any more.
    worker.once('exit', () => reject(new Error('the thread of the look-back ended without an answer')));
  });
}
