import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { LookBackAnswer, LookBackOrder } from './lookBackChild.ts';
import type { LookBackJob, LookBackResult } from './lookBackJob.ts';
import { FeedActivity, NEWS_INTERVAL_MS } from './lookBackPace.ts';

/** A process that was told to stop, or whose time is over, has this long for its answer. */
const STOP_MS = 10_000;
/** One that waited and was killed ends within this time of being asked. */
const LATE_EXIT_MS = 1_000;
/** For how long a process waits for the next look-back. It holds some 130 MB meanwhile. */
const KEPT_MS = 600_000;
const ENTRY = fileURLToPath(new URL('./lookBackChild.js', import.meta.url));

/** How a process ended that gave no answer. */
interface Exit {
  readonly exit: string;
}

/** How far the feed is. */
export interface FeedPlace {
  /** Changes with each message. */
  readonly position: number;
  /** For how long it has been there, in milliseconds. */
  readonly sinceMs: number;
}

/**
 * Runs look-backs, one at a time, in a process of their own: decoding a million events makes much garbage, and threads
 * that collect it for another thread of this process would take the processors from the feed. The process stays for
 * the next one for a while: beginning it holds this process up, and has it compile all its code anew. It ends with
 * this process, whatever ends that.
 */
export class LookBackProcess {
  readonly #keptMs: number;
  #kept: ChildProcess | undefined;
  #expiry: NodeJS.Timeout | undefined;

  constructor(keptMs = KEPT_MS) {
    this.#keptMs = keptMs;
  }

  /**
   * The process is told all along whether the feed is busy, and rests for most of the time while it is. Resolves early,
   * with what was read until then, when `signal` aborts. Rejects with an Error in plain words when the stream cannot
   * be read or the process fails.
   */
  async run(job: LookBackJob, feed: () => FeedPlace, signal: AbortSignal): Promise<LookBackResult> {
    const askedMs = performance.now();
    const kept = this.#take();
    let end = kept === undefined ? undefined : await this.#ask(kept, job, feed, signal);
    // That one which waited was killed may not be known yet when it is asked.
    const wasDead = end !== undefined && 'exit' in end && performance.now() - askedMs < LATE_EXIT_MS;
    if (end === undefined || wasDead) end = await this.#ask(begin(), job, feed, signal);
    if ('exit' in end) throw new Error(`the process of the look-back ended without an answer (${end.exit})`);
    if ('failure' in end) throw new Error(end.failure);
    return end.result;
  }

  async #ask(
    child: ChildProcess,
    job: LookBackJob,
    feed: () => FeedPlace,
    signal: AbortSignal,
  ): Promise<LookBackAnswer | Exit> {
    const kill = (): void => void child.kill('SIGKILL');
    let overdue = setTimeout(kill, job.timeLimitMs + STOP_MS);
    const stop = (): void => {
      tell(child, 'stop');
      clearTimeout(overdue);
      overdue = setTimeout(kill, STOP_MS);
    };
    const { position, sinceMs } = feed();
    const activity = new FeedActivity(position, performance.now() - sinceMs);
    const tellNews = (): void => {
      const news = activity.news(feed().position, performance.now());
      if (news !== undefined) tell(child, news);
    };
    const beat = setInterval(tellNews, NEWS_INTERVAL_MS);
    signal.addEventListener('abort', stop, { once: true });
    try {
      tell(child, job);
      tellNews();
      if (signal.aborted) stop();
      const end = await endOf(child);
      if (!('exit' in end)) this.#keep(child);
      return end;
    } catch (error) {
      // Whatever it does now, nobody listens.
      kill();
      throw error;
    } finally {
      clearTimeout(overdue);
      clearInterval(beat);
      signal.removeEventListener('abort', stop);
    }
  }

  /** The one that waits, if there is one. */
  #take(): ChildProcess | undefined {
    clearTimeout(this.#expiry);
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept?.connected !== true) return undefined;
    kept.ref();
    kept.channel?.ref();
    return kept;
  }

  /** While it waits, it does not keep this process from ending. */
  #keep(child: ChildProcess): void {
    child.unref();
    child.channel?.unref();
    this.#kept = child;
    this.#expiry = setTimeout(() => {
      if (child.connected) child.disconnect();
    }, this.#keptMs).unref();
  }
}

function begin(): ChildProcess {
  const child = fork(ENTRY, [], {
    // V8's helpers, which collect garbage and compile, would take the second processor of two from the events.
    execArgv: ['--single-threaded'],
    serialization: 'advanced',
    // A session of its own: where the system weighs sessions against each other, this one is to be light as a whole.
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  giveWay(child);
  // Whoever waits for an answer hears of it too; while nobody does, its exit says enough.
  child.on('error', () => undefined);
  return child;
}

/**
 * Lets whoever waits for an event go first. From here and at once: the process loads its code at that priority too, and
 * on Linux the threads that it begins later have it from its first one. There a priority may count within a session
 * only (autogroup, sched(7)), so the session gets it too: the NATS server, which has another, is to go first as well.
 */
function giveWay({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  const priority = constants.priority.PRIORITY_LOW;
  try {
    setPriority(pid, priority);
    writeFileSync(`/proc/${pid}/autogroup`, String(priority));
    // Those that it had begun before, where this thread had to wait meanwhile.
    for (const thread of readdirSync(`/proc/${pid}/task`)) setPriority(Number(thread), priority);
  } catch {
    // A system that forbids it, or has none, does not keep the look-back from being made.
  }
}

/** One that is gone hears nothing, and its exit is told apart. */
function tell(child: ChildProcess, message: LookBackJob | LookBackOrder): void {
  if (child.connected) child.send(message, () => undefined);
}

/** Resolves with what it answers, or with how it ended without an answer. */
async function endOf(child: ChildProcess): Promise<LookBackAnswer | Exit> {
  const settled = new AbortController();
  const { signal } = settled;
  const answered = once(child, 'message', { signal }).then(([answer]) => answer as LookBackAnswer);
  const exited = once(child, 'exit', { signal }).then(
    ([code, killedBy]): Exit => ({ exit: killedBy ?? `exit code ${code}` }),
  );
  try {
    return await Promise.race([answered, exited]);
  } finally {
    settled.abort();
  }
}
