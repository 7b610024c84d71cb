import { setTimeout as sleep } from 'node:timers/promises';
import { type LookBackJob, type LookBackResult, runLookBack } from './lookBackJob.ts';
import { type FeedNews, Pace } from './lookBackPace.ts';

/** What the process is told, any number of times: a job, and while one is done, what follows a look-back. */
export type LookBackOrder = FeedNews | 'stop';

/** What the process says, once for each job. */
export type LookBackAnswer = { readonly result: LookBackResult } | { readonly failure: string };

/**
 * The entry of the process: it is told a job, answers it, and waits for the next. Orders tell it how busy the feed is,
 * or to stop early; when the one that asks is gone, nobody waits for an answer.
 */
let abort = new AbortController();
let pace = new Pace(usedMs);
process.once('disconnect', () => process.exit());
// A supervisor may signal all processes at once; the one that asks says what is to be done.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
process.on('message', (message: LookBackJob | LookBackOrder) => {
  if (message === 'stop') {
    abort.abort();
  } else if (typeof message === 'string') {
    pace.hear(message, performance.now());
  } else {
    abort = new AbortController();
    // What was said of the feed during another look-back does not count.
    pace = new Pace(usedMs);
    void run(message, abort.signal);
  }
});

async function run(job: LookBackJob, signal: AbortSignal): Promise<void> {
  const answer = await runLookBack(job, signal, rest).then(
    (result): LookBackAnswer => ({ result }),
    (error: unknown): LookBackAnswer => ({ failure: error instanceof Error ? error.message : String(error) }),
  );
  // No garbage is collected here: with the objects of this look-back V8 would drop the code it compiled for their kind.
  process.send?.(answer, () => undefined);
}

async function rest(): Promise<number> {
  const sinceMs = performance.now();
  const ms = pace.restMs(sinceMs);
  // A timer takes a millisecond at least; what is less stays owed.
  if (ms < 1) return 0;
  await sleep(ms);
  return performance.now() - sinceMs;
}

/** Processor time of all threads of this process. */
function usedMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
