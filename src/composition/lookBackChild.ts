import { setTimeout as sleep } from 'node:timers/promises';
import { type LookBackJob, type LookBackResult, runLookBack } from './lookBackJob.ts';
import { type FeedNews, Pace } from './lookBackPace.ts';

/** What the process is told, after its job and any number of times. */
export type LookBackOrder = FeedNews | 'stop';

/** What the process says, once. */
export type LookBackAnswer = { readonly result: LookBackResult } | { readonly failure: string };

/**
 * The entry of the process: it is told a job, answers once, and ends. Orders that follow tell it how busy the feed is,
 * or to stop early; when the one that asked is gone, nobody waits for an answer.
 */
const abort = new AbortController();
const pace = new Pace(usedMs(), performance.now());
process.once('disconnect', () => process.exit());
// A terminal interrupts all processes at once; the one that asked says what is to be done.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
process.once('message', (job: LookBackJob) => {
  process.on('message', (order: LookBackOrder) => {
    if (order === 'stop') abort.abort();
    else pace.hear(order, performance.now());
  });
  void run(job);
});

async function run(job: LookBackJob): Promise<void> {
  const answer = await runLookBack(job, abort.signal, rest).then(
    (result): LookBackAnswer => ({ result }),
    (error: unknown): LookBackAnswer => ({ failure: error instanceof Error ? error.message : String(error) }),
  );
  process.send?.(answer, () => process.disconnect());
}

async function rest(): Promise<number> {
  const sinceMs = performance.now();
  const ms = pace.restMs(usedMs(), sinceMs);
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
