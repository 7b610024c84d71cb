/**
 * Runs work with a signal that aborts when `parent` does, or when a time is over.
 *
 * Not by `AbortSignal.timeout` within `AbortSignal.any`: nothing holds it there, and once it was collected as garbage it
 * never fires.
 *
 * @param ms null: no limit
 */
export async function withTimeLimit<T>(
  ms: number | null,
  parent: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (ms === null) return work(parent);
  const timeUp = new AbortController();
  const timer = setTimeout(() => timeUp.abort(), ms);
  try {
    return await work(AbortSignal.any([parent, timeUp.signal]));
  } finally {
    clearTimeout(timer);
  }
}
