import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { FeedMessage } from '../model/event.ts';
import type { FeedConsumer } from './feed.ts';
import { type PackedMessages, unpackMessages } from './packedMessages.ts';
import type { Logger } from './ports.ts';
import type { PullSettings } from './pull.ts';
import type { Order, ReceiverConnection, Report } from './receiverThread.ts';

const ENTRY = new URL('./receiverThread.js', import.meta.url);
/** The thread has so long to remove its consumer from the server and to close its connection. */
const END_MS_MAX = 1_000;

/**
 * Receives messages in a thread of its own, over a connection of its own: taking them off the wire and checking them
 * takes longer than matching them, and there is a second processor. What comes from there is packed, so that this
 * thread only makes strings of the fields.
 *
 * What enters: consumers that are to be opened, one at a time. What leaves: consumers, as `PullConsumer` is one. Should
 * the thread end by itself its consumer fails, and the next one begins another thread.
 */
export class ThreadedReceiver {
  readonly #connection: ReceiverConnection;
  readonly #logger: Logger;
  readonly #entry: URL;
  #thread: Thread | undefined;
  #consumersOpened = 0;
  #isClosed = false;

  /** @param entry the compiled thread, for callers that are not compiled themselves */
  constructor(connection: ReceiverConnection, logger: Logger, entry = ENTRY) {
    this.#connection = connection;
    this.#logger = logger;
    this.#entry = entry;
  }

  /** Opens a consumer; what was left of the one before is dropped. Throws an Error in plain words when that fails. */
  async open(settings: PullSettings): Promise<FeedConsumer> {
    if (this.#isClosed) throw new Error('the receiver is closed');
    if (this.#thread === undefined || this.#thread.hasEnded) {
      this.#thread = new Thread(this.#entry, this.#connection, this.#logger);
    }
    const consumer = new ThreadedConsumer(++this.#consumersOpened, this.#thread);
    this.#thread.open(consumer, settings);
    await consumer.opened;
    return consumer;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#thread?.end();
  }
}

/** One life of the thread. */
class Thread {
  readonly #worker: Worker;
  readonly #logger: Logger;
  readonly #exited: Promise<void>;
  #consumer: ThreadedConsumer | undefined;
  #problem = 'it stopped';
  hasEnded = false;

  constructor(entry: URL, connection: ReceiverConnection, logger: Logger) {
    this.#logger = logger;
    this.#worker = new Worker(entry, { workerData: connection });
    this.#worker.on('message', (report: Report) => this.#onReport(report));
    this.#worker.on('error', (error) => {
      this.#problem = error instanceof Error ? error.message : String(error);
    });
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.hasEnded = true;
        this.#consumer?.failed(`the receiving thread ended: ${this.#problem}`);
        resolve();
      });
    });
  }

  open(consumer: ThreadedConsumer, settings: PullSettings): void {
    this.#consumer?.failed('replaced');
    this.#consumer = consumer;
    this.tell({ kind: 'open', consumer: consumer.number, settings });
  }

  tell(order: Order): void {
    this.#worker.postMessage(order);
  }

  async end(): Promise<void> {
    this.tell({ kind: 'end' });
    await Promise.race([this.#exited, sleep(END_MS_MAX, undefined, { ref: false })]);
    await this.#worker.terminate();
  }

  #onReport(report: Report): void {
    if (report.kind === 'log') {
      this.#logger[report.level](report.fields, report.message);
      return;
    }
    const consumer = this.#consumer;
    if (consumer?.number !== report.consumer) return;
    if (report.kind === 'failed') {
      consumer.failed(report.reason);
      return;
    }
    consumer.pendingInThread = report.pending;
    if (report.kind === 'opened') consumer.isOpen();
    if (report.kind === 'messages') consumer.arrived(report.packed);
  }
}

/** This side of a consumer. After a failure what was not taken is dropped: the next consumer starts behind what was. */
class ThreadedConsumer implements FeedConsumer {
  readonly number: number;
  /** Rejects when it cannot be opened. */
  readonly opened: Promise<void>;
  /** Messages that the thread has yet to send. */
  pendingInThread = 0;
  readonly #thread: Thread;
  #blocks: PackedMessages[] = [];
  #untaken = 0;
  #failure: string | undefined;
  #onOpened: () => void = () => undefined;
  #onRefused: (error: Error) => void = () => undefined;
  #wake: () => void = () => undefined;

  constructor(number: number, thread: Thread) {
    this.number = number;
    this.#thread = thread;
    this.opened = new Promise((resolve, reject) => {
      this.#onOpened = resolve;
      this.#onRefused = reject;
    });
  }

  get pending(): number {
    return this.pendingInThread + this.#untaken;
  }

  /** Waits for at least one message and gives what has come, about `messagesMax` of it at most. */
  async take(messagesMax: number): Promise<readonly FeedMessage[] | { readonly failure: string }> {
    while (this.#failure === undefined && this.#blocks.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure !== undefined) return { failure: this.#failure };
    const taken: FeedMessage[][] = [];
    let messages = 0;
    let messageBytes = 0;
    do {
      const packed = this.#blocks.shift()!;
      taken.push(unpackMessages(packed));
      messages += packed.count;
      messageBytes += packed.messageBytes;
    } while (this.#blocks.length > 0 && messages + this.#blocks[0]!.count <= messagesMax);
    this.#untaken -= messages;
    this.#thread.tell({ kind: 'taken', consumer: this.number, messages, messageBytes });
    return taken.length === 1 ? taken[0]! : taken.flat();
  }

  fail(reason: string): void {
    this.failed(reason);
  }

  async close(): Promise<void> {
    this.failed('closed');
    this.#thread.tell({ kind: 'close', consumer: this.number });
  }

  async verify(): Promise<void> {
    this.#thread.tell({ kind: 'verify', consumer: this.number });
  }

  isOpen(): void {
    this.#onOpened();
  }

  arrived(packed: PackedMessages): void {
    if (this.#failure !== undefined) return;
    this.#blocks.push(packed);
    this.#untaken += packed.count;
    this.#wake();
  }

  /** The first reason counts. */
  failed(reason: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    this.#blocks = [];
    this.#onRefused(new Error(reason));
    this.#wake();
  }
}
