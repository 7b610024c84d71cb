import { setTimeout as sleep } from 'node:timers/promises';
import type { ClockMemory, HistoryMetrics, HistoryPort, Log, RemovalStep } from './ports.ts';

/** Rounds come this often, and more often where the age is short. */
const ROUND_MS_MAX = 60 * 60 * 1000;
const ROUND_MS_MIN = 100;
const ROUNDS_PER_AGE = 10;
/** Between two steps the feed and the outbox have the process and the disk for themselves. */
const STEP_PAUSE_MS = 20;
/** A wall clock that has gone ahead by more than this since the last round is believed after as long a time. */
const PATIENCE_MS_MAX = 24 * 60 * 60 * 1000;

export interface HistoryKeeperOptions {
  readonly history: HistoryPort;
  /** How long fires and deliveries are kept after the last thing that happened to them. */
  readonly maxAgeMs: number;
  readonly log: Log;
  readonly metrics: HistoryMetrics;
  /** Wall clock in milliseconds. */
  readonly now?: () => number;
}

/**
 * Removes what is older than the configured age, in rounds of small steps.
 *
 * Age is measured by two clocks, and the slower one counts: the wall clock, and the arrival clock of the
 * stream at the checkpoint on disk. When the wall clock is found far ahead of the round before, because it was
 * set wrongly or because the program did not run, nothing is removed for a day (or for the age, where that is
 * shorter): time to see the warning and to set it right. So is it at the first round ever.
 */
export class HistoryKeeper {
  readonly #options: HistoryKeeperOptions;
  readonly #now: () => number;
  readonly #patienceMs: number;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: HistoryKeeperOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#patienceMs = Math.min(PATIENCE_MS_MAX, options.maxAgeMs);
  }

  /** Begins with a round at once. To be called once. */
  start(): void {
    const intervalMs = this.#options.maxAgeMs / ROUNDS_PER_AGE;
    this.#running = this.#repeat(Math.min(ROUND_MS_MAX, Math.max(ROUND_MS_MIN, intervalMs)));
  }

  /** Resolves when the step under way is over; what is left is removed after the next start. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** One round: all that may go now. Rejects when the store cannot be written. */
  async round(): Promise<void> {
    const nowMs = this.#now();
    const arrivalMs = this.#options.history.arrivalClockMs();
    if (!(await this.#trusts(nowMs)) || arrivalMs === null) return;
    const untilMs = Math.min(nowMs, arrivalMs) - this.#options.maxAgeMs;
    const removed = await this.#removeFires(untilMs);
    const sequences = await this.#removeSequences();
    if (removed.fires === 0 && sequences === 0) return;
    const fields = { ...removed, sequences, olderThan: new Date(untilMs).toISOString() };
    this.#options.log.info(fields, 'removed old history');
  }

  async #repeat(intervalMs: number): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.round();
      } catch (error) {
        this.#options.log.error(
          { err: error },
          'old history could not be removed; the next round tries again',
        );
      }
      await this.#pause(intervalMs);
    }
  }

  /** Notes the time, and says whether the clock has gone on steadily for long enough. */
  async #trusts(nowMs: number): Promise<boolean> {
    const { history, log } = this.#options;
    const before = history.clockMemory();
    const memory = remember(before, nowMs, this.#patienceMs);
    await history.rememberClock(memory);
    if (before !== null && nowMs > before.seenMs + this.#patienceMs) {
      const fields = {
        lastRound: new Date(before.seenMs).toISOString(),
        removesFrom: new Date(memory.trustedFromMs).toISOString(),
      };
      log.warn(
        fields,
        'the clock is far ahead of the last removal of old history, so nothing is removed for now',
      );
    }
    return nowMs >= memory.trustedFromMs;
  }

  async #removeFires(untilMs: number): Promise<RemovalStep['removed'] & { kept: number }> {
    const { history, metrics } = this.#options;
    const sum = { fires: 0, deliveries: 0, attempts: 0, kept: 0 };
    let place: RemovalStep['next'] = null;
    do {
      const { removed, kept, next }: RemovalStep = await history.removeStep(place, untilMs);
      metrics.onRemoved(removed);
      sum.fires += removed.fires;
      sum.deliveries += removed.deliveries;
      sum.attempts += removed.attempts;
      sum.kept += kept;
      place = next;
      await this.#pause(STEP_PAUSE_MS);
    } while (place !== null && !this.#stop.signal.aborted);
    return sum;
  }

  async #removeSequences(): Promise<number> {
    const { history, metrics } = this.#options;
    let sum = 0;
    let place: Awaited<ReturnType<HistoryPort['removeSequencesStep']>>['next'] = null;
    do {
      const { removed, next } = await history.removeSequencesStep(place);
      metrics.onRemoved({ sequences: removed });
      sum += removed;
      place = next;
      await this.#pause(STEP_PAUSE_MS);
    } while (place !== null && !this.#stop.signal.aborted);
    return sum;
  }

  async #pause(durationMs: number): Promise<void> {
    // It rejects when the keeper is stopped, which the caller looks at next.
    await sleep(durationMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }
}

/**
 * What to remember of a clock that shows `nowMs`. It is trusted once it has gone on for as long as the patience
 * lasts without a leap that is longer; a clock that was set back waits no longer than that either.
 */
function remember(before: ClockMemory | null, nowMs: number, patienceMs: number): ClockMemory {
  const latestMs = nowMs + patienceMs;
  const leapt = before === null || nowMs > before.seenMs + patienceMs;
  return { seenMs: nowMs, trustedFromMs: leapt ? latestMs : Math.min(before.trustedFromMs, latestMs) };
}
