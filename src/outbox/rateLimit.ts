/** How much of the past may be caught up on, so that a timer that comes late does not lower the rate. */
const BURST_MS = 100;

/** Spaces attempts evenly: the generic cell rate algorithm, as of ITU-T I.371, with a burst of 100 ms. */
export class RateLimit {
  #nextMs = 0;

  /** When the next attempt may begin; a time in the past: at once. */
  get nextMs(): number {
    return this.#nextMs;
  }

  /** As `nextMs`; a clock that was set back makes the next attempt wait no longer than usual. */
  mayBeginAtMs(nowMs: number, ratePerSecond: number): number {
    this.#nextMs = Math.min(this.#nextMs, nowMs + 1000 / ratePerSecond);
    return this.#nextMs;
  }

  /** Counts an attempt that begins now. */
  began(nowMs: number, ratePerSecond: number): void {
    // A clock that was set back must not stop the lane.
    const nextMs = Math.min(this.#nextMs, nowMs);
    this.#nextMs = Math.max(nextMs, nowMs - BURST_MS) + 1000 / ratePerSecond;
  }
}
