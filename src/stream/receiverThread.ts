import { parentPort, workerData } from 'node:worker_threads';
import { Events, NatsError } from 'nats';
import { type ConnectionSettings, openConnection, type StreamConnection } from './connection.ts';
import { type PackedMessages, packMessages } from './packedMessages.ts';
import { type Logger, messageOf } from './ports.ts';
import { type Delivered, PullConsumer, type PullSettings } from './pull.ts';

/** What the thread is begun with: plain data, which holds secrets. */
export type ReceiverConnection = Omit<ConnectionSettings, 'signal' | 'onFailedAttempt'>;

/** What the thread is told. A consumer goes by a number, and there is one at a time. */
export type Order =
  | { readonly kind: 'open'; readonly consumer: number; readonly settings: PullSettings }
  /** Messages of it were taken, and others may come instead. */
  | {
      readonly kind: 'taken';
      readonly consumer: number;
      readonly messages: number;
      readonly messageBytes: number;
    }
  | { readonly kind: 'verify'; readonly consumer: number }
  | { readonly kind: 'close'; readonly consumer: number }
  /** Closes the connection, after which the thread ends. */
  | { readonly kind: 'end' };

/** What the thread says. `pending` are messages that it has yet to send. */
export type Report =
  | { readonly kind: 'opened'; readonly consumer: number; readonly pending: number }
  | {
      readonly kind: 'messages';
      readonly consumer: number;
      readonly packed: PackedMessages;
      readonly pending: number;
    }
  | { readonly kind: 'pending'; readonly consumer: number; readonly pending: number }
  /** It could not be opened, or ended. */
  | { readonly kind: 'failed'; readonly consumer: number; readonly reason: string }
  | {
      readonly kind: 'log';
      readonly level: keyof Logger;
      readonly fields: object;
      readonly message: string;
    };

/** Messages in one report at most: some milliseconds of work for the one that takes them. */
const REPORT_MESSAGES_MAX = 1_000;
/** Reported and not taken yet, above which nothing more is reported. */
const UNTAKEN_MESSAGES_MAX = 8_000;
const UNTAKEN_BYTES_MAX = 16 * 2 ** 20;

/** A consumer and what became of its messages. */
class Reading {
  readonly #number: number;
  readonly #consumer: PullConsumer<Delivered>;
  #untakenMessages = 0;
  #untakenBytes = 0;
  #onRoom: () => void = () => undefined;
  #isOver = false;

  constructor(number: number, consumer: PullConsumer<Delivered>) {
    this.#number = number;
    this.#consumer = consumer;
  }

  /** Reports messages as they arrive, until the consumer fails. */
  async run(): Promise<void> {
    report({ kind: 'opened', consumer: this.#number, pending: this.#consumer.pending });
    while (!this.#isOver) {
      const taken = await this.#consumer.take(REPORT_MESSAGES_MAX);
      if ('failure' in taken) {
        report({ kind: 'failed', consumer: this.#number, reason: taken.failure });
        return;
      }
      const packed = packMessages(taken);
      this.#untakenMessages += packed.count;
      this.#untakenBytes += packed.messageBytes;
      const pending = this.#consumer.pending;
      report({ kind: 'messages', consumer: this.#number, packed, pending }, [packed.buffer]);
      while (!this.#hasRoom && !this.#isOver) await this.#room();
    }
  }

  taken(messages: number, messageBytes: number): void {
    this.#untakenMessages -= messages;
    this.#untakenBytes -= messageBytes;
    if (this.#hasRoom) this.#onRoom();
  }

  /** Fails it when the server says that it is gone, or that it should have sent messages and has not. */
  async verify(): Promise<void> {
    try {
      await this.#consumer.verify();
      report({ kind: 'pending', consumer: this.#number, pending: this.#consumer.pending });
    } catch (error) {
      if (error instanceof NatsError && error.api_error?.code === 404) {
        this.#consumer.fail(error.message.replaceAll(' ', '_'));
      }
    }
  }

  fail(reason: string): void {
    this.#consumer.fail(reason);
  }

  async close(): Promise<void> {
    this.#isOver = true;
    this.#onRoom();
    await this.#consumer.close();
  }

  get #hasRoom(): boolean {
    return this.#untakenMessages < UNTAKEN_MESSAGES_MAX && this.#untakenBytes < UNTAKEN_BYTES_MAX;
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#onRoom = resolve;
    });
  }
}

const logger: Logger = {
  debug: (fields, message) => report({ kind: 'log', level: 'debug', fields, message }),
  // The other connection says the same for people to read.
  info: (fields, message) => report({ kind: 'log', level: 'debug', fields, message }),
  warn: (fields, message) => report({ kind: 'log', level: 'warn', fields, message }),
  error: (fields, message) => report({ kind: 'log', level: 'error', fields, message }),
};

let connection: Promise<StreamConnection> | undefined;
/** The consumer that was asked for last, and its reading once it is open. */
let wanted = 0;
let reading: Reading | undefined;

parentPort?.on('message', (order: Order) => {
  switch (order.kind) {
    case 'open':
      void open(order.consumer, order.settings);
      return;
    case 'taken':
      find(order.consumer)?.taken(order.messages, order.messageBytes);
      return;
    case 'verify':
      void find(order.consumer)?.verify();
      return;
    case 'close':
      void find(order.consumer)?.close();
      return;
    case 'end':
      void end();
  }
});

async function open(number: number, settings: PullSettings): Promise<void> {
  wanted = number;
  void reading?.close();
  reading = undefined;
  try {
    const { nats, state } = await connected();
    // A request would wait for a server without an end.
    if (!state.ready) throw new Error(state.reason);
    const manager = await nats.jetstreamManager();
    const consumer = await PullConsumer.open(nats, manager, settings, (delivered) => delivered);
    const opened = new Reading(number, consumer);
    // Whoever asked may have given up meanwhile, and asked for another.
    if (number !== wanted) {
      await opened.close();
      return;
    }
    reading = opened;
    await opened.run();
  } catch (error) {
    report({ kind: 'failed', consumer: number, reason: messageOf(error) });
  }
}

function connected(): Promise<StreamConnection> {
  connection ??= connect().catch((error: unknown) => {
    connection = undefined;
    throw error;
  });
  return connection;
}

async function connect(): Promise<StreamConnection> {
  const opened = await openConnection({ ...(workerData as ReceiverConnection), attemptsMax: 1 }, logger);
  void follow(opened);
  void opened.nats.closed().then(() => {
    connection = undefined;
  });
  return opened;
}

/** A new connection may be to another server, and what was on its way over the old one is lost. */
async function follow({ nats }: StreamConnection): Promise<void> {
  for await (const { type } of nats.status()) {
    if (type === Events.Disconnect) reading?.fail('disconnected');
    if (type === Events.Reconnect) reading?.fail('reconnected');
  }
}

function find(number: number): Reading | undefined {
  return number === wanted ? reading : undefined;
}

async function end(): Promise<void> {
  await reading?.close();
  await connection?.then((opened) => opened.close()).catch(() => undefined);
  parentPort?.close();
}

function report(said: Report, transferred: readonly ArrayBuffer[] = []): void {
  parentPort?.postMessage(said, transferred);
}
