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
  const onParentAbort = () => controller.abort(shutdownError());
  const timer = setTimeout(() => controller.abort(new DeadlineError(timeoutMs)), timeoutMs);
  // Listeners by hand: combined signals stay reachable from a parent that lives as long as the process.
  parent.addEventListener('abort', onParentAbort);
  if (parent.aborted) onParentAbort();
  try {
    return await Promise.race([rejectionOf(controller.signal), work(controller.signal)]);
  } finally {
    clearTimeout(timer);
    parent.removeEventListener('abort', onParentAbort);
  }
}

function rejectionOf(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
