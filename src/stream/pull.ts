import {
  AckPolicy,
  type ConsumerConfig,
  createInbox,
  DeliverPolicy,
  type JetStreamManager,
  type Msg,
  type NatsConnection,
  nanos,
} from 'nats';
import type { RawMessage } from './decode.ts';
import { bytesRead } from './liveness.ts';
import { PullRequests } from './pullRequests.ts';
import { type DeliveryInfo, parseDelivery } from './timestamp.ts';

/** A message as it came off the wire, with its place in the stream. */
export class Delivered implements RawMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly streamSequence: number;
  readonly arrivalMicros: number;
  /** Messages that the consumer has yet to deliver after this one. */
  readonly pending: number;
  readonly streamName: string;
  readonly #message: Msg;

  constructor(message: Msg, place: DeliveryInfo, streamName: string) {
    this.subject = message.subject;
    this.data = message.data;
    this.streamSequence = place.streamSequence;
    this.arrivalMicros = place.arrivalMicros;
    this.pending = place.pending;
    this.streamName = streamName;
    this.#message = message;
  }

  /** Headers are parsed only when they are asked for, which is where an event carries no id. */
  get messageId(): string | undefined {
    try {
      return this.#message.headers?.get('Nats-Msg-Id');
    } catch {
      // The server stores headers that the client cannot parse; such a message has no usable id.
      return undefined;
    }
  }
}

export interface PullSettings {
  readonly stream: string;
  /** The first message: at this stream sequence or behind it, or arrived at this time or later. */
  readonly start: { readonly sequence: number } | { readonly arrivedAtMs: number };
  readonly filterSubject: string | null;
  readonly heartbeatMs: number;
  /** Messages asked for and not yet handed on; 8,000 unless told. */
  readonly windowMessages?: number;
  /** After which the server ends a request; 30 s unless told, and at least five heartbeats. */
  readonly expiresMs?: number;
}

function startOf({ start }: PullSettings): Partial<ConsumerConfig> {
  if ('sequence' in start) {
    return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: start.sequence };
  }
  const opt_start_time = new Date(start.arrivedAtMs).toISOString();
  return { deliver_policy: DeliverPolicy.StartTime, opt_start_time };
}

/** What is made of a message when it arrives. Its bytes are kept, and counted. */
interface Arrival {
  readonly data: Uint8Array;
}

/** Messages asked for and not yet handed on: twice a group, so that one arrives while another is handled. */
const WINDOW_MESSAGES = 8_000;
/** Buffered bytes above which nothing is asked for; requests that are under way may bring as much again, or twice. */
const WINDOW_BYTES = 16 * 2 ** 20;
const EXPIRES_MS = 30_000;
/** More than this within a heartbeat without a whole message is a part of one, and no answers to pings. */
const SMALL_TALK_BYTES = 4_096;
/** The server forgets the consumer when nobody has asked it for this long, such as after a crash of ours. */
const INACTIVE_MS = 60_000;

const encoder = new TextEncoder();

/**
 * One life of a consumer: created at a stream sequence, without acknowledgements, read by pull requests.
 *
 * The vendor's `consume()` is not used: it hides from its caller which messages are buffered, so that groups
 * cannot be formed without waiting, takes a slow handler for a silent server, bounds no bytes, and goes on
 * after failures that need a new consumer. This speaks the documented protocol of pull requests: a request names
 * how many messages it wants; messages arrive under their own subjects; what the server says about the request
 * arrives under the inbox, as a status code.
 *
 * What enters: messages in stream order, up to `WINDOW_MESSAGES`. What leaves: `take()`, what `read` made of
 * them as they arrived: that work fills the time in which the owner waits. A failure ends it
 * for good, and the owner opens another. After a failure the buffer is dropped: the next consumer starts
 * behind what the owner has handled.
 */
export class PullConsumer<Taken extends Arrival> {
  /** Name of the consumer on the server. */
  readonly name: string;
  /** The name as it stands in reply subjects. */
  readonly #token: string;
  readonly #nats: NatsConnection;
  readonly #manager: JetStreamManager;
  readonly #settings: PullSettings;
  readonly #inbox: string;
  readonly #requestSubject: string;
  readonly #expiresMs: number;
  readonly #timer: NodeJS.Timeout;
  readonly #read: (delivered: Delivered) => Taken;
  #buffer: Taken[] = [];
  #bufferBytes = 0;
  readonly #requests: PullRequests;
  #pendingOnServer: number;
  /** Messages and status lines heard so far, and as of the last tick. */
  #heard = 0;
  #heardAtTick = 0;
  /** Of the whole connection. */
  #bytesAtTick = 0;
  #messagesAtTick = 0;
  #silentTicks = 0;
  #failure: string | undefined;
  #wake: (() => void) | undefined;
  #unsubscribe: () => void = () => undefined;

  /** Creates the consumer on the server and asks for the first messages. Throws what the server answers. */
  static async open<Taken extends Arrival>(
    nats: NatsConnection,
    manager: JetStreamManager,
    settings: PullSettings,
    read: (delivered: Delivered) => Taken,
  ): Promise<PullConsumer<Taken>> {
    const info = await manager.consumers.add(settings.stream, {
      name: `sequence-triggers-${createInbox().slice('_INBOX.'.length)}`,
      ack_policy: AckPolicy.None,
      ...startOf(settings),
      inactive_threshold: nanos(INACTIVE_MS),
      mem_storage: true,
      num_replicas: 1,
      ...(settings.filterSubject === null ? {} : { filter_subject: settings.filterSubject }),
    });
    return new PullConsumer(nats, manager, settings, read, info.name, info.num_pending);
  }

  private constructor(
    nats: NatsConnection,
    manager: JetStreamManager,
    settings: PullSettings,
    read: (delivered: Delivered) => Taken,
    name: string,
    pendingOnServer: number,
  ) {
    this.#nats = nats;
    this.#manager = manager;
    this.#settings = settings;
    this.#read = read;
    this.name = name;
    this.#token = `.${name}.`;
    this.#pendingOnServer = pendingOnServer;
    this.#expiresMs = settings.expiresMs ?? EXPIRES_MS;
    this.#requests = new PullRequests(Math.floor(this.#expiresMs / settings.heartbeatMs));
    this.#inbox = createInbox();
    this.#requestSubject = `$JS.API.CONSUMER.MSG.NEXT.${settings.stream}.${name}`;
    const subscription = nats.subscribe(this.#inbox, {
      callback: (error, message) => {
        if (error) this.fail(`subscription_refused: ${error.message}`);
        else this.#onMessage(message);
      },
    });
    this.#unsubscribe = () => subscription.unsubscribe();
    this.#timer = setInterval(() => this.#tick(), settings.heartbeatMs);
    this.#timer.unref();
    this.#request();
  }

  /** Messages on the server and in the buffer that `take` has yet to give. */
  get pending(): number {
    return this.#pendingOnServer + this.#buffer.length;
  }

  /**
   * Waits for at least one message and gives what is buffered, up to `messagesMax`: a lone message at once,
   * a flood in large groups. Gives the reason instead when this consumer has failed.
   */
  async take(messagesMax: number): Promise<readonly Taken[] | { readonly failure: string }> {
    while (this.#failure === undefined && this.#buffer.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure !== undefined) return { failure: this.#failure };
    const group = this.#shift(messagesMax);
    this.#request();
    return group;
  }

  /** Ends it with a reason, the first of which counts. */
  fail(reason: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    clearInterval(this.#timer);
    this.#unsubscribe();
    this.#buffer = [];
    this.#wake?.();
  }

  /** Ends it and removes the consumer from the server, where that is possible. */
  async close(): Promise<void> {
    this.fail('closed');
    await this.#manager.consumers.delete(this.#settings.stream, this.name).catch(() => undefined);
  }

  /**
   * Asks the server how far it has delivered. Fails this consumer when the server holds messages for it that
   * it should have sent and has not. Throws when the server does not answer.
   */
  async verify(): Promise<void> {
    const heard = this.#heard;
    const info = await this.#manager.consumers.info(this.#settings.stream, this.name);
    const isIdle = heard === this.#heard && this.#buffer.length === 0;
    if (!isIdle) return;
    this.#pendingOnServer = info.num_pending;
    if (info.num_pending > 0 && this.#requests.outstanding > 0 && this.#silentTicks > 0) this.fail('stalled');
  }

  #shift(messagesMax: number): readonly Taken[] {
    const group = this.#buffer.length <= messagesMax ? this.#buffer : this.#buffer.slice(0, messagesMax);
    this.#buffer = this.#buffer.length <= messagesMax ? [] : this.#buffer.slice(messagesMax);
    for (const { data } of group) this.#bufferBytes -= data.length;
    return group;
  }

  #onMessage(message: Msg): void {
    this.#heard += 1;
    if (message.subject === this.#inbox) {
      this.#onStatus(message);
      return;
    }
    const place = parseDelivery(message.reply ?? '', this.#token);
    const taken = this.#read(new Delivered(message, place, this.#settings.stream));
    this.#buffer.push(taken);
    this.#bufferBytes += taken.data.length;
    this.#pendingOnServer = place.pending;
    this.#requests.delivered();
    this.#request();
    this.#wake?.();
  }

  /**
   * 100: heartbeat · 404, 408, and 409 with what is left: the request has ended · 503: nobody answers for the
   * consumer · any other 409 or 400: this consumer will not go on.
   */
  #onStatus(message: Msg): void {
    const code = message.headers?.code ?? 0;
    if (code === 100) return;
    const description = message.headers?.description.toLowerCase() ?? '';
    const left = message.headers?.get('Nats-Pending-Messages') ?? '';
    if (code === 503) {
      this.fail('consumer_not_found');
    } else if (description.includes('consumer deleted')) {
      this.fail('consumer_deleted');
    } else if ((code === 404 || code === 408 || code === 409) && left !== '') {
      this.#requests.ended(Number(left));
      this.#request();
    } else {
      this.fail(`pull_refused: ${code} ${description}`);
    }
  }

  /** Asks for more once half of the window is free, so that requests are few and the server never waits. */
  #request(): void {
    const windowMessages = this.#settings.windowMessages ?? WINDOW_MESSAGES;
    const room = windowMessages - this.#requests.outstanding - this.#buffer.length;
    if (this.#failure !== undefined || room < windowMessages / 2 || this.#bufferBytes >= WINDOW_BYTES) return;
    this.#requests.add(room);
    const request = {
      batch: room,
      // A request must have room for the largest message, or the server refuses it again and again.
      max_bytes: Math.max(WINDOW_BYTES, 2 * (this.#nats.info?.max_payload ?? 0)),
      expires: nanos(this.#expiresMs),
      idle_heartbeat: nanos(this.#settings.heartbeatMs),
    };
    this.#nats.publish(this.#requestSubject, encoder.encode(JSON.stringify(request)), { reply: this.#inbox });
  }

  #tick(): void {
    this.#watchHeartbeats();
    this.#requests.tick();
    this.#request();
  }

  /** While a request is under way the server says something at least once per heartbeat; two may go missing. */
  #watchHeartbeats(): void {
    // A large message on a slow line takes longer than its heartbeat; the liveness watch pings over a dead one.
    const bytes = bytesRead(this.#nats);
    const { inMsgs } = this.#nats.stats();
    const isMidMessage = inMsgs === this.#messagesAtTick && bytes - this.#bytesAtTick > SMALL_TALK_BYTES;
    this.#bytesAtTick = bytes;
    this.#messagesAtTick = inMsgs;
    const isSilent = this.#heard === this.#heardAtTick && !isMidMessage && this.#requests.outstanding > 0;
    this.#heardAtTick = this.#heard;
    this.#silentTicks = isSilent ? this.#silentTicks + 1 : 0;
    if (this.#silentTicks > 2) this.fail('heartbeats_missed');
  }
}
