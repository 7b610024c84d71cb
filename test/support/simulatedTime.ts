import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { seededRandom } from '../../bench/random.ts';

/** Everything that a simulation leaves to chance, drawn from one seed. */
export class Chance {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = seededRandom(seed);
  }

  /** Uniform in [0, 1). */
  unit = (): number => this.#next();

  /** Whether something happens that does with this probability. */
  happens(probability: number): boolean {
    return this.#next() < probability;
  }

  /** A whole number, both ends included. */
  integer(from: number, to: number): number {
    return from + Math.floor(this.#next() * (to - from + 1));
  }

  between(from: number, to: number): number {
    return from + this.#next() * (to - from);
  }

  pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.#next() * choices.length)]!;
  }

  /** Mostly short, now and then up to the longest: queues, disks and networks are like that. */
  delayMs(longestMs: number): number {
    return longestMs * this.#next() ** 4;
  }
}

const TRACE_LINES_KEPT = 40;

/** What happened, line by line: the last lines for people, all of them as one hash. */
export class Trace {
  readonly #hash = createHash('sha256');
  readonly #lines: string[] = [];

  add(line: string): void {
    this.#hash.update(`${line}\n`);
    this.#lines.push(line);
    if (this.#lines.length > 2 * TRACE_LINES_KEPT) this.#lines.splice(0, TRACE_LINES_KEPT);
  }

  lastLines(): string[] {
    return this.#lines.slice(-TRACE_LINES_KEPT);
  }

  digest(): string {
    return this.#hash.copy().digest('hex');
  }
}

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  isCancelled: boolean;
}

/**
 * Virtual time. Nothing happens but the events that were scheduled, one after the other; an hour without any
 * costs nothing. Before the next event, every promise that the last one resolved has been followed to its end.
 */
export class SimulatedTime {
  readonly #events: Event[] = [];
  #order = 0;
  #steps = 0;
  /** Milliseconds since the simulation began. */
  nowMs = 0;

  /** Events run so far. */
  get steps(): number {
    return this.#steps;
  }

  /** Schedules; the returned function takes it back. */
  after(delayMs: number, run: () => void): () => void {
    const event = { atMs: this.nowMs + Math.max(0, delayMs), order: this.#order++, run, isCancelled: false };
    this.#push(event);
    return () => {
      event.isCancelled = true;
    };
  }

  /** Runs the next event and what follows from it. False when there is none. */
  async step(): Promise<boolean> {
    for (;;) {
      const event = this.#pop();
      if (event === undefined) return false;
      if (event.isCancelled) continue;
      this.nowMs = event.atMs;
      this.#steps++;
      event.run();
      // Promises are followed before the loop comes round again, however long their chains are.
      await new Promise((resolve) => setImmediate(resolve));
      return true;
    }
  }

  #push(event: Event): void {
    const events = this.#events;
    let index = events.push(event) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (isBefore(events[parent]!, event)) break;
      events[index] = events[parent]!;
      index = parent;
    }
    events[index] = event;
  }

  #pop(): Event | undefined {
    const events = this.#events;
    const first = events[0];
    const last = events.pop();
    if (first === undefined || last === undefined || events.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= events.length) break;
      if (child + 1 < events.length && isBefore(events[child + 1]!, events[child]!)) child++;
      if (isBefore(last, events[child]!)) break;
      events[index] = events[child]!;
      index = child;
    }
    events[index] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/**
 * One life of a process: what it has scheduled happens only while it lives. Since nothing in it goes on but
 * by an event, a process that was killed never runs another line.
 */
export class SimulatedProcess {
  readonly #time: SimulatedTime;
  isAlive = true;

  constructor(time: SimulatedTime) {
    this.#time = time;
  }

  nowMs(): number {
    return this.#time.nowMs;
  }

  after(delayMs: number, run: () => void): () => void {
    return this.#time.after(delayMs, () => {
      if (this.isAlive) run();
    });
  }

  every(intervalMs: number, run: () => void): () => void {
    let isOn = true;
    const beat = (): void => {
      if (!isOn) return;
      run();
      this.after(intervalMs, beat);
    };
    this.after(intervalMs, beat);
    return () => {
      isOn = false;
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const onAbort = (): void => {
        cancel();
        reject(signal?.reason);
      };
      const cancel = this.after(ms, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      if (signal === undefined) return;
      // As many may wait as like to.
      setMaxListeners(0, signal);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  kill(): void {
    this.isAlive = false;
  }
}
