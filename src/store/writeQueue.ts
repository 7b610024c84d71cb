import { setTimeout as sleep } from 'node:timers/promises';
import type { RootDatabase } from 'lmdb';
import { freeBytes, ROOM_BYTES_MIN } from './dataDirectory.ts';

/** Pause before a write is tried again: a full disk wants time, not haste. */
const RETRY_PAUSE_MS = 500;

/** A transaction ends with the step that takes it beyond this, so that a flood of writes holds up nothing else. */
const TRANSACTION_MS_MAX = 10;

/**
 * What passes by itself, or once somebody makes room. LMDB reports a page that was written in part as EIO (5);
 * the others are ENOMEM, EFBIG, ENOSPC, EROFS, EDQUOT, and LMDB's MAP_FULL.
 */
const PASSING_CODES = new Set([5, 12, 27, 28, 30, 122, -30792]);
/**
 * MDB_BAD_TXN. The library gives up a sound transaction now and then, when it saves its list of free pages (once in
 * some hundred runs under load; its issue 321 tells of more of the kind). It begins the next one from what is on disk.
 */
const GIVEN_UP_CODE = -30782;
/** In a row; one that is given up more often has another reason. */
const GIVEN_UP_MAX = 3;

export interface WriteOptions {
  /**
   * What is asked for later is right only when this is on disk. Should the step throw, the store fails, and with it
   * all that waits: taking back this step alone would let the others overtake it.
   */
  readonly othersRestOnIt?: boolean;
}

interface Request {
  readonly step: () => unknown;
  readonly othersRestOnIt: boolean;
  /** What came of the step in the transaction under way. */
  outcome: { readonly value: unknown } | { readonly error: unknown };
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/**
 * Makes writes in the order in which they are asked for, each whole or not at all.
 *
 * Those that are asked for while a transaction is under way are the next transaction together, as many of them as
 * `TRANSACTION_MS_MAX` allows. A transaction that fails keeps its place: it is made again before anything that was
 * asked for later, so that nothing is ever on disk without what was asked for before it. LMDB itself would go on with
 * the next one.
 */
export class WriteQueue {
  readonly #root: RootDatabase;
  readonly #path: string;
  readonly #onTrouble: ((trouble: string | null) => void) | undefined;
  readonly #abandoned = new AbortController();
  #waiting: Request[] = [];
  #running = false;
  #flushed: Promise<unknown> = Promise.resolve();
  #trouble: string | null = null;
  #failure: Error | null = null;
  #givenUp = 0;
  #reportFailure: (failure: Error) => void = () => {};
  /** Resolves when the store can be written no more until it is opened again. */
  readonly failed = new Promise<Error>((resolve) => {
    this.#reportFailure = resolve;
  });

  /**
   * @param path of the environment, for messages and to ask how full its disk is
   * @param onTrouble told when writes begin to wait and when they go on; without it nothing waits: what cannot
   *   be written is rejected
   */
  constructor(root: RootDatabase, path: string, onTrouble?: (trouble: string | null) => void) {
    this.#root = root;
    this.#path = path;
    this.#onTrouble = onTrouble;
  }

  /** Why writes wait, in a sentence; null while they do not. */
  get trouble(): string | null {
    return this.#failure?.message ?? this.#trouble;
  }

  /** Resolves when everything that was committed so far is on disk. */
  async flushed(): Promise<void> {
    await this.#flushed;
  }

  /**
   * Makes a synchronous step within a transaction; it may be run more than once. Resolves when it is committed.
   *
   * @throws what the step throws, and then nothing of it is stored; Error when the store has failed, or was
   *   abandoned before it could be written
   */
  write<T>(step: () => T, { othersRestOnIt = false }: WriteOptions = {}): Promise<T> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise<T>((resolve, reject) => {
      const outcome = { value: undefined };
      this.#waiting.push({
        step,
        othersRestOnIt,
        outcome,
        resolve: resolve as Request['resolve'],
        reject,
      });
      if (!this.#running) void this.#run();
    });
  }

  /** From now on what cannot be written at once is rejected, so that the program can stop. */
  abandon(): void {
    this.#abandoned.abort();
  }

  /** Closes the environment. What waits must have been made or abandoned before. */
  async close(): Promise<void> {
    // After a failed transaction the library waits for its flush, which never comes. An empty one needs no room
    // and is the last one then.
    if (this.#failure !== null) return;
    await this.#root.transaction(() => undefined);
    await this.#root.close();
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#waiting.length > 0) await this.#writeWaiting();
    this.#running = false;
  }

  /** One transaction of what waits, or a pause when it fails. */
  async #writeWaiting(): Promise<void> {
    let transactionId = Number.POSITIVE_INFINITY;
    let requests: Request[] = [];
    try {
      await this.#root.childTransaction(() => {
        transactionId = this.#root.getWriteTxnId();
        requests = this.#makeSome();
      });
    } catch (error) {
      await this.#afterFailure(await causeOf(error), transactionId);
      return;
    }
    // Taken now: once there is a later transaction, the library's `flushed` speaks of that one, and when that
    // fails it never settles.
    this.#flushed = new Promise((resolve) => this.#root.flushed.then(resolve));
    this.#setTrouble(null);
    this.#givenUp = 0;
    this.#waiting = this.#waiting.slice(requests.length);
    for (const { outcome, resolve, reject } of requests) {
      if ('error' in outcome) reject(outcome.error);
      else resolve(outcome.value);
    }
  }

  /** Gives those that were made: all, or the first. */
  #makeSome(): Request[] {
    const endsAtMs = performance.now() + TRANSACTION_MS_MAX;
    const made: Request[] = [];
    for (const request of [...this.#waiting]) {
      this.#make(request);
      made.push(request);
      if (performance.now() > endsAtMs) break;
    }
    return made;
  }

  /** A step that throws takes back what it wrote, or the whole transaction where others rest on it; so does an error of LMDB. */
  #make(request: Request): void {
    try {
      this.#root.childTransaction(() => {
        request.outcome = { value: request.step() };
      });
    } catch (error) {
      if (request.othersRestOnIt || codeOf(error) !== null) throw error;
      request.outcome = { error };
    }
  }

  async #afterFailure(cause: Error, transactionId: number): Promise<void> {
    const isVisible = (this.#root.getStats() as { lastTxnId: number }).lastTxnId >= transactionId;
    // What is visible but did not reach the disk cannot be made again: the pages count as written.
    if (isVisible || !this.#passes(codeOf(cause) ?? 0)) {
      this.#failure = new Error(`the store at ${this.#path} failed: ${cause.message}`, { cause });
      this.#rejectAll(this.#failure);
      this.#reportFailure(this.#failure);
      return;
    }
    const trouble = `the store at ${this.#path} cannot be written: ${this.#reason(cause)}`;
    if (this.#onTrouble !== undefined) {
      this.#setTrouble(trouble);
      await this.#pause();
    }
    if (this.#onTrouble === undefined || this.#abandoned.signal.aborted) {
      this.#rejectAll(new Error(trouble, { cause }));
    }
  }

  #passes(code: number): boolean {
    return code === GIVEN_UP_CODE ? this.#givenUp++ < GIVEN_UP_MAX : PASSING_CODES.has(code);
  }

  #setTrouble(trouble: string | null): void {
    if ((trouble === null) !== (this.#trouble === null)) this.#onTrouble?.(trouble);
    this.#trouble = trouble;
  }

  async #pause(): Promise<void> {
    const { signal } = this.#abandoned;
    do {
      await sleep(RETRY_PAUSE_MS, undefined, { signal }).catch(() => undefined);
    } while (freeBytes(this.#path) < ROOM_BYTES_MIN && !signal.aborted);
  }

  #rejectAll(error: Error): void {
    const requests = this.#waiting;
    this.#waiting = [];
    for (const { reject } of requests) reject(error);
  }

  #reason(cause: Error): string {
    const bytesLeft = freeBytes(this.#path);
    return bytesLeft < ROOM_BYTES_MIN ? `the disk is full (${bytesLeft} bytes left)` : cause.message;
  }
}

/** The number that LMDB or the system gives an error; null for errors of other origin. */
function codeOf(error: unknown): number | null {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return typeof code === 'number' ? code : null;
}

/** The library rejects with an error that holds a promise of the cause, which must not go unheard. */
async function causeOf(error: unknown): Promise<Error> {
  if (error instanceof Error && 'commitError' in error) {
    return Promise.resolve(error.commitError).then(
      () => error,
      (cause: Error) => cause,
    );
  }
  return error instanceof Error ? error : new Error(String(error));
}
