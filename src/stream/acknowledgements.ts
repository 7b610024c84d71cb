import { type ApiError, createInbox, headers, type Msg, type NatsConnection } from 'nats';

/** Why a message is not stored, in a few words. */
export interface Failure {
  readonly reason: string;
  /** It is over a limit of the stream or the server, as it would be again. */
  readonly isTooLarge: boolean;
}

/** Told once: null when the message is stored. */
export type Settle = (failure: Failure | null) => void;

/** What the server answers for a subject that nobody takes. */
const NO_RESPONDERS = 503;
/** JSStreamMessageExceedsMaximumErr */
const STREAM_MESSAGE_TOO_LARGE = 10054;

/**
 * Sends messages to JetStream and hears which of them are stored, all by one subscription. The client's own `publish`
 * makes a timer, an error with its stack and several promises for each message, which took half of the time of
 * ingesting a batch. How long an answer may take is the caller's to say.
 */
export class Acknowledgements {
  readonly #nats: NatsConnection;
  readonly #inbox: string;
  /** By the last token of the subject that the answer comes on. */
  readonly #awaited = new Map<string, Settle>();
  #sent = 0;

  constructor(nats: NatsConnection) {
    this.#nats = nats;
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
   * @returns what `forget` takes
   * @throws NatsError when the connection is closed
   */
  send(subject: string, data: Uint8Array, messageId: string, settle: Settle): string {
    const token = (this.#sent++).toString(36);
    const fields = headers();
    fields.set('Nats-Msg-Id', messageId);
    this.#nats.publish(subject, data, { headers: fields, reply: this.#inbox + token });
    this.#awaited.set(token, settle);
    return token;
  }

  /** Waits for the answer no more: `settle` is not called. */
  forget(token: string): void {
    this.#awaited.delete(token);
  }

  #hear(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length);
    const settle = this.#awaited.get(token);
    // One that comes too late is nobody's any more.
    if (settle === undefined) return;
    this.#awaited.delete(token);
    settle(failureOf(message));
  }
}

function failureOf(message: Msg): Failure | null {
  if (message.data.length === 0 && message.headers?.code === NO_RESPONDERS) {
    return failed('no stream takes the events: theirs was deleted, or JetStream is not running');
  }
  try {
    const { error } = message.json<{ readonly error?: ApiError }>();
    if (error === undefined) return null;
    if (error.err_code === STREAM_MESSAGE_TOO_LARGE) {
      return { reason: 'it is larger than the max_msg_size of the events stream', isTooLarge: true };
    }
    return failed(`JetStream refused an event: ${error.description}`);
  } catch {
    return failed('JetStream did not answer as it should');
  }
}

export function failed(reason: string): Failure {
  return { reason, isTooLarge: false };
}
