/** Time as the outbox needs it: the time of day, because due times outlive the process, and timers. */
export interface Clock {
  /** Wall clock in milliseconds; it may be set forward and back at any time. */
  nowMs(): number;
  /** Calls `run` once after `delayMs`, unless the function that it returns is called before. */
  after(delayMs: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};
