import type { Clock } from './clock.ts';

/** Timers are set again at least this often, so that a change of the wall clock is noticed. */
const TIMER_MS_MAX = 60_000;

/** One timer for the earliest of many times. */
export class WakeTimer {
  readonly #clock: Clock;
  readonly #wake: () => void;
  #cancel: () => void = () => {};
  #atMs: number | null = null;

  constructor(clock: Clock, wake: () => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  /** Wakes at that time, in milliseconds of the wall clock, or somewhat earlier; null: not at all. */
  set(atMs: number | null): void {
    if (atMs === this.#atMs) return;
    this.#cancel();
    this.#atMs = atMs;
    if (atMs === null) return;
    const delayMs = Math.min(Math.max(atMs - this.#clock.nowMs(), 0), TIMER_MS_MAX);
    this.#cancel = this.#clock.after(delayMs, () => {
      this.#atMs = null;
      this.#wake();
    });
  }

  stop(): void {
    this.#cancel();
  }
}
