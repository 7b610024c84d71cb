import { ErrorCode, type NatsConnection, NatsError } from 'nats';
import type { OuId } from '../model/event.ts';
import { Acknowledgements, type Failure, failed } from './acknowledgements.ts';
import { eventMessageId } from './messageId.ts';
import { messageOf, type Readiness } from './ports.ts';
import { subjectOfOu } from './subject.ts';

/** An event as a client hands it in; null is the same as absent. Without `createdAt`, RFC 3339, the arrival time counts. */
export interface EventToPublish {
  readonly id: string;
  readonly leadId: string;
  readonly eventType: string;
  readonly createdAt?: string | null;
  readonly metadata?: object | null;
  readonly score?: number | null;
}

export type PublishResult =
  | { readonly stored: true }
  /** Some may be stored all the same; sending them again stores none twice within the duplicate window. */
  | ({ readonly stored: false } & Failure);

/** Messages under way at once: awaiting each alone gives a sixth of the rate. */
const WINDOW = 256;
/** Events of all calls that wait or are under way. */
const EVENTS_MAX = 20_000;
/** From the call on: whoever waits for JetStream is told in time that it is in vain, however many others wait too. */
const TIMEOUT_MS = 5_000;
/** Calls that came within so long of each other are given up together, instead of sending one for the rest of its time. */
const TOGETHER_MS = 100;

/** One call of `publish`. */
interface Batch {
  readonly ou: OuId;
  readonly subject: string;
  /** Of its messages, for the acknowledgements. */
  readonly group: string;
  readonly events: readonly EventToPublish[];
  /** Index of the next event to send. */
  next: number;
  /** Index of each event that is sent and not acknowledged. */
  readonly underWay: Set<number>;
  /** By the clock of `performance`. */
  readonly deadlineMs: number;
  /** The first reason why one was not stored; the rest is not sent then. */
  failure: Failure | null;
  readonly resolve: (result: PublishResult) => void;
}

/** Puts events into the events stream, those of several calls in turn, those of one in their order. */
export class EventPublisher {
  readonly #acknowledgements: Acknowledgements;
  readonly #eventsSubject: string;
  readonly #connection: () => Readiness;
  /** Those with events to send, the one whose turn it is first. */
  readonly #batches: Batch[] = [];
  /** All that have no result yet, the oldest first. */
  readonly #unfinished = new Set<Batch>();
  #timer: NodeJS.Timeout | undefined;
  #underWay = 0;
  #held = 0;

  /** `connection` says whether there is one now. */
  constructor(
    nats: NatsConnection,
    eventsSubject: string,
    connection: () => Readiness = () => ({ ready: true }),
  ) {
    this.#acknowledgements = new Acknowledgements(nats);
    this.#eventsSubject = eventsSubject;
    this.#connection = connection;
  }

  /** Resolves when JetStream has stored all of them, or with the first reason why one was not. Never rejects. */
  async publish(ou: OuId, events: readonly EventToPublish[]): Promise<PublishResult> {
    if (events.length === 0) return { stored: true };
    if (this.#held + events.length > EVENTS_MAX) {
      const reason = `more than ${EVENTS_MAX} events are waiting for JetStream; try again later`;
      return { stored: false, ...failed(reason) };
    }
    // Without a connection they would wait in its buffer, and some might be stored after the answer.
    const connection = this.#connection();
    if (!connection.ready) return { stored: false, ...failed(connection.reason) };
    this.#held += events.length;
    const result = await new Promise<PublishResult>((resolve) => {
      const batch: Batch = {
        ou,
        subject: subjectOfOu(this.#eventsSubject, ou),
        group: this.#acknowledgements.open((index, failure) => this.#settle(batch, index, failure)),
        events,
        next: 0,
        underWay: new Set(),
        deadlineMs: performance.now() + TIMEOUT_MS,
        failure: null,
        resolve,
      };
      this.#unfinished.add(batch);
      this.#timer ??= this.#watch(TIMEOUT_MS);
      this.#batches.push(batch);
      this.#sendInTurn();
    });
    this.#held -= events.length;
    return result;
  }

  #sendInTurn(): void {
    while (this.#underWay < WINDOW) {
      const batch = this.#batches.shift();
      if (batch === undefined) return;
      this.#sendNext(batch);
      if (batch.failure === null && batch.next < batch.events.length) this.#batches.push(batch);
      else if (batch.underWay.size === 0) this.#finish(batch);
    }
  }

  #sendNext(batch: Batch): void {
    // After a failure the rest would only wait for the same.
    if (batch.failure === null && !this.#connection().ready)
      batch.failure = failed('the connection to NATS was lost');
    if (batch.failure !== null) return;
    const index = batch.next++;
    const event = batch.events[index]!;
    const messageId = eventMessageId(batch.ou, event.leadId, event.id);
    try {
      this.#acknowledgements.send(batch.group, index, batch.subject, encodeEvent(event), messageId);
      batch.underWay.add(index);
      this.#underWay++;
    } catch (error) {
      batch.failure = named(event, failureOf(error));
    }
  }

  #settle(batch: Batch, index: number, failure: Failure | null): void {
    if (!batch.underWay.delete(index)) return;
    this.#underWay--;
    batch.failure ??= failure && named(batch.events[index]!, failure);
    const isAllSent = batch.failure !== null || batch.next === batch.events.length;
    if (isAllSent && batch.underWay.size === 0 && !this.#batches.includes(batch)) this.#finish(batch);
    this.#sendInTurn();
  }

  #finish(batch: Batch): void {
    this.#unfinished.delete(batch);
    this.#acknowledgements.close(batch.group);
    const { failure, resolve } = batch;
    resolve(failure === null ? { stored: true } : { stored: false, ...failure });
  }

  #watch(delayMs: number): NodeJS.Timeout {
    return setTimeout(() => this.#giveUpLate(), delayMs).unref();
  }

  /** Ends the batches whose time is over, those that wait for their turn too, and looks again when the next one's is. */
  #giveUpLate(): void {
    this.#timer = undefined;
    for (const batch of this.#unfinished) {
      const leftMs = batch.deadlineMs - performance.now();
      if (leftMs > TOGETHER_MS) {
        this.#timer = this.#watch(leftMs);
        break;
      }
      this.#giveUp(batch);
    }
    this.#sendInTurn();
  }

  #giveUp(batch: Batch): void {
    batch.failure ??= failed('JetStream did not answer in time');
    this.#underWay -= batch.underWay.size;
    this.#finish(batch);
  }
}

function encodeEvent(event: EventToPublish): Uint8Array {
  const body = {
    id: event.id,
    lead_id: event.leadId,
    event_type: event.eventType,
    created_at: event.createdAt ?? undefined,
    metadata: event.metadata ?? undefined,
    score: event.score ?? undefined,
  };
  // From a pool of memory, where a TextEncoder makes a buffer of its own for each.
  return Buffer.from(JSON.stringify(body));
}

/** What is wrong with one event is to be found among those of a batch. */
function named({ id }: EventToPublish, failure: Failure): Failure {
  return failure.isTooLarge ? { ...failure, reason: `event ${id}: ${failure.reason}` } : failure;
}

function failureOf(error: unknown): Failure {
  const code = error instanceof NatsError ? error.code : '';
  if (code === ErrorCode.ConnectionClosed || code === ErrorCode.ConnectionDraining) {
    return failed('the connection to NATS is closed');
  }
  if (code === ErrorCode.MaxPayloadExceeded) {
    return { reason: 'it is larger than the max_payload of the NATS server', isTooLarge: true };
  }
  return failed(`NATS refused an event: ${messageOf(error)}`);
}
