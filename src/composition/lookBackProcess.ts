import { type ChildProcess, fork } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { LookBackAnswer, LookBackOrder } from './lookBackChild.ts';
import type { LookBackJob, LookBackResult } from './lookBackJob.ts';
import { FeedActivity, NEWS_INTERVAL_MS } from './lookBackPace.ts';

/** A process that was told to stop, or whose time is over, has this long for its answer. */
const STOP_MS = 10_000;
const ENTRY = fileURLToPath(new URL('./lookBackChild.js', import.meta.url));

/**
 * Runs a look-back in a process of its own: decoding a million events makes much garbage, and threads that collect it
 * for another thread of this process would take the processors from the feed. It is told all along whether the feed
 * is busy, and rests for most of the time while it is. Resolves early, with what was read until then, when `signal`
 * aborts. Rejects with an Error in plain words when the stream cannot be read or the process fails.
 *
 * @param position of the feed, which changes with each of its messages
 */
export async function runInProcess(
  job: LookBackJob,
  position: () => number,
  signal: AbortSignal,
): Promise<LookBackResult> {
  const child = fork(ENTRY, [], {
    // Helpers of the collector are as important to the system as the thread that the events wait for.
    execArgv: ['--single-threaded-gc'],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  giveWay(child);
  const stop = (): void => tell(child, 'stop');
  tell(child, job);
  const activity = new FeedActivity(position());
  const tellNews = (): void => {
    tell(child, activity.isBusy(position(), performance.now()) ? 'busy' : 'idle');
  };
  tellNews();
  const news = setInterval(tellNews, NEWS_INTERVAL_MS);
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  const overdue = setTimeout(() => child.kill('SIGKILL'), job.timeLimitMs + STOP_MS);
  try {
    const answer = await answerOf(child);
    if ('failure' in answer) throw new Error(answer.failure);
    return answer.result;
  } finally {
    clearTimeout(overdue);
    clearInterval(news);
    signal.removeEventListener('abort', stop);
  }
}

/**
 * Lets whoever waits for an event go first. From here and at once: the process loads its code at that priority too, and
 * on Linux the threads that it begins later have it from its first one.
 */
function giveWay({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // A sandbox that forbids it does not keep the look-back from being made.
  }
}

/** One that is gone hears nothing, and its exit is told apart. */
function tell(child: ChildProcess, message: LookBackJob | LookBackOrder): void {
  if (child.connected) child.send(message, () => undefined);
}

function answerOf(child: ChildProcess): Promise<LookBackAnswer> {
  return new Promise((resolve, reject) => {
    child.once('message', (answer) => resolve(answer as LookBackAnswer));
    child.once('error', reject);
    // After an answer this rejects nothing any more.
    child.once('exit', (code, signal) => {
      reject(
        new Error(`the process of the look-back ended without an answer (${signal ?? `exit code ${code}`})`),
      );
    });
  });
}
