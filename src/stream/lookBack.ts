import { Events, type JetStreamManager, type NatsConnection } from 'nats';
import type { FeedMessage, OuId } from '../model/event.ts';
import { type ConnectionSettings, openConnection } from './connection.ts';
import { toFeedMessage } from './feed.ts';
import { type Logger, messageOf, within } from './ports.ts';
import { PullConsumer } from './pull.ts';
import { findStream } from './streams.ts';
import { subjectOfOu } from './subject.ts';

/** Where the stored events are. Plain data, so that it can be handed to another process; holds secrets. */
export interface LookBackSource {
  readonly connection: Omit<ConnectionSettings, 'signal' | 'onFailedAttempt'>;
  readonly stream: string;
  readonly eventsSubject: string;
}

export interface LookBackRange {
  readonly ou: OuId;
  /** Only messages that arrived at this time or later. */
  readonly sinceMs: number;
}

/** How much of it was read. */
export interface LookBackEnd {
  /** All of it: every message that the stream held as the look-back began. */
  readonly isComplete: boolean;
  /** From 0 to 1, by messages. */
  readonly fraction: number;
}

/** Takes messages in stream order, and the next ones when it resolves. */
export type TakeMessages = (messages: readonly FeedMessage[]) => void | Promise<void>;

/** So many are handled without a rest, and as many the server sends in one go: whoever publishes meanwhile waits for both. */
const STEP_MESSAGES = 50;
const HEARTBEAT_MS = 1_000;
/** A consumer that says nothing for so long is asked whether what it has yet to send is still there. */
const QUIET_MS = 1_000;

/**
 * Reads what the stream still holds of an OU, over a connection of its own, from the oldest message to the last one
 * that it holds at the beginning. Resolves early, with what was read until then, when `signal` aborts. Throws an
 * Error in plain words when the stream cannot be read.
 */
export async function lookBack(
  source: LookBackSource,
  range: LookBackRange,
  take: TakeMessages,
  signal: AbortSignal,
  logger: Logger,
): Promise<LookBackEnd> {
  const connection = await openConnection({ ...source.connection, attemptsMax: 1 }, logger);
  try {
    const manager = await connection.nats.jetstreamManager();
    const found = await findStream(manager, source.stream);
    if (found === undefined) throw new Error(`there is no stream ${source.stream}`);
    const reader = await Reader.open(connection.nats, manager, source, range, found.state.last_seq);
    try {
      return await reader.readAll(take, signal);
    } finally {
      await reader.close();
    }
  } catch (error) {
    throw new Error(`the stored events cannot be read: ${messageOf(error)}`, { cause: error });
  } finally {
    await connection.close();
  }
}

/**
 * The two subjects of an OU, itself and all below it, merged by stream sequence: one filter cannot stand for both,
 * and servers before 2.10 take only one for a consumer.
 */
class Reader {
  readonly #parts: readonly Part[];
  readonly #total: number;
  #taken = 0;

  static async open(
    nats: NatsConnection,
    manager: JetStreamManager,
    { stream, eventsSubject }: LookBackSource,
    { ou, sinceMs }: LookBackRange,
    lastSequence: number,
  ): Promise<Reader> {
    const subject = subjectOfOu(eventsSubject, ou);
    const parts: Part[] = [];
    for (const filterSubject of [subject, `${subject}.>`]) {
      const settings = {
        stream,
        start: { arrivedAtMs: sinceMs },
        filterSubject,
        heartbeatMs: HEARTBEAT_MS,
        windowMessages: 2 * STEP_MESSAGES,
      };
      try {
        parts.push(new Part(await PullConsumer.open(nats, manager, settings, toFeedMessage), lastSequence));
      } catch (error) {
        await Promise.all(parts.map((part) => part.close()));
        throw error;
      }
    }
    return new Reader(nats, parts);
  }

  private constructor(nats: NatsConnection, parts: readonly Part[]) {
    this.#parts = parts;
    this.#total = parts.reduce((total, { pending }) => total + pending, 0);
    void this.#watch(nats);
  }

  async readAll(take: TakeMessages, signal: AbortSignal): Promise<LookBackEnd> {
    const stop = (): void => this.#fail('it was stopped');
    signal.addEventListener('abort', stop, { once: true });
    try {
      while (!signal.aborted) {
        for (const part of this.#parts) await part.fill();
        const merged = this.#merged();
        if (merged.length === 0) return { isComplete: true, fraction: 1 };
        this.#taken += merged.length;
        await take(merged);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener('abort', stop);
    }
    // More may have arrived since than there was.
    return { isComplete: false, fraction: Math.min(1, this.#taken / Math.max(1, this.#total)) };
  }

  async close(): Promise<void> {
    await Promise.all(this.#parts.map((part) => part.close()));
  }

  /** Fails when the connection breaks: what was on its way then will not come, also after a reconnect. */
  async #watch(nats: NatsConnection): Promise<void> {
    for await (const { type } of nats.status()) {
      if (type === Events.Disconnect) this.#fail('the connection was lost');
    }
  }

  #fail(reason: string): void {
    for (const part of this.#parts) part.fail(reason);
  }

  /** What is certain to come next: up to where the first part runs out that has not ended. */
  #merged(): readonly FeedMessage[] {
    const merged: FeedMessage[] = [];
    for (;;) {
      let next: Part | undefined;
      for (const part of this.#parts) {
        if (part.head === undefined && !part.hasEnded) return merged;
        if (part.head !== undefined && part.head.streamSequence < (next?.head?.streamSequence ?? Infinity)) {
          next = part;
        }
      }
      if (next === undefined) return merged;
      merged.push(next.shift());
    }
  }
}

/** One of the consumers, with what it has given and not yet been asked for. */
class Part {
  readonly #consumer: PullConsumer<FeedMessage>;
  readonly #lastSequence: number;
  #messages: readonly FeedMessage[] = [];
  #next = 0;
  #taking: ReturnType<PullConsumer<FeedMessage>['take']> | undefined;
  /** No more messages will come. */
  hasEnded = false;

  constructor(consumer: PullConsumer<FeedMessage>, lastSequence: number) {
    this.#consumer = consumer;
    this.#lastSequence = lastSequence;
  }

  get pending(): number {
    return this.#consumer.pending;
  }

  get head(): FeedMessage | undefined {
    return this.#messages[this.#next];
  }

  shift(): FeedMessage {
    return this.#messages[this.#next++]!;
  }

  /** Resolves when there is a head, or it has ended. Throws when the consumer fails. */
  async fill(): Promise<void> {
    while (this.head === undefined && !this.hasEnded) {
      if (this.#consumer.pending === 0 && this.#taking === undefined) {
        this.hasEnded = true;
        return;
      }
      this.#taking ??= this.#consumer.take(STEP_MESSAGES);
      const taken = await within(QUIET_MS, this.#taking);
      if (taken === undefined) {
        await this.#endIfNothingIsLeft();
        continue;
      }
      this.#taking = undefined;
      if ('failure' in taken) throw new Error(taken.failure);
      this.#messages = taken.filter(({ streamSequence }) => streamSequence <= this.#lastSequence);
      this.#next = 0;
      // What arrived since the beginning lies behind all that was there.
      if (this.#messages.length < taken.length) this.hasEnded = true;
    }
  }

  /** Whoever waits for it to be filled hears of it. */
  fail(reason: string): void {
    this.#consumer.fail(reason);
  }

  async close(): Promise<void> {
    this.#taking?.catch(() => undefined);
    await this.#consumer.close();
  }

  /** Messages that were yet to be sent may have been removed meanwhile. */
  async #endIfNothingIsLeft(): Promise<void> {
    await this.#consumer.verify();
    if (this.#consumer.pending === 0) this.hasEnded = true;
  }
}
