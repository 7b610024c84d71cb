/** The attempt took longer than it may. */
export class DeadlineError extends Error {
  constructor(timeoutMs: number) {
    super(`no complete answer within ${timeoutMs} ms`);
  }
}

/** What ends an attempt when the process goes down. */
export function shutdownError(): DOMException {
  return new DOMException('the process is going down', 'AbortError');
}

/**
 * Runs `work` under a deadline for all of it. Its signal aborts when the time is up or when `parent` does;
 * the result then is a `DeadlineError`, or an `AbortError`, even if the work does not heed the signal.
 */
export async function withDeadline<T>(
  timeoutMs: number,
  parent: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new DeadlineError(timeoutMs)), timeoutMs);
  // Not by combined signals: they stay reachable from a parent that lives as long as the process.
  const stopWaiting = whenAborted(parent, () => controller.abort(shutdownError()));
  try {
    return await Promise.race([rejectionOf(controller.signal), work(controller.signal)]);
  } finally {
    clearTimeout(timer);
    stopWaiting();
  }
}

function rejectionOf(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** Of each signal, those who wait for it. */
const waiters = new WeakMap<AbortSignal, Waiter[]>();

interface Waiter {
  readonly callback: () => void;
  /** Where it stands among the others; -1 when it waits no more. */
  place: number;
}

/**
 * Calls back when a signal aborts, at once where it has already. The result takes that back.
 *
 * However many wait, the signal has one listener. One for each is removed in time and yet kept: it goes on pointing at
 * the next, so that once one of them is old, the collector of young garbage keeps every later one with its attempt.
 */
export function whenAborted(signal: AbortSignal, callback: () => void): () => void {
  if (signal.aborted) {
    callback();
    return () => {};
  }
  const waiting = waiters.get(signal) ?? firstWaiters(signal);
  const waiter = { callback, place: waiting.length };
  waiting.push(waiter);
  return () => remove(waiting, waiter);
}

function firstWaiters(signal: AbortSignal): Waiter[] {
  const waiting: Waiter[] = [];
  waiters.set(signal, waiting);
  signal.addEventListener('abort', () => {
    for (let waiter = waiting.pop(); waiter !== undefined; waiter = waiting.pop()) {
      waiter.place = -1;
      waiter.callback();
    }
  });
  return waiting;
}

/** The last one takes its place. */
function remove(waiting: Waiter[], waiter: Waiter): void {
  if (waiter.place === -1) return;
  const last = waiting.pop()!;
  if (last !== waiter) {
    waiting[waiter.place] = last;
    last.place = waiter.place;
  }
  waiter.place = -1;
}
