import { constants, setPriority } from 'node:os';
import { type LookBackJob, type LookBackResult, runLookBack } from './lookBackJob.ts';

/** What the process says, once. */
export type LookBackAnswer = { readonly result: LookBackResult } | { readonly failure: string };

/**
 * The entry of the process: it is told a job, answers once, and ends. Any other message tells it to stop early; when
 * the one that asked is gone, nobody waits for an answer.
 */
giveWay();
const abort = new AbortController();
process.once('disconnect', () => process.exit());
// A terminal interrupts all processes at once; the one that asked says what is to be done.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
process.once('message', (job: LookBackJob) => {
  process.once('message', () => abort.abort());
  void run(job);
});

async function run(job: LookBackJob): Promise<void> {
  const answer = await runLookBack(job, abort.signal).then(
    (result): LookBackAnswer => ({ result }),
    (error: unknown): LookBackAnswer => ({ failure: error instanceof Error ? error.message : String(error) }),
  );
  process.send?.(answer, () => process.disconnect());
}

/** Lets whoever waits for an event go first. */
function giveWay(): void {
  try {
    setPriority(constants.priority.PRIORITY_LOW);
  } catch {
    // A sandbox that forbids it does not keep the look-back from being made.
  }
}
