import type { IncomingHttpHeaders } from 'node:http';
import { StringDecoder } from 'node:string_decoder';
import type { Dispatcher } from 'undici';
import { DeadlineError, shutdownError, whenAborted } from './deadline.ts';

const RESPONSE_READ_BYTES_MAX = 16 * 1024;
const RESPONSE_KEPT_BYTES_MAX = 1024;
const INFORMATIONAL_ANSWERS_MAX = 16;
const BODILESS_STATUSES = new Set([204, 304]);
const CONTROL_CHARACTERS = /[^\P{Cc}\t\r\n]/gu;

/** A complete answer, or the start of one that reached the limit of what is read. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The first 1 KiB of the body as text, without control characters; never decompressed. */
  readonly response: string;
}

/** The answer broke a rule that the parser of HTTP leaves to its user. */
export class InvalidResponseError extends Error {
  readonly code = 'INVALID_RESPONSE';
}

/**
 * Makes one request. The deadline covers all of it: waiting for a connection, name resolution, TLS, headers and
 * body. Rejects with a `DeadlineError`, an `AbortError` when `signal` aborts, or what the transport met with.
 */
export function exchange(
  dispatcher: Dispatcher,
  request: Dispatcher.DispatchOptions,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const handler = new ExchangeHandler(timeoutMs, signal, resolve, reject);
    dispatcher.dispatch(request, handler);
  });
}

/** Settles once; whatever comes after that is let go, and ends the connection if it is still at work for us. */
class ExchangeHandler implements Dispatcher.DispatchHandler {
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (error: Error) => void;
  readonly #timer: NodeJS.Timeout;
  #stopWaiting = () => {};
  readonly #chunks: Buffer[] = [];
  #readBytes = 0;
  #informationalAnswers = 0;
  #status = 0;
  #headers: IncomingHttpHeaders = {};
  #controller: Dispatcher.DispatchController | null = null;
  #settled = false;

  constructor(
    timeoutMs: number,
    signal: AbortSignal,
    resolve: (answer: Answer) => void,
    reject: (error: Error) => void,
  ) {
    this.#resolve = resolve;
    this.#reject = reject;
    this.#timer = setTimeout(() => this.#giveUp(new DeadlineError(timeoutMs)), timeoutMs);
    this.#stopWaiting = whenAborted(signal, () => this.#giveUp(shutdownError()));
  }

  /** A request whose time was up while it waited for a connection is not sent any more. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#settled) controller.abort(new Error('the attempt is over'));
  }

  onResponseStart(_controller: unknown, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) {
      this.#informationalAnswers += 1;
      if (this.#informationalAnswers > INFORMATIONAL_ANSWERS_MAX)
        this.#giveUp(new InvalidResponseError('too many informational answers'));
      return;
    }
    this.#status = status;
    this.#headers = headers;
    // There is no body, though some announce one, which the parser would take for a broken answer.
    if (BODILESS_STATUSES.has(status) && !this.#settled) this.#succeed();
  }

  onResponseData(_controller: unknown, chunk: Buffer): void {
    if (this.#settled) return;
    if (this.#readBytes < RESPONSE_KEPT_BYTES_MAX) this.#chunks.push(chunk);
    this.#readBytes += chunk.length;
    if (this.#readBytes < RESPONSE_READ_BYTES_MAX) return;
    this.#succeed();
    this.#controller?.abort(new Error('enough was read'));
  }

  onResponseEnd(): void {
    if (!this.#settled) this.#succeed();
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#giveUp(error);
  }

  #succeed(): void {
    this.#settle();
    this.#resolve({ status: this.#status, headers: this.#headers, response: textOf(this.#chunks) });
  }

  #giveUp(error: Error): void {
    if (this.#settled) return;
    this.#settle();
    this.#reject(error);
    this.#controller?.abort(error);
  }

  #settle(): void {
    this.#settled = true;
    clearTimeout(this.#timer);
    this.#stopWaiting();
  }
}

/** The first bytes as text; a character that the cut went through is left out. */
function textOf(chunks: readonly Buffer[]): string {
  if (chunks.length === 0) return '';
  const bytes = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
  const kept = bytes.subarray(0, RESPONSE_KEPT_BYTES_MAX);
  return new StringDecoder('utf8').write(kept).replace(CONTROL_CHARACTERS, '\ufffd');
}
