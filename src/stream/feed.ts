import { type JetStreamManager, type NatsConnection, NatsError, type SeqMsgRequest } from 'nats';
import type { FeedMessage } from '../model/event.ts';
import { decodeMessage } from './decode.ts';
import { type Logger, messageOf, pause, type Readiness } from './ports.ts';
import { type Delivered, PullConsumer } from './pull.ts';
import { type EventStreams, findStream } from './streams.ts';
import { ouOfSubject } from './subject.ts';

/** Takes messages in stream order; what it resolves for is done, and never handed on again by this feed. */
export type GroupHandler = (group: readonly FeedMessage[]) => Promise<void>;

/** Stream sequences, both inclusive, that the stream no longer holds. */
export interface SequenceGap {
  readonly from: number;
  readonly to: number;
}

export interface FeedSettings {
  /** Called for messages that were removed from the stream before they were read. */
  readonly onGap?: (gap: SequenceGap) => void;
  /** Called with the reason, each time the consumer has to be built again. */
  readonly onRebuild?: (reason: string) => void;
  /**
   * Called once, when the stream is not the one that the feed started on (created anew, or shorter than the
   * cursor). The feed reads no more: a restart of the program compares the two and applies the policy.
   */
  readonly onHalt?: (reason: string) => void;
  readonly groupMessagesMax?: number;
  readonly heartbeatMs?: number;
  readonly pollIntervalMs?: number;
  readonly handlerPauseMs?: number;
}

const GROUP_MESSAGES_MAX = 4_000;
const HEARTBEAT_MS = 5_000;
const POLL_INTERVAL_MS = 5_000;
const HANDLER_PAUSE_MS = 1_000;
const REBUILD_WAIT_MIN_MS = 20;
const REBUILD_WAIT_MAX_MS = 2_000;

/**
 * Hands the messages of the events stream to one handler, in order, each once, from a cursor on.
 *
 * Modes: consuming (a consumer stands; groups go to the handler, one at a time) ⇄ rebuilding (whatever went
 * wrong with the consumer, the connection or the handler; a fresh consumer is created behind the last group
 * that the handler completed) → halted (the stream is another one now) or stopped.
 */
export class EventFeed {
  readonly #nats: NatsConnection;
  readonly #streams: EventStreams;
  readonly #logger: Logger;
  readonly #settings: FeedSettings;
  readonly #stopped: Promise<undefined>;
  #signalStop: () => void = () => undefined;
  #isConnected = true;
  #reconnected: Promise<undefined> = Promise.resolve(undefined);
  #signalReconnect: () => void = () => undefined;
  #manager: JetStreamManager | undefined;
  #cursor = 0;
  #inHand = 0;
  #consumer: PullConsumer<FeedMessage> | undefined;
  #state: Readiness = { ready: false, reason: 'the feed has not been started' };
  #isStopping = false;
  #running: Promise<void> = Promise.resolve();

  constructor(nats: NatsConnection, streams: EventStreams, logger: Logger, settings: FeedSettings = {}) {
    this.#nats = nats;
    this.#streams = streams;
    this.#logger = logger;
    this.#settings = settings;
    this.#stopped = new Promise((resolve) => {
      this.#signalStop = () => resolve(undefined);
    });
  }

  /** The last stream sequence that the handler completed. */
  get cursor(): number {
    return this.#cursor;
  }

  get state(): Readiness {
    return this.#state;
  }

  /** Messages of the stream that the handler has not completed; as last known while disconnected. */
  get lag(): number {
    return (this.#consumer?.pending ?? 0) + this.#inHand;
  }

  /** Starts behind `cursor`, the position that is applied already: the first message is `cursor + 1`. */
  start(cursor: number, handler: GroupHandler): void {
    this.#cursor = cursor;
    this.#state = { ready: false, reason: 'starting' };
    this.#running = this.#run(handler);
  }

  /** Resolves when the group in hand is done; no other follows. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#signalStop();
    this.#consumer?.fail('stopped');
    await this.#running;
    this.#state = { ready: false, reason: 'stopped' };
  }

  async #run(handler: GroupHandler): Promise<void> {
    const unwatch = this.#watchConnection();
    const poll = setInterval(() => void this.#poll(), this.#settings.pollIntervalMs ?? POLL_INTERVAL_MS);
    poll.unref();
    let waitMs = REBUILD_WAIT_MIN_MS;
    while (!this.#isStopping) {
      const cursorBefore = this.#cursor;
      const ended = await this.#consume(handler);
      if (ended.kind === 'halted') {
        this.#halt(ended.reason);
        break;
      }
      if (this.#isStopping) break;
      this.#state = { ready: false, reason: ended.reason };
      this.#settings.onRebuild?.(ended.reason);
      this.#logger.warn({ reason: ended.reason, cursor: this.#cursor }, 'building the consumer again');
      waitMs = this.#cursor > cursorBefore ? REBUILD_WAIT_MIN_MS : Math.min(waitMs * 2, REBUILD_WAIT_MAX_MS);
      const atLeastMs =
        ended.kind === 'handler_failed' ? (this.#settings.handlerPauseMs ?? HANDLER_PAUSE_MS) : 0;
      await this.#unlessStopped(pause(Math.max(waitMs, atLeastMs)));
    }
    clearInterval(poll);
    unwatch();
  }

  /** One life of a consumer. Resolves with why it ended; never rejects. */
  async #consume(handler: GroupHandler): Promise<Ended> {
    let consumer: PullConsumer<FeedMessage> | undefined;
    try {
      // Requests made while there is no connection would all wait in its buffer, and time out there.
      if (!this.#isConnected) await this.#unlessStopped(this.#reconnected);
      const opening = this.#open();
      const opened = await this.#unlessStopped(opening);
      if (opened === undefined) {
        abandon(opening);
        return { kind: 'failed', reason: 'stopped' };
      }
      if ('kind' in opened) return opened;
      consumer = opened;
      this.#consumer = consumer;
      this.#state = { ready: true };
      return await this.#handGroups(consumer, handler);
    } catch (error) {
      return { kind: 'failed', reason: messageOf(error) };
    } finally {
      void consumer?.close();
    }
  }

  async #open(): Promise<PullConsumer<FeedMessage> | Ended> {
    this.#manager ??= await this.#nats.jetstreamManager();
    const { events, filterSubject } = this.#streams;
    const found = await findStream(this.#manager, events.name);
    if (!found) return { kind: 'failed', reason: 'stream_not_found' };
    if (found.created !== events.created) {
      return {
        kind: 'halted',
        reason: `recreated: the stream ${events.name} was created anew at ${found.created}`,
      };
    }
    if (found.state.last_seq < this.#cursor) {
      const ends = `the stream ${events.name} ends at ${found.state.last_seq}, before the cursor ${this.#cursor}`;
      return { kind: 'halted', reason: `rolled_back: ${ends}` };
    }
    const settings = {
      stream: events.name,
      startSequence: this.#cursor + 1,
      filterSubject,
      heartbeatMs: this.#settings.heartbeatMs ?? HEARTBEAT_MS,
    };
    return PullConsumer.open(this.#nats, this.#manager, settings, toFeedMessage);
  }

  async #handGroups(consumer: PullConsumer<FeedMessage>, handler: GroupHandler): Promise<Ended> {
    const messagesMax = this.#settings.groupMessagesMax ?? GROUP_MESSAGES_MAX;
    while (!this.#isStopping) {
      const taken = await consumer.take(messagesMax);
      if ('failure' in taken) return { kind: 'failed', reason: taken.failure };
      const group = this.#beyondCursor(taken);
      const last = group.at(-1);
      if (last === undefined) continue;
      const lost = await this.#checkGaps(group);
      if (lost) return { kind: 'failed', reason: lost };
      this.#inHand = group.length;
      try {
        await handler(group);
        this.#cursor = last.streamSequence;
      } catch (error) {
        this.#logger.error({ error, from: this.#cursor + 1 }, 'the handler of the events failed');
        return { kind: 'handler_failed', reason: `the engine failed: ${messageOf(error)}` };
      } finally {
        this.#inHand = 0;
      }
    }
    return { kind: 'failed', reason: 'stopped' };
  }

  /** Without what was delivered twice. */
  #beyondCursor(taken: readonly FeedMessage[]): readonly FeedMessage[] {
    let last = this.#cursor;
    return taken.filter(({ streamSequence }) => {
      const isNew = streamSequence > last;
      if (isNew) last = streamSequence;
      return isNew;
    });
  }

  /**
   * Looks why sequences are missing: reports those that the stream no longer holds, and gives a reason to
   * build the consumer again where the stream does hold them and they were lost on the way.
   */
  async #checkGaps(group: readonly FeedMessage[]): Promise<string | undefined> {
    // Other subjects in between are no gap.
    if (this.#streams.filterSubject !== null) return undefined;
    let expected = this.#cursor + 1;
    for (const { streamSequence } of group) {
      if (streamSequence > expected) {
        if (await this.#isHeld(expected, streamSequence))
          return `messages from ${expected} were lost on the way`;
        const gap = { from: expected, to: streamSequence - 1 };
        this.#logger.warn(gap, 'the stream no longer holds messages that were not read');
        this.#settings.onGap?.(gap);
      }
      expected = streamSequence + 1;
    }
    return undefined;
  }

  /** Whether the stream holds a message at `from` or after it, before `to`. */
  async #isHeld(from: number, to: number): Promise<boolean> {
    try {
      // The server's next message at or after `seq`; the client's types know the field for direct reads only.
      const query: SeqMsgRequest & { readonly next_by_subj: string } = { seq: from, next_by_subj: '>' };
      const next = await this.#manager?.streams.getMessage(this.#streams.events.name, query);
      return next !== undefined && next.seq < to;
    } catch (error) {
      if (error instanceof NatsError && error.api_error?.code === 404) return false;
      throw error;
    }
  }

  /** A new connection may be to another server, and what was on its way over the old one is lost. */
  #watchConnection(): () => void {
    const events = this.#nats.status();
    const follow = async (): Promise<void> => {
      for await (const { type } of events) {
        if (type === 'disconnect') this.#onDisconnect();
        if (type === 'reconnect') this.#onReconnect();
      }
    };
    follow().catch((error: unknown) => {
      this.#logger.error({ error: messageOf(error) }, 'the feed no longer hears of the connection');
    });
    return () => (events as unknown as { stop(): void }).stop();
  }

  #onDisconnect(): void {
    this.#isConnected = false;
    this.#reconnected = new Promise((resolve) => {
      this.#signalReconnect = () => resolve(undefined);
    });
    this.#consumer?.fail('disconnected');
  }

  #onReconnect(): void {
    this.#isConnected = true;
    this.#signalReconnect();
    this.#consumer?.fail('reconnected');
  }

  /** The watchdog: a consumer that is gone, or that should have sent messages, is built again. */
  async #poll(): Promise<void> {
    const consumer = this.#consumer;
    if (!consumer || !this.#state.ready) return;
    try {
      await consumer.verify();
    } catch (error) {
      if (error instanceof NatsError && error.api_error?.code === 404)
        consumer.fail(error.message.replaceAll(' ', '_'));
    }
  }

  #halt(reason: string): void {
    this.#state = { ready: false, reason };
    this.#logger.error(
      { reason, cursor: this.#cursor },
      'the events stream is not the one that was read; halted',
    );
    this.#settings.onHalt?.(reason);
  }

  #unlessStopped<T>(work: Promise<T>): Promise<T | undefined> {
    return Promise.race([work, this.#stopped]);
  }
}

type Ended = { readonly kind: 'failed' | 'handler_failed' | 'halted'; readonly reason: string };

/** Closes a consumer that is still being created, once it stands. */
function abandon(opening: Promise<PullConsumer<FeedMessage> | Ended>): void {
  const close = async (): Promise<void> => {
    const opened = await opening;
    if (!('kind' in opened)) await opened.close();
  };
  close().catch(() => undefined);
}

function toFeedMessage(delivered: Delivered): FeedMessage {
  const { subject, data, streamSequence, arrivalMicros } = delivered;
  const decoded = decodeMessage(delivered);
  const ou = 'event' in decoded ? decoded.event.ou : (ouOfSubject(subject) ?? '');
  return { streamSequence, arrivalMicros, ou, subject, data, decoded };
}
