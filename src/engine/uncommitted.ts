/** An applied group and what it wants written. */
export interface AppliedGroup {
  readonly messages: number;
  /** When it was begun, by the engine's clock. */
  readonly sinceMs: number;
  /** Asked of the store already, which makes writes in the order in which they are asked for. */
  readonly fires: Promise<unknown>;
  /** On their way to another stream, in no order. */
  readonly rejections: Promise<unknown>;
  /** Bytes of the messages that were rejected, which are kept until they are stored. */
  readonly rejectedBytes: number;
  /** Called once all of it is written, and all of the groups before. */
  readonly onWritten: () => void;
}

/** Messages whose effects may be on their way to the disk while further ones are applied. */
const MESSAGES_MAX = 8_000;
/** The same for the bytes of rejected messages. */
const REJECTED_BYTES_MAX = 16 * 2 ** 20;

/**
 * The groups that are applied and not written yet. They are written while later ones are applied, because to wait for
 * each commit leaves the processor idle and lets messages pile up, which outlive the collection of young garbage then.
 *
 * What enters: applied groups, in stream order. What leaves, in that order: `onWritten`. A write that cannot be made
 * calls `onFailure`, and nothing of that group or a later one counts as written.
 */
export class Uncommitted {
  private readonly onFailure: (error: unknown) => void;
  private readonly waiting: {
    readonly messages: number;
    readonly sinceMs: number;
    written: Promise<void>;
  }[] = [];
  private messages = 0;
  private rejectedBytes = 0;
  private last: Promise<unknown> = Promise.resolve();
  private lastRejections: Promise<unknown> = Promise.resolve();

  constructor(onFailure: (error: unknown) => void) {
    this.onFailure = onFailure;
  }

  /** When the oldest group that is not written was begun; null: all are written. */
  get sinceMs(): number | null {
    return this.waiting[0]?.sinceMs ?? null;
  }

  add({ messages, sinceMs, fires, rejections, rejectedBytes, onWritten }: AppliedGroup): void {
    const written = Promise.all([this.last, fires, rejections]).then(() => {
      this.waiting.shift();
      this.messages -= messages;
      this.rejectedBytes -= rejectedBytes;
      onWritten();
    });
    written.catch(this.onFailure);
    this.waiting.push({ messages, sinceMs, written });
    this.messages += messages;
    this.rejectedBytes += rejectedBytes;
    this.last = written;
    // Its value must not hold on to that of the one before.
    this.lastRejections = Promise.all([this.lastRejections, rejections]).then(() => undefined);
    this.lastRejections.catch(() => undefined);
  }

  /** Resolves when another group may be applied. Rejects after a write that cannot be made. */
  async room(): Promise<void> {
    while (this.messages > MESSAGES_MAX || this.rejectedBytes > REJECTED_BYTES_MAX) {
      await this.waiting[0]!.written;
    }
  }

  /** Resolves when all that was applied so far is written. Rejects after a write that cannot be made. */
  async written(): Promise<void> {
    await this.last;
  }

  /** Resolves when what was rejected so far is stored. Rejects when it cannot be. */
  async rejectionsStored(): Promise<void> {
    await this.lastRejections;
  }
}
