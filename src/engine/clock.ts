/** Time as the engine needs it: durations and a beat, never the time of day. */
export interface Clock {
  /** Milliseconds of a clock that only goes forward. */
  nowMs(): number;
  /** Calls `run` every `intervalMs` until the function that it returns is called. */
  every(intervalMs: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  every: (intervalMs, run) => {
    const timer = setInterval(run, intervalMs);
    return () => clearInterval(timer);
  },
};
