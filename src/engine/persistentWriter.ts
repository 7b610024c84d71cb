import type { Clock } from './clock.ts';
import type { LoggerPort } from './ports.ts';

/** Pause before a failed write is tried again: a full disk or a server that is gone wants time, not haste. */
const RETRY_PAUSE_MS = 500;

/**
 * Repeats writes until they succeed, because going on without them would lose what they hold. Meanwhile the
 * caller waits, and with it the feed; `trouble` says why.
 */
export class PersistentWriter {
  private readonly logger: LoggerPort;
  private readonly clock: Clock;
  private readonly troubles = new Map<string, string>();
  private readonly abandoned = new AbortController();

  constructor(logger: LoggerPort, clock: Clock) {
    this.logger = logger;
    this.clock = clock;
  }

  /** What cannot be written now, a sentence each. */
  get trouble(): readonly string[] {
    return [...this.troubles.values()];
  }

  /** Ends all retries: writes that do not succeed at once reject from now on. */
  abandon(): void {
    this.abandoned.abort(new Error('given up, because the program stops'));
  }

  /** @throws only after `abandon`. */
  async write<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const result = await attempt();
        this.troubles.delete(what);
        return result;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.troubles.set(what, `${what} cannot be written: ${reason}`);
        this.logger.error({ err: error }, `${what} cannot be written; trying again`);
        await this.clock.sleep(RETRY_PAUSE_MS, this.abandoned.signal);
      }
    }
  }
}
