import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  headers,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  type NatsConnection,
  nanos,
} from 'nats';
import type { FeedMessage, OuId, Rejection } from '../model/event.ts';
import { type Logger, messageOf, pause, type Readiness } from './ports.ts';
import { Semaphore } from './semaphore.ts';

/** A message that was not used, for its sender to see. */
export interface RejectedEvent {
  /** Its sequence in the events stream. */
  readonly streamSequence: number;
  readonly reason: string;
  readonly detail: string;
  readonly rejectedAtMicros: number;
  /** The subject it was published on. */
  readonly subject: string;
  /** The first 1 KiB; what is not UTF-8 shows as U+FFFD. */
  readonly payloadText: string;
  /** Size of the original. */
  readonly payloadBytes: number;
}

export interface RejectedPage {
  /** Newest first. */
  readonly events: readonly RejectedEvent[];
  /** Rejected messages of the OU that are still held. */
  readonly total: number;
}

export interface RejectedSettings {
  /** Name of the stream of rejected messages. */
  readonly stream: string;
  readonly eventsStream: string;
  /** Creates the stream anew, should somebody have removed it. */
  readonly ensure: () => Promise<unknown>;
}

const WINDOW = 64;
const STORE_TIMEOUT_MS = 2_000;
const RETRY_WAIT_MIN_MS = 100;
const RETRY_WAIT_MAX_MS = 5_000;
const DETAIL_CHARACTERS_MAX = 500;
/** Room for our headers within the server's largest message. */
const HEADERS_BYTES_MAX = 8_192;
const PAYLOAD_SHOWN_BYTES = 1_024;
/** Messages are read a few at a time, since each may have a megabyte of which a kilobyte is kept. */
const FETCH_MESSAGES = 10;
const FETCH_EXPIRES_MS = 2_000;
const CONSUMER_INACTIVE_MS = 10_000;
/** No OU can be named so. */
const NO_OU = '$invalid';

/** The stream of messages that could not be used: nothing is dropped unseen. */
export class RejectedEvents {
  readonly #nats: NatsConnection;
  readonly #jetStream: JetStreamClient;
  readonly #settings: RejectedSettings;
  readonly #logger: Logger;
  readonly #window = new Semaphore(WINDOW);
  #manager: JetStreamManager | undefined;
  #isClosed = false;
  /** Messages that were tried in vain and are not stored yet. */
  #waiting = 0;
  #lastError = '';

  constructor(nats: NatsConnection, settings: RejectedSettings, logger: Logger) {
    this.#nats = nats;
    this.#jetStream = nats.jetstream({ timeout: STORE_TIMEOUT_MS });
    this.#settings = settings;
    this.#logger = logger;
  }

  get state(): Readiness {
    if (this.#waiting === 0) return { ready: true };
    return {
      ready: false,
      reason: `${this.#waiting} rejected events wait to be stored in ${this.#settings.stream}: ${this.#lastError}`,
    };
  }

  /**
   * Resolves when the message is stored on `rejected.<ou>` with its original bytes. Tries again for as long as
   * it takes, and rejects only after `close`. The same message stored again within the duplicate window, as in
   * a replay after a crash, counts once. A message too large for this server together with our headers is cut,
   * which the header `Rejected-Payload-Bytes` shows: its size before the cut.
   */
  store(message: FeedMessage, rejection: Rejection): Promise<void> {
    return this.#window.run(() => this.#storeUntilDone(message, rejection));
  }

  /** Ends the attempts under way; their `store` rejects. */
  close(): void {
    this.#isClosed = true;
  }

  async #storeUntilDone(message: FeedMessage, rejection: Rejection): Promise<void> {
    let isWaiting = false;
    const wait = (): void => {
      if (!isWaiting) this.#waiting += 1;
      isWaiting = true;
    };
    try {
      await this.#tryUntilDone(message, rejection, wait);
    } finally {
      if (isWaiting) this.#waiting -= 1;
    }
  }

  async #tryUntilDone(message: FeedMessage, rejection: Rejection, onFailure: () => void): Promise<void> {
    for (let waitMs = RETRY_WAIT_MIN_MS; ; waitMs = Math.min(waitMs * 2, RETRY_WAIT_MAX_MS)) {
      try {
        await this.#publish(message, rejection);
        return;
      } catch (error) {
        if (this.#isClosed)
          throw new Error('a rejected message was not stored before the end', { cause: error });
        this.#lastError = messageOf(error);
        const fields = { streamSequence: message.streamSequence, error: this.#lastError, waitMs };
        this.#logger.warn(fields, 'a rejected message could not be stored; trying again');
      }
      onFailure();
      await pause(waitMs);
      await this.#settings.ensure().catch(() => undefined);
    }
  }

  async #publish(message: FeedMessage, rejection: Rejection): Promise<void> {
    const header = headers();
    header.set('Rejected-Reason', rejection.reason);
    header.set('Rejected-Detail', headerText(rejection.detail));
    header.set('Rejected-Stream-Sequence', String(message.streamSequence));
    header.set('Rejected-Subject', headerText(message.subject));
    const bytesMax = (this.#nats.info?.max_payload ?? 1_048_576) - HEADERS_BYTES_MAX;
    const isCut = message.data.length > bytesMax;
    if (isCut) header.set('Rejected-Payload-Bytes', String(message.data.length));
    // The arrival time tells the messages of a recreated stream apart, which counts from one again.
    const msgID = `${this.#settings.eventsStream}:${message.streamSequence}:${message.arrivalMicros}`;
    const data = isCut ? message.data.subarray(0, bytesMax) : message.data;
    await this.#jetStream.publish(subjectOf(message.ou), data, { headers: header, msgID });
  }

  /**
   * One page of an OU's rejected messages, the newest first; `page` counts from 1. Reads the messages of that
   * page only, wherever it is. Throws when the server does not answer.
   */
  async list(
    ou: OuId,
    { page, limit }: { readonly page: number; readonly limit: number },
  ): Promise<RejectedPage> {
    this.#manager ??= await this.#nats.jetstreamManager();
    const subject = subjectOf(ou);
    const { state } = await this.#manager.streams.info(this.#settings.stream, { subjects_filter: subject });
    const total = state.subjects?.[subject] ?? 0;
    const newer = (page - 1) * limit;
    const count = Math.min(limit, total - newer);
    if (count <= 0) return { events: [], total };
    const start = await this.#sequenceWith(newer + count, subject, state.first_seq, state.last_seq);
    const events = await this.#read(start, count, subject);
    return { events: events.reverse(), total };
  }

  /**
   * The highest stream sequence from which on the stream holds at least `count` messages of the subject. A
   * new consumer tells how many there are from its start, so a binary search finds it in some twenty steps of
   * a millisecond each; a guess that holds for a single OU comes first.
   */
  async #sequenceWith(
    count: number,
    subject: string,
    firstSequence: number,
    lastSequence: number,
  ): Promise<number> {
    let low = firstSequence;
    let high = lastSequence - count + 1;
    if (high <= low || (await this.#countFrom(high, subject)) >= count) return Math.max(low, high);
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if ((await this.#countFrom(middle, subject)) >= count) low = middle;
      else high = middle;
    }
    return low;
  }

  async #countFrom(sequence: number, subject: string): Promise<number> {
    return this.#withConsumer(sequence, subject, async (_name, pending) => pending);
  }

  #read(sequence: number, count: number, subject: string): Promise<RejectedEvent[]> {
    return this.#withConsumer(sequence, subject, async (name) => {
      const consumer = await this.#jetStream.consumers.get(this.#settings.stream, name);
      const events: RejectedEvent[] = [];
      while (events.length < count) {
        const before = events.length;
        const batch = { max_messages: Math.min(FETCH_MESSAGES, count - before), expires: FETCH_EXPIRES_MS };
        for await (const message of await consumer.fetch(batch)) events.push(toRejectedEvent(message));
        // Some were removed since they were counted.
        if (events.length === before) break;
      }
      return events;
    });
  }

  async #withConsumer<T>(
    sequence: number,
    subject: string,
    use: (name: string, pending: number) => Promise<T>,
  ): Promise<T> {
    this.#manager ??= await this.#nats.jetstreamManager();
    const manager = this.#manager;
    const config: Partial<ConsumerConfig> = {
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: sequence,
      filter_subject: subject,
      inactive_threshold: nanos(CONSUMER_INACTIVE_MS),
      mem_storage: true,
      num_replicas: 1,
    };
    const { name, num_pending } = await manager.consumers.add(this.#settings.stream, config);
    try {
      return await use(name, num_pending);
    } finally {
      manager.consumers.delete(this.#settings.stream, name).catch(() => undefined);
    }
  }
}

function subjectOf(ou: OuId): string {
  return `rejected.${ou === '' ? NO_OU : ou}`;
}

/** A header ends at a line break; other control characters disturb who reads it in a terminal. */
function headerText(text: string): string {
  const cut = text.slice(0, DETAIL_CHARACTERS_MAX) as string & { toWellFormed(): string };
  return cut.toWellFormed().replaceAll(/\p{Cc}/gu, ' ');
}

function toRejectedEvent(message: JsMsg): RejectedEvent {
  const header = (name: string): string => message.headers?.get(name) ?? '';
  const bytesBeforeCut = header('Rejected-Payload-Bytes');
  return {
    streamSequence: Number(header('Rejected-Stream-Sequence')),
    reason: header('Rejected-Reason'),
    detail: header('Rejected-Detail'),
    rejectedAtMicros: Math.floor(message.info.timestampNanos / 1_000),
    subject: header('Rejected-Subject'),
    payloadText: payloadText(message.data),
    payloadBytes: bytesBeforeCut === '' ? message.data.length : Number(bytesBeforeCut),
  };
}

function payloadText(data: Uint8Array): string {
  // As a stream, so that a character cut in half at the end is left out instead of shown as broken.
  return new TextDecoder().decode(data.subarray(0, PAYLOAD_SHOWN_BYTES), {
    stream: data.length > PAYLOAD_SHOWN_BYTES,
  });
}
