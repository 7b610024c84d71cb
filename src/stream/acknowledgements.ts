import { createInbox, headers, type Msg, type NatsConnection } from 'nats';

/** Told once: null when the message is stored, else why not, in a few words. */
export type Settle = (failure: string | null) => void;

interface Awaited {
  readonly sentMs: number;
  readonly settle: Settle;
}

/** How often the oldest message under way is looked at, as a share of the time that it may take. */
const LOOKS_PER_TIMEOUT = 10;
/** What the server answers for a subject that nobody takes. */
const NO_RESPONDERS = 503;

/**
 * Sends messages to JetStream and hears which of them are stored: one subscription and one timer for all that are
 * under way. The client's own `publish` makes a timer, an error with its stack and several promises for each
 * message, which took half of the time of ingesting a batch.
 */
export class Acknowledgements {
  readonly #nats: NatsConnection;
  readonly #timeoutMs: number;
  readonly #inbox: string;
  /** By the last token of the subject that the answer comes on; the oldest first. */
  readonly #awaited = new Map<string, Awaited>();
  #sent = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(nats: NatsConnection, timeoutMs: number) {
    this.#nats = nats;
    this.#timeoutMs = timeoutMs;
    this.#inbox = `${createInbox()}.`;
    nats.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (error === null) this.#hear(message);
      },
    });
  }

  /**
   * Sends a message, which the stream stores once for each message id. `settle` is not called before this returns.
   *
   * @throws NatsError when the connection is closed
   */
  send(subject: string, data: Uint8Array, messageId: string, settle: Settle): void {
    const token = (this.#sent++).toString(36);
    const fields = headers();
    fields.set('Nats-Msg-Id', messageId);
    this.#nats.publish(subject, data, { headers: fields, reply: this.#inbox + token });
    this.#awaited.set(token, { sentMs: performance.now(), settle });
    this.#timer ??= this.#watch();
  }

  #hear(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length);
    const awaited = this.#awaited.get(token);
    // One that comes too late is nobody's any more.
    if (awaited === undefined) return;
    this.#awaited.delete(token);
    awaited.settle(failureOf(message));
  }

  #watch(): NodeJS.Timeout {
    return setInterval(() => this.#giveUpOld(), this.#timeoutMs / LOOKS_PER_TIMEOUT).unref();
  }

  #giveUpOld(): void {
    const sinceMs = performance.now() - this.#timeoutMs;
    for (const [token, { sentMs, settle }] of this.#awaited) {
      if (sentMs > sinceMs) return;
      this.#awaited.delete(token);
      settle('JetStream did not answer in time');
    }
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

function failureOf(message: Msg): string | null {
  if (message.data.length === 0 && message.headers?.code === NO_RESPONDERS) {
    return 'no stream takes the events: theirs was deleted, or JetStream is not running';
  }
  try {
    const { error } = message.json<{ readonly error?: { readonly description?: string } }>();
    return error === undefined ? null : `JetStream refused an event: ${error.description}`;
  } catch {
    return 'JetStream did not answer as it should';
  }
}
