import type { BreakerState, BreakerStatus } from '../model/destination.ts';

export interface BreakerSettings {
  /** So many failures in a row open it, once they have gone on for `streakMsMin`: a short restart does not. */
  readonly failuresMin: number;
  readonly streakMsMin: number;
  /** How long it stays open at first; twice as long each time, up to the most. */
  readonly pauseMsMin: number;
  readonly pauseMsMax: number;
}

export const DEFAULT_BREAKER: BreakerSettings = {
  failuresMin: 5,
  streakMsMin: 10_000,
  pauseMsMin: 5_000,
  pauseMsMax: 5 * 60_000,
};

/** Of a destination that nothing is known of. */
export const UNTRIED: BreakerStatus = { state: 'closed', failuresInARow: 0, untilMs: null };

const JITTER = 0.2;

/**
 * Spares a destination that fails, and the deliveries to it their attempts. Of three states (M. Nygard, Release
 * It!, 2007):
 *
 * | state | attempts | left by |
 * |---|---|---|
 * | closed | all | `failuresMin` failures in a row over `streakMsMin`: open |
 * | open | none | the end of its pause: half open |
 * | half open | one | its success: closed; its failure: open, for longer |
 */
export class Breaker {
  readonly #settings: BreakerSettings;
  /** Uniform in [0, 1). */
  readonly #random: () => number;
  #failuresInARow = 0;
  #streakBeganMs = 0;
  #openings = 0;
  #openUntilMs: number | null = null;
  #isProbing = false;
  #probeBeganMs = 0;

  constructor(settings: BreakerSettings, random: () => number) {
    this.#settings = settings;
    this.#random = random;
  }

  get failuresInARow(): number {
    return this.#failuresInARow;
  }

  /** Since when every attempt has failed; meaningless while none has. */
  get failingSinceMs(): number {
    return this.#streakBeganMs;
  }

  /** When an open breaker lets an attempt through; null while it is not open. */
  get openUntilMs(): number | null {
    return this.#isProbing ? null : this.#openUntilMs;
  }

  /** When the next attempt may begin; a clock that was set back makes it wait no longer than the longest pause. */
  mayBeginAtMs(nowMs: number): number {
    if (this.#openUntilMs === null) return 0;
    this.#openUntilMs = Math.min(this.#openUntilMs, nowMs + 2 * this.#settings.pauseMsMax);
    return this.#isProbing ? 0 : this.#openUntilMs;
  }

  status(nowMs: number): BreakerStatus {
    return {
      state: this.state(nowMs),
      failuresInARow: this.#failuresInARow,
      untilMs: this.openUntilMs,
    };
  }

  state(nowMs: number): BreakerState {
    if (this.#openUntilMs === null) return 'closed';
    return this.#isProbing || nowMs >= this.#openUntilMs ? 'half_open' : 'open';
  }

  /** Whether an attempt may begin now; to be followed by `began` when it does. */
  mayBegin(nowMs: number): boolean {
    return !this.#isProbing && (this.#openUntilMs === null || nowMs >= this.#openUntilMs);
  }

  began(nowMs: number): void {
    if (this.#openUntilMs === null) return;
    this.#isProbing = true;
    this.#probeBeganMs = nowMs;
  }

  /** No attempt was made after all. */
  unbegan(): void {
    this.#isProbing = false;
  }

  /** The attempt met with an answer that is no failure of the destination. */
  succeeded(): void {
    this.#failuresInARow = 0;
    this.#openings = 0;
    this.#openUntilMs = null;
    this.#isProbing = false;
  }

  /**
   * @param beganMs when the attempt began
   * @param retryAfterMs for how long the destination asks to be left alone; null: it does not
   * @returns whether this was the attempt that an open breaker had let through
   */
  failed(beganMs: number, nowMs: number, retryAfterMs: number | null): boolean {
    if (this.#failuresInARow === 0) this.#streakBeganMs = beganMs;
    this.#failuresInARow += 1;
    const wasProbe = this.#isProbing && beganMs >= this.#probeBeganMs;
    // Attempts that had begun before it opened say nothing new.
    if (this.#openUntilMs !== null && !wasProbe) return false;
    const { failuresMin, streakMsMin } = this.#settings;
    const isStreak = this.#failuresInARow >= failuresMin && nowMs - this.#streakBeganMs >= streakMsMin;
    if (wasProbe || isStreak) this.#open(nowMs, retryAfterMs ?? 0);
    return wasProbe;
  }

  #open(nowMs: number, atLeastMs: number): void {
    const { pauseMsMin, pauseMsMax } = this.#settings;
    const pauseMs = Math.min(pauseMsMin * 2 ** this.#openings, pauseMsMax);
    const jitteredMs = Math.round(pauseMs * (1 - JITTER + 2 * JITTER * this.#random()));
    this.#openings += 1;
    this.#isProbing = false;
    this.#openUntilMs = nowMs + Math.max(jitteredMs, Math.min(atLeastMs, pauseMsMax));
  }
}
