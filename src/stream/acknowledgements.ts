import { type ApiError, createInbox, headers, type Msg, type NatsConnection } from 'nats';

/** Why a message is not stored, in a few words. */
export interface Failure {
  readonly reason: string;
  /** It is over a limit of the stream or the server, as it would be again. */
  readonly isTooLarge: boolean;
}

/** Told of each message of a group, by the number that it was sent with: null when it is stored. */
export type Settle = (number: number, failure: Failure | null) => void;

/** What the server answers for a subject that nobody takes. */
const NO_RESPONDERS = 503;
/** JSStreamMessageExceedsMaximumErr */
const STREAM_MESSAGE_TOO_LARGE = 10054;
/** Of the numbers in the subjects of answers. */
const RADIX = 36;

/**
 * Sends messages to JetStream and hears which of them are stored, all by one subscription. The client's own `publish`
 * makes a timer, an error with its stack and several promises for each message, which took half of the time of
 * ingesting a batch. How long an answer may take is the caller's to say.
 */
export class Acknowledgements {
  readonly #nats: NatsConnection;
  readonly #inbox: string;
  /** By the group's token in the subject that the answer comes on: `<inbox>.<group>.<number>`. */
  readonly #groups = new Map<string, Settle>();
  #opened = 0;

  constructor(nats: NatsConnection) {
    this.#nats = nats;
    this.#inbox = `${createInbox()}.`;
    nats.subscribe(`${this.#inbox}*.*`, {
      callback: (error, message) => {
        if (error === null) this.#hear(message);
      },
    });
  }

  /** A group of messages that are waited for together, until it is closed. */
  open(settle: Settle): string {
    const group = (this.#opened++).toString(RADIX);
    this.#groups.set(group, settle);
    return group;
  }

  /**
   * Sends a message, which the stream stores once for each message id. Nothing is settled before this returns.
   *
   * @param number of the message in its group
   * @throws NatsError when the connection is closed
   */
  send(group: string, number: number, subject: string, data: Uint8Array, messageId: string): void {
    const fields = headers();
    fields.set('Nats-Msg-Id', messageId);
    const reply = `${this.#inbox}${group}.${number.toString(RADIX)}`;
    this.#nats.publish(subject, data, { headers: fields, reply });
  }

  /** Waits for the answers no more: nothing of the group is settled from here on. */
  close(group: string): void {
    this.#groups.delete(group);
  }

  #hear(message: Msg): void {
    const [group, number] = message.subject.slice(this.#inbox.length).split('.') as [string, string];
    // One that comes too late is nobody's any more.
    this.#groups.get(group)?.(Number.parseInt(number, RADIX), failureOf(message));
  }
}

function failureOf(message: Msg): Failure | null {
  if (message.data.length === 0 && message.headers?.code === NO_RESPONDERS) {
    return failed('no stream takes the events: theirs was deleted, or JetStream is not running');
  }
  try {
    const { error } = JSON.parse(message.string()) as { readonly error?: ApiError };
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
