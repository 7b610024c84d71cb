import type { FeedMessage, Rejection } from '../../src/model/event.ts';
import { decodeMessage, type RawMessage } from '../../src/stream/decode.ts';
import type { StreamFound } from '../../src/stream/reconcile.ts';
import { digestOf } from '../../src/stream/reconcile.ts';
import { ouOfSubject } from '../../src/stream/subject.ts';
import type { Chance, SimulatedProcess, SimulatedTime } from './simulatedTime.ts';

export const STREAM_NAME = 'EVENTS';
export const STREAM_CREATED = '2023-11-14T22:13:20.000Z';
/** How long the feed waits before it offers a group again that the engine could not take. */
const HANDLER_PAUSE_MS = 1_000;
/** How often the feed looks whether a stream that was gone is back. */
const RECONNECT_MS = 500;

/** The events stream of the server, which outlives every process that reads it. */
export class SimulatedStream {
  readonly messages: RawMessage[] = [];
  /** Whether the server cannot be reached now. */
  isGone = false;
  readonly #onPublished = new Set<() => void>();

  get lastSequence(): number {
    return this.messages.length;
  }

  publish(subject: string, data: Uint8Array, messageId: string | undefined, arrivalMicros: number): number {
    const streamSequence = this.messages.length + 1;
    const streamName = STREAM_NAME;
    this.messages.push({ subject, data, messageId, streamSequence, arrivalMicros, streamName });
    for (const tell of [...this.#onPublished]) tell();
    this.#onPublished.clear();
    return streamSequence;
  }

  published(): Promise<void> {
    return new Promise((resolve) => this.#onPublished.add(resolve));
  }

  /** The message as the feed hands it on, decoded by the real decoder. */
  read(streamSequence: number): FeedMessage {
    const raw = this.messages[streamSequence - 1]!;
    const { subject, data, arrivalMicros } = raw;
    const decoded = decodeMessage(raw);
    const ou = 'event' in decoded ? decoded.event.ou : (ouOfSubject(subject) ?? '');
    return { streamSequence, arrivalMicros, ou, subject, data, decoded };
  }

  /** The stream as a start finds it that wants to go on behind a position. */
  seenFrom(position: number): StreamFound {
    const raw = this.messages[position - 1];
    return {
      name: STREAM_NAME,
      created: STREAM_CREATED,
      firstSequence: 1,
      lastSequence: this.lastSequence,
      isShared: false,
      messageAtPosition:
        raw === undefined ? null : { arrivalMicros: raw.arrivalMicros, digest: digestOf(raw.data) },
    };
  }
}

/**
 * Hands the messages behind a cursor to one handler, one group at a time. Unlike the real feed it sometimes
 * leaves messages in a group that were handed on before, which the engine has to pass over by itself.
 */
export class SimulatedFeed {
  readonly #stream: SimulatedStream;
  readonly #process: SimulatedProcess;
  readonly #chance: Chance;
  readonly #repeats: number;
  readonly #stopped: Promise<void>;
  #signalStop: () => void = () => undefined;
  #isStopping = false;
  #cursor = 0;
  #running: Promise<void> = Promise.resolve();

  /** @param repeats how often a group begins with messages that were handed on before */
  constructor(stream: SimulatedStream, process: SimulatedProcess, chance: Chance, repeats: number) {
    this.#stream = stream;
    this.#process = process;
    this.#chance = chance;
    this.#repeats = repeats;
    this.#stopped = new Promise((resolve) => {
      this.#signalStop = resolve;
    });
  }

  start(cursor: number, handler: (group: readonly FeedMessage[]) => Promise<void>): void {
    this.#cursor = cursor;
    this.#running = this.#run(handler);
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#signalStop();
    await this.#running;
  }

  async #run(handler: (group: readonly FeedMessage[]) => Promise<void>): Promise<void> {
    while (!this.#isStopping) {
      await this.#unlessStopped(this.#process.sleep(this.#chance.delayMs(200)));
      if (this.#isStopping) return;
      if (this.#stream.isGone) {
        await this.#unlessStopped(this.#process.sleep(RECONNECT_MS));
      } else if (this.#cursor === this.#stream.lastSequence) {
        await this.#unlessStopped(this.#stream.published());
      } else {
        const group = this.#take();
        try {
          await handler(group);
          this.#cursor = group.at(-1)!.streamSequence;
        } catch {
          await this.#unlessStopped(this.#process.sleep(HANDLER_PAUSE_MS));
        }
      }
    }
  }

  #take(): FeedMessage[] {
    const { lastSequence } = this.#stream;
    const available = lastSequence - this.#cursor;
    const count = this.#chance.happens(0.5) ? available : this.#chance.integer(1, available);
    const repeated = this.#chance.happens(this.#repeats) ? this.#chance.integer(0, this.#cursor) : 0;
    const from = this.#cursor - repeated + 1;
    return Array.from({ length: count + repeated }, (_, index) => this.#stream.read(from + index));
  }

  #unlessStopped(work: Promise<void>): Promise<void> {
    return Promise.race([work, this.#stopped]);
  }
}

/** The stream of rejected messages, on the server as well. */
export class SimulatedRejectedStream {
  /** The reason by stream sequence; the server keeps one of equal messages. */
  readonly stored = new Map<number, string>();
  /** Whether nothing can be stored now. */
  isGone = false;
  readonly #time: SimulatedTime;
  readonly #chance: Chance;

  constructor(time: SimulatedTime, chance: Chance) {
    this.#time = time;
    this.#chance = chance;
  }

  /** Resolves when stored; may also have stored when it rejects, or when the process was killed meanwhile. */
  store(process: SimulatedProcess, message: FeedMessage, rejection: Rejection): Promise<void> {
    const arrives = !this.isGone || this.#chance.happens(0.2);
    const isAnswered = !this.isGone;
    return new Promise((resolve, reject) => {
      const answer = (): void => {
        if (isAnswered) resolve();
        else reject(new Error('the server does not answer'));
      };
      this.#time.after(this.#chance.delayMs(300), () => {
        if (arrives && (process.isAlive || this.#chance.happens(0.5))) {
          this.stored.set(message.streamSequence, rejection.reason);
        }
        process.after(this.#chance.delayMs(100), answer);
      });
    });
  }
}
