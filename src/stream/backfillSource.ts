import type { NatsConnection } from 'nats';
import type { LeadEvent, OuId } from '../model/event.ts';
import { decodeMessage } from './decode.ts';
import { type Logger, messageOf, pause, within } from './ports.ts';
import { type Delivered, PullConsumer } from './pull.ts';
import { type EventStreams, findStream } from './streams.ts';
import { ouOfSubject } from './subject.ts';

/** Decoded in one go: a fraction of a millisecond, so that the feed, which shares the thread, is not held up. */
const PORTION_MESSAGES = 50;
const HEARTBEAT_MS = 1_000;
const RETRY_MS = 500;
/** How often it looks whether the stream still holds anything to wait for. */
const POLL_MS = 1_000;

export interface BackfillRequest {
  readonly ou: OuId;
  /** Creation time of the stream that is to be read; null: of whichever is there. */
  readonly streamCreated: string | null;
  readonly fromMicros: number;
  /** The last stream sequence that is wanted. */
  readonly throughSequence: number;
  readonly signal: AbortSignal;
}

export interface BackfillPortion {
  readonly events: readonly LeadEvent[];
  readonly fraction: number;
}

interface Seen {
  readonly data: Uint8Array;
  readonly streamSequence: number;
  /** Messages behind it. */
  readonly pending: number;
  /** null: of another OU, or one that cannot be used. */
  readonly event: LeadEvent | null;
}

/**
 * Reads what the stream retains through a consumer of its own, beside the feed's.
 *
 * A consumer that fails, and a server that is away, are tried again behind the last message; messages that are
 * purged or expire meanwhile are passed over.
 */
export class BackfillSource {
  readonly #nats: NatsConnection;
  readonly #streams: EventStreams;
  readonly #logger: Logger;

  constructor(nats: NatsConnection, streams: EventStreams, logger: Logger) {
    this.#nats = nats;
    this.#streams = streams;
    this.#logger = logger;
  }

  /** Portions in stream order. Throws an Error in plain words when the stream is gone or is another one. */
  async *read(request: BackfillRequest): AsyncGenerator<BackfillPortion> {
    const { signal } = request;
    let end: () => void = () => undefined;
    const ended = new Promise<undefined>((resolve) => {
      end = () => resolve(undefined);
    });
    signal.addEventListener('abort', end);
    try {
      yield* this.#readUntil(ended, request);
    } finally {
      signal.removeEventListener('abort', end);
    }
  }

  async *#readUntil(ended: Promise<undefined>, request: BackfillRequest): AsyncGenerator<BackfillPortion> {
    const place = { first: 0, last: 0 };
    while (place.last < request.throughSequence) {
      let consumer: PullConsumer<Seen> | undefined;
      try {
        const opening = this.#open(request, place.last);
        // Over a connection that is gone it takes seconds.
        consumer = await Promise.race([opening, ended]);
        if (consumer === undefined) {
          opening.then((opened) => opened.close()).catch(() => undefined);
          return;
        }
        yield* portionsOf(consumer, request, place);
        return;
      } catch (error) {
        if (error instanceof StreamGone) throw error;
        this.#logger.warn({ reason: messageOf(error), behind: place.last }, 'a backfill reads on later');
        await Promise.race([pause(RETRY_MS), ended]);
      } finally {
        void consumer?.close();
      }
    }
  }

  async #open({ ou, streamCreated, fromMicros }: BackfillRequest, last: number): Promise<PullConsumer<Seen>> {
    const manager = await this.#nats.jetstreamManager();
    const { events, filterSubject } = this.#streams;
    const found = await findStream(manager, events.name);
    if (found === undefined) throw new StreamGone('the events stream was deleted');
    if (streamCreated !== null && found.created !== streamCreated) {
      throw new StreamGone('the events stream is another one than when the backfill was asked for');
    }
    const settings = {
      stream: events.name,
      start: last > 0 ? { sequence: last + 1 } : { arrivedAtMs: Math.max(0, Math.floor(fromMicros / 1000)) },
      filterSubject,
      heartbeatMs: HEARTBEAT_MS,
      windowMessages: PORTION_MESSAGES * 2,
    };
    return PullConsumer.open(this.#nats, manager, settings, (delivered) => seenOf(delivered, ou));
  }
}

/** What no second attempt will change. */
class StreamGone extends Error {}

async function* portionsOf(
  consumer: PullConsumer<Seen>,
  { throughSequence, signal }: BackfillRequest,
  place: { first: number; last: number },
): AsyncGenerator<BackfillPortion> {
  for (;;) {
    const taken = await takeWhileAny(consumer, signal);
    if (taken === null) return;
    if ('failure' in taken) throw new Error(taken.failure);
    const wanted = taken.filter(({ streamSequence }) => streamSequence <= throughSequence);
    const { streamSequence, pending } = taken.at(-1)!;
    if (place.first === 0) place.first = taken[0]!.streamSequence;
    place.last = streamSequence;
    const span = throughSequence - place.first + 1;
    const isLast = streamSequence >= throughSequence || pending === 0;
    yield {
      events: wanted.flatMap(({ event }) => event ?? []),
      fraction: isLast ? 1 : (streamSequence - place.first + 1) / span,
    };
    if (isLast) return;
  }
}

/** The next messages; null when there will be none, as after a purge, or when it is to end. */
async function takeWhileAny(consumer: PullConsumer<Seen>, signal: AbortSignal) {
  const taking = consumer.take(PORTION_MESSAGES);
  for (;;) {
    const taken = await within(POLL_MS, taking);
    if (taken !== undefined) return taken;
    if (signal.aborted) return null;
    await consumer.verify();
    if (consumer.pending === 0) return null;
  }
}

function seenOf(delivered: Delivered, ou: OuId): Seen {
  const { data, streamSequence, pending } = delivered;
  const decoded = ouOfSubject(delivered.subject) === ou ? decodeMessage(delivered) : null;
  return {
    data,
    streamSequence,
    pending,
    event: decoded !== null && 'event' in decoded ? decoded.event : null,
  };
}
