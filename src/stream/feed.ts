import { type JetStreamManager, type NatsConnection, NatsError, type SeqMsgRequest } from 'nats';
import type { StreamMark } from '../model/checkpoint.ts';
import type { FeedMessage } from '../model/event.ts';
import { decodeMessage } from './decode.ts';
import { type Logger, messageOf, pause, type Readiness } from './ports.ts';
import { type Delivered, PullConsumer, type PullSettings } from './pull.ts';
import { compare, digestOf, inspectStream, type StreamFound } from './reconcile.ts';
import type { EventStreams } from './streams.ts';
import { ouOfSubject } from './subject.ts';

/** Takes messages in stream order; what it resolves for is taken, and never handed on again by this feed. */
export type GroupHandler = (group: readonly FeedMessage[]) => Promise<void>;

/** Why a feed reads no more: it was stopped, or what it found is not the stream that it was reading. */
export type FeedEnd =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'mismatch'; readonly found: StreamFound };

/** Stream sequences, both inclusive, that the stream no longer holds. */
export interface SequenceGap {
  readonly from: number;
  readonly to: number;
}

export interface FeedSettings {
  /** Called for messages that somebody removed singly, between others, before they were read. */
  readonly onGap?: (gap: SequenceGap) => void;
  /** Called with the reason, each time the consumer has to be built again. */
  readonly onRebuild?: (reason: string) => void;
  readonly groupMessagesMax?: number;
  readonly heartbeatMs?: number;
  readonly pollIntervalMs?: number;
  readonly handlerPauseMs?: number;
  /** Opens a consumer; over the connection of the feed unless told. */
  readonly openConsumer?: (settings: PullSettings) => Promise<FeedConsumer>;
}

/** A consumer as the feed needs it, see `PullConsumer`. */
export type FeedConsumer = Pick<PullConsumer<FeedMessage>, 'pending' | 'take' | 'fail' | 'close' | 'verify'>;

const GROUP_MESSAGES_MAX = 4_000;
const HEARTBEAT_MS = 1_000;
const POLL_INTERVAL_MS = 2_000;
const HANDLER_PAUSE_MS = 1_000;
const REBUILD_WAIT_MIN_MS = 20;
const REBUILD_WAIT_MAX_MS = 1_000;

/**
 * Hands the messages of the events stream to one handler, in order, each once, from a mark on.
 *
 * Modes: consuming (a consumer stands; groups go to the handler, one at a time) ⇄ rebuilding (whatever went
 * wrong with the consumer, the connection or the handler; a fresh consumer is created behind the last message
 * that the handler completed, after the stream was compared with that message) → ended (the comparison says
 * that this is not the stream that was read, or that unread messages are gone: `start` resolves, and may be
 * called again with another mark) → stopped, for good.
 */
export class EventFeed {
  readonly #nats: NatsConnection;
  readonly #streams: EventStreams;
  readonly #logger: Logger;
  readonly #settings: FeedSettings;
  readonly #stopped: Promise<undefined>;
  #signalStop: () => void = () => undefined;
  #unwatch: (() => void) | undefined;
  #isConnected = true;
  #disconnected: Promise<undefined> = Promise.resolve(undefined);
  #signalDisconnect: () => void = () => undefined;
  #reconnected: Promise<undefined> = Promise.resolve(undefined);
  #signalReconnect: () => void = () => undefined;
  #manager: JetStreamManager | undefined;
  #mark: StreamMark | undefined;
  /** The last message that the handler completed; undefined until it completes one. */
  #last: FeedMessage | undefined;
  #inHand = 0;
  #consumer: FeedConsumer | undefined;
  #state: Readiness = { ready: false, reason: 'the feed has not been started' };
  #isStopping = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(nats: NatsConnection, streams: EventStreams, logger: Logger, settings: FeedSettings = {}) {
    this.#nats = nats;
    this.#streams = streams;
    this.#logger = logger;
    this.#settings = settings;
    this.#stopped = new Promise((resolve) => {
      this.#signalStop = () => resolve(undefined);
    });
    this.#expectDisconnect();
  }

  /** The last stream sequence that the handler completed. */
  get cursor(): number {
    return this.#last?.streamSequence ?? this.#mark?.sequence ?? 0;
  }

  get state(): Readiness {
    return this.#state;
  }

  /** Messages of the stream that the handler has not completed; as last known while disconnected. */
  get lag(): number {
    return (this.#consumer?.pending ?? 0) + this.#inHand;
  }

  /**
   * Starts behind `mark`, the message that is applied already. Resolves when it reads no more, and never
   * rejects; after `stop`, at once.
   */
  start(mark: StreamMark, handler: GroupHandler): Promise<FeedEnd> {
    this.#mark = mark;
    this.#last = undefined;
    if (this.#isStopping) return Promise.resolve({ kind: 'stopped' });
    this.#state = { ready: false, reason: 'starting' };
    const running = this.#run(handler);
    this.#running = running;
    return running;
  }

  /** Resolves when the group in hand is done; no other follows. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#signalStop();
    this.#consumer?.fail('stopped');
    await this.#running;
    this.#unwatch?.();
    this.#state = { ready: false, reason: 'stopped' };
  }

  async #run(handler: GroupHandler): Promise<FeedEnd> {
    this.#unwatch ??= this.#watchConnection();
    const poll = setInterval(() => void this.#poll(), this.#settings.pollIntervalMs ?? POLL_INTERVAL_MS);
    poll.unref();
    try {
      return await this.#consumeUntilEnd(handler);
    } finally {
      clearInterval(poll);
    }
  }

  async #consumeUntilEnd(handler: GroupHandler): Promise<FeedEnd> {
    let waitMs = REBUILD_WAIT_MIN_MS;
    while (!this.#isStopping) {
      const cursorBefore = this.cursor;
      const ended = await this.#consume(handler);
      if (this.#isStopping) break;
      if (ended.kind === 'mismatch') {
        this.#state = { ready: false, reason: 'the events stream is not as it was read' };
        return ended;
      }
      this.#state = { ready: false, reason: ended.reason };
      this.#settings.onRebuild?.(ended.reason);
      this.#logger.warn({ reason: ended.reason, cursor: this.cursor }, 'building the consumer again');
      waitMs = this.cursor > cursorBefore ? REBUILD_WAIT_MIN_MS : Math.min(waitMs * 2, REBUILD_WAIT_MAX_MS);
      const atLeastMs =
        ended.kind === 'handler_failed' ? (this.#settings.handlerPauseMs ?? HANDLER_PAUSE_MS) : 0;
      await this.#unlessStopped(pause(Math.max(waitMs, atLeastMs)));
    }
    return { kind: 'stopped' };
  }

  /** One life of a consumer. Resolves with why it ended; never rejects. */
  async #consume(handler: GroupHandler): Promise<Ended> {
    let consumer: FeedConsumer | undefined;
    try {
      // Requests made while there is no connection would all wait in its buffer, and time out there.
      if (!this.#isConnected) await this.#unlessStopped(this.#reconnected);
      const opening = this.#open();
      // What was asked over a connection that is gone is never answered.
      const opened = await Promise.race([opening, this.#stopped, this.#disconnected]);
      if (opened === undefined) {
        abandon(opening);
        return { kind: 'failed', reason: this.#isStopping ? 'stopped' : 'disconnected' };
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

  async #open(): Promise<FeedConsumer | Ended> {
    this.#manager ??= await this.#nats.jetstreamManager();
    const { events, filterSubject } = this.#streams;
    const found = await inspectStream(this.#manager, events.name, this.cursor, filterSubject !== null);
    if (found === undefined) return { kind: 'failed', reason: 'stream_not_found' };
    if (compare(this.#markOfLast(), found).outcome !== 'resume') return { kind: 'mismatch', found };
    const settings = {
      stream: events.name,
      start: { sequence: this.cursor + 1 },
      filterSubject,
      heartbeatMs: this.#settings.heartbeatMs ?? HEARTBEAT_MS,
    };
    const { openConsumer } = this.#settings;
    return openConsumer?.(settings) ?? PullConsumer.open(this.#nats, this.#manager, settings, toFeedMessage);
  }

  async #handGroups(consumer: FeedConsumer, handler: GroupHandler): Promise<Ended> {
    const messagesMax = this.#settings.groupMessagesMax ?? GROUP_MESSAGES_MAX;
    while (!this.#isStopping) {
      const taken = await consumer.take(messagesMax);
      if ('failure' in taken) return { kind: 'failed', reason: taken.failure };
      const arrived = this.#beyondCursor(taken);
      // From here on: a lag of 0 says that everything was taken, also while the server is asked about gaps.
      this.#inHand = arrived.length;
      try {
        const trouble = await this.#hand(arrived, handler);
        if (trouble !== null) return trouble;
      } finally {
        this.#inHand = 0;
      }
    }
    return { kind: 'failed', reason: 'stopped' };
  }

  /** Hands on what may be handed on of a group; gives why the consumer has to end, if it has to. */
  async #hand(arrived: readonly FeedMessage[], handler: GroupHandler): Promise<Ended | null> {
    const { usable, trouble } = await this.#checkGaps(arrived);
    const group = usable === arrived.length ? arrived : arrived.slice(0, usable);
    const last = group.at(-1);
    if (last !== undefined) {
      try {
        await handler(group);
        this.#last = last;
      } catch (error) {
        this.#logger.error({ error, from: this.cursor + 1 }, 'the handler of the events failed');
        return { kind: 'handler_failed', reason: `the engine failed: ${messageOf(error)}` };
      }
    }
    return trouble === null ? null : { kind: 'failed', reason: trouble };
  }

  /** By which the last message that the handler completed is recognized. */
  #markOfLast(): StreamMark | null {
    const [mark, last] = [this.#mark, this.#last];
    if (mark === undefined || last === undefined) return mark ?? null;
    const { streamSequence: sequence, arrivalMicros: messageArrivalMicros, data } = last;
    return { ...mark, sequence, messageArrivalMicros, messageDigest: digestOf(data) };
  }

  /** Without what was delivered twice. */
  #beyondCursor(taken: readonly FeedMessage[]): readonly FeedMessage[] {
    let last = this.cursor;
    return taken.filter(({ streamSequence }) => {
      const isNew = streamSequence > last;
      if (isNew) last = streamSequence;
      return isNew;
    });
  }

  /**
   * Looks why sequences are missing, and says how many messages of the group may be handed on. Those that
   * somebody removed singly are reported and passed over. The group ends, and the consumer is built again,
   * where the stream does hold what is missing, and where it begins behind that: then the comparison before
   * the next consumer finds a retention gap.
   */
  async #checkGaps(group: readonly FeedMessage[]): Promise<{ usable: number; trouble: string | null }> {
    // Other subjects in between are no gap.
    if (this.#streams.filterSubject !== null) return { usable: group.length, trouble: null };
    let expected = this.cursor + 1;
    for (const [index, { streamSequence }] of group.entries()) {
      if (streamSequence > expected) {
        if (await this.#isHeld(expected, streamSequence)) {
          this.#logger.warn({ from: expected, to: streamSequence - 1 }, 'messages were lost on the way');
          return { usable: index, trouble: 'lost_on_the_way' };
        }
        if (await this.#beginsBehind(expected)) return { usable: index, trouble: 'gap' };
        const gap = { from: expected, to: streamSequence - 1 };
        this.#logger.warn(gap, 'the stream no longer holds messages that were not read');
        this.#settings.onGap?.(gap);
      }
      expected = streamSequence + 1;
    }
    return { usable: group.length, trouble: null };
  }

  async #beginsBehind(sequence: number): Promise<boolean> {
    const found = await this.#manager?.streams.info(this.#streams.events.name);
    return found !== undefined && found.state.first_seq > sequence;
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
    // Every attempt to connect anew that fails ends with another disconnect.
    if (!this.#isConnected) return;
    this.#isConnected = false;
    this.#reconnected = new Promise((resolve) => {
      this.#signalReconnect = () => resolve(undefined);
    });
    this.#signalDisconnect();
    this.#consumer?.fail('disconnected');
  }

  #expectDisconnect(): void {
    this.#disconnected = new Promise((resolve) => {
      this.#signalDisconnect = () => resolve(undefined);
    });
  }

  #onReconnect(): void {
    this.#isConnected = true;
    this.#expectDisconnect();
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

  #unlessStopped<T>(work: Promise<T>): Promise<T | undefined> {
    return Promise.race([work, this.#stopped]);
  }
}

type Ended =
  | { readonly kind: 'failed' | 'handler_failed'; readonly reason: string }
  | { readonly kind: 'mismatch'; readonly found: StreamFound };

/** Closes a consumer that is still being created, once it stands. */
function abandon(opening: Promise<FeedConsumer | Ended>): void {
  const close = async (): Promise<void> => {
    const opened = await opening;
    if (!('kind' in opened)) await opened.close();
  };
  close().catch(() => undefined);
}

/** A message with what it was decoded to. */
export function toFeedMessage(delivered: Delivered): FeedMessage {
  const { subject, data, streamSequence, arrivalMicros } = delivered;
  const decoded = decodeMessage(delivered);
  const ou = 'event' in decoded ? decoded.event.ou : (ouOfSubject(subject) ?? '');
  return { streamSequence, arrivalMicros, ou, subject, data, decoded };
}
