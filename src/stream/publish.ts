import { ErrorCode, type JetStreamClient, type NatsConnection, NatsError } from 'nats';
import type { OuId } from '../model/event.ts';
import { eventMessageId } from './messageId.ts';
import { messageOf, type Readiness } from './ports.ts';
import { Semaphore } from './semaphore.ts';
import { subjectOfOu } from './subject.ts';

/** An event as a client hands it in. `createdAt` is an RFC 3339 time; without it, the arrival time counts. */
export interface EventToPublish {
  readonly id: string;
  readonly leadId: string;
  readonly eventType: string;
  readonly createdAt?: string;
  readonly metadata?: object;
  readonly score?: number;
}

export type PublishResult =
  | { readonly stored: true }
  /** Some may be stored all the same; sending them again stores none twice within the duplicate window. */
  | { readonly stored: false; readonly reason: string };

/** Publishes under way at once: awaiting each alone gives a sixth of the rate. */
const WINDOW = 256;
/** Events of all calls that wait or are under way. */
const EVENTS_MAX = 20_000;
const TIMEOUT_MS = 5_000;

const encoder = new TextEncoder();

/** Puts events into the events stream. */
export class EventPublisher {
  readonly #jetStream: JetStreamClient;
  readonly #eventsSubject: string;
  readonly #window = new Semaphore(WINDOW);
  readonly #connection: () => Readiness;
  #held = 0;

  /** `connection` says whether there is one now. */
  constructor(
    nats: NatsConnection,
    eventsSubject: string,
    connection: () => Readiness = () => ({ ready: true }),
  ) {
    this.#jetStream = nats.jetstream({ timeout: TIMEOUT_MS });
    this.#eventsSubject = eventsSubject;
    this.#connection = connection;
  }

  /** Resolves when JetStream has stored all of them, or with the first reason why one was not. Never rejects. */
  async publish(ou: OuId, events: readonly EventToPublish[]): Promise<PublishResult> {
    if (this.#held + events.length > EVENTS_MAX) {
      return {
        stored: false,
        reason: `more than ${EVENTS_MAX} events are waiting for JetStream; try again later`,
      };
    }
    // Without a connection they would wait in its buffer, and some might be stored after the answer.
    const connection = this.#connection();
    if (!connection.ready) return { stored: false, reason: connection.reason };
    this.#held += events.length;
    const subject = subjectOfOu(this.#eventsSubject, ou);
    let failure: string | undefined;
    const publishOne = async (event: EventToPublish): Promise<void> => {
      // After a failure the rest would only wait for the same.
      if (failure === undefined && !this.#connection().ready) failure = 'the connection to NATS was lost';
      if (failure !== undefined) return;
      try {
        await this.#jetStream.publish(subject, encodeEvent(event), {
          msgID: eventMessageId(ou, event.leadId, event.id),
        });
      } catch (error) {
        failure ??= reasonOf(error);
      }
    };
    await Promise.all(events.map((event) => this.#window.run(() => publishOne(event))));
    this.#held -= events.length;
    return failure === undefined ? { stored: true } : { stored: false, reason: failure };
  }
}

function encodeEvent(event: EventToPublish): Uint8Array {
  const body = {
    id: event.id,
    lead_id: event.leadId,
    event_type: event.eventType,
    created_at: event.createdAt,
    metadata: event.metadata,
    score: event.score,
  };
  return encoder.encode(JSON.stringify(body));
}

function reasonOf(error: unknown): string {
  const code = error instanceof NatsError && !error.api_error ? error.code : '';
  if (code === ErrorCode.Timeout) return 'JetStream did not answer in time';
  if (code === ErrorCode.NoResponders)
    return 'no stream takes the events: theirs was deleted, or JetStream is not running';
  if (code === ErrorCode.ConnectionClosed || code === ErrorCode.ConnectionDraining) {
    return 'the connection to NATS is closed';
  }
  return `JetStream refused an event: ${messageOf(error)}`;
}
