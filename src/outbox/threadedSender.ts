import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Bundle } from './bundle.ts';
import { shutdownError, whenAborted } from './deadline.ts';
import { noAnswer, type Outgoing, type Sender, type SendFailure, type SendResult } from './sender.ts';
import { transportError } from './transportError.ts';
import { webhookMessage } from './webhookMessage.ts';
import { type PlainSenderOptions, WebhookSender } from './webhookSender.ts';
import type { Posted, Posting } from './webhookThread.ts';

const ENTRY = new URL('./webhookThread.js', import.meta.url);
/** A thread ends at once, unless a look-up of a name is under way in it; that is not waited for longer. */
const END_MS_MAX = 1_000;

/**
 * Posts webhooks as `WebhookSender` does, in a thread of its own, so that HTTP and TLS take nothing from the thread
 * that events wait for. Should it ever end by itself, the attempts under way have failed, and the next one begins
 * another thread.
 */
export class ThreadedSender implements Sender {
  readonly #options: PlainSenderOptions;
  readonly #entry: URL;
  #thread: Thread;
  #isClosed = false;

  /**
   * @param entry the compiled thread, for callers that are not compiled themselves
   * @throws Error that names what cannot be used
   */
  constructor(options: PlainSenderOptions, entry = ENTRY) {
    // In the thread it would be found too late.
    WebhookSender.of(options);
    this.#options = options;
    this.#entry = entry;
    this.#thread = new Thread(entry, options);
  }

  send(outgoing: Outgoing, signal: AbortSignal): Promise<SendResult> {
    if (this.#isClosed || signal.aborted) return Promise.resolve(cutOff());
    if (this.#thread.hasEnded) this.#thread = new Thread(this.#entry, this.#options);
    return this.#thread.post(outgoing, signal);
  }

  /** Cuts off what is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#thread.end();
  }
}

/** Who waits for a result. */
interface Waiter {
  readonly resolve: (result: SendResult) => void;
  readonly stopListening: () => void;
}

/** One life of the thread. */
class Thread {
  readonly #worker: Worker;
  /** By the numbers of their postings, which are used again: as many as there ever were at a time. */
  readonly #waiters: (Waiter | null)[] = [];
  readonly #freeNumbers: number[] = [];
  readonly #postings = new Bundle<Posting>((postings) => this.#worker.postMessage(postings));
  #problem = 'it stopped';
  #isCutOff = false;
  hasEnded = false;

  constructor(entry: URL, options: PlainSenderOptions) {
    this.#worker = new Worker(entry, { workerData: options });
    this.#worker.on('message', (posted: readonly Posted[]) => {
      for (const [number, result] of posted) this.#settle(number, result);
    });
    this.#worker.on('error', (error) => {
      this.#problem = error instanceof Error ? error.message : String(error);
    });
    this.#worker.on('exit', () => this.#ended());
    // It keeps no process alive, which those that wait for something of it do.
    this.#worker.unref();
  }

  post(outgoing: Outgoing, signal: AbortSignal): Promise<SendResult> {
    const { destination, id, nowMs, body, secrets, isSample } = webhookMessage(outgoing);
    return new Promise((resolve) => {
      const number = this.#freeNumbers.pop() ?? this.#waiters.length;
      // The thread hears nothing of it: whoever aborts closes the sender next, and the connections with it.
      const stopListening = whenAborted(signal, () => resolve(cutOff()));
      this.#waiters[number] = { resolve, stopListening };
      this.#postings.add([number, destination, id, nowMs, body, secrets, isSample]);
    });
  }

  async end(): Promise<void> {
    this.#isCutOff = true;
    await Promise.race([this.#worker.terminate(), sleep(END_MS_MAX, undefined, { ref: false })]);
    this.#ended();
  }

  #settle(number: number, result: SendResult): void {
    const waiter = this.#waiters[number];
    if (!waiter) return;
    this.#waiters[number] = null;
    this.#freeNumbers.push(number);
    waiter.stopListening();
    waiter.resolve(result);
  }

  #ended(): void {
    this.hasEnded = true;
    const result = this.#isCutOff
      ? cutOff()
      : noAnswer('internal', `internal: the thread of the webhooks ended: ${this.#problem}`);
    for (const number of this.#waiters.keys()) this.#settle(number, result);
  }
}

function cutOff(): SendFailure {
  const { kind, detail } = transportError(shutdownError());
  return noAnswer(kind, detail);
}
