import type { Clock } from './clock.ts';
import type { Lane } from './lane.ts';
import type { DeliveryQueue, Log } from './ports.ts';
import type { Settlement } from './retry.ts';

const BATCH_MAX = 500;
/** Outcomes that may wait: as many attempts are made again after a crash at most, and those under way. */
const WAITING_MAX = 1_000;
/** When as many came during one transaction, the next takes more along after a pause: few are much the same work. */
const RUSH_MIN = 8;
const PAUSE_MS = 10;

interface Entry {
  readonly lane: Lane;
  readonly settlement: Settlement;
}

export interface RecorderOptions {
  readonly queue: Pick<DeliveryQueue, 'recordAttempts'>;
  readonly log: Log;
  readonly clock: Clock;
  onRecorded(lane: Lane, settlement: Settlement): void;
  /** The store did not take it: the attempt will be made again. */
  onFailed(lane: Lane, settlement: Settlement): void;
  /** Told after each transaction. */
  onBatch(): void;
}

/**
 * Stores the outcomes of attempts, those that come while some are being stored together as the next; in a rush also
 * those of shortly after. An attempt gives its place free before: what comes after need not wait for the disk.
 */
export class Recorder {
  readonly #options: RecorderOptions;
  #waiting: Entry[] = [];
  #running: Promise<void> | null = null;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  record(lane: Lane, settlement: Settlement): void {
    this.#waiting.push({ lane, settlement });
    this.#running ??= this.#run();
  }

  /** Whether so much waits for the store that no more attempts should begin. */
  get isFull(): boolean {
    return this.#waiting.length >= WAITING_MAX;
  }

  /** Resolves when nothing waits to be stored. */
  async finished(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#storeSome(this.#waiting.splice(0, BATCH_MAX));
      const count = this.#waiting.length;
      if (count >= RUSH_MIN && count < BATCH_MAX) await this.#pause();
    }
    this.#running = null;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#options.clock.after(PAUSE_MS, resolve);
    });
  }

  async #storeSome(entries: readonly Entry[]): Promise<void> {
    const { queue, log, onRecorded, onFailed, onBatch } = this.#options;
    try {
      const missing = await queue.recordAttempts(entries.map(({ settlement }) => settlement));
      for (const id of missing)
        log.error({ deliveryId: id }, 'a delivery that was attempted has no row any more');
      for (const { lane, settlement } of entries) onRecorded(lane, settlement);
    } catch (error) {
      const fields = { attempts: entries.length, error: String(error) };
      log.error(fields, 'the outcomes of delivery attempts could not be stored; they will be made again');
      for (const { lane, settlement } of entries) onFailed(lane, settlement);
    }
    onBatch();
  }
}
