/** What the program says of its feed to the process of a look-back. */
export type FeedNews = 'busy' | 'idle';

/** How often it is said. News that are older than the validity count for nothing. */
export const NEWS_INTERVAL_MS = 50;
const NEWS_VALID_MS = 1_000;
/** A feed of at least an event in this time is busy throughout: each of its events finds the look-back at rest. */
const HOLD_MS = 1_000;
/** Of a processor, that a look-back takes beside a busy feed. */
const SHARE = 1 / 3;
/** Bounds what one large step owes, so that a look-back goes on whatever the feed does. */
const REST_MS_MAX = 100;

/**
 * Whether the feed is busy: it moved within the last second. It becomes busy with one event, and idle only after a
 * second without any. Times in milliseconds of one clock that only goes forward.
 */
export class FeedActivity {
  #position: number;
  #movedMs = Number.NEGATIVE_INFINITY;

  constructor(position: number) {
    this.#position = position;
  }

  isBusy(position: number, nowMs: number): boolean {
    if (position !== this.#position) this.#movedMs = nowMs;
    this.#position = position;
    return nowMs - this.#movedMs < HOLD_MS;
  }
}

/**
 * How much a look-back rests: not at all beside an idle feed, and beside a busy one so much that its process takes a
 * third of a processor. A feed of which nothing is heard counts as busy: a program that does not come to say so has
 * much to do. Processor time instead of time, because messages are decoded as they arrive, also during a rest, and
 * because a process that has to wait for a processor needs no rest on top. Times in milliseconds.
 */
export class Pace {
  #usedMs: number;
  #atMs: number;
  #owedMs = 0;
  #idleUntilMs = Number.NEGATIVE_INFINITY;

  /** @param usedMs processor time of the process so far */
  constructor(usedMs: number, nowMs: number) {
    this.#usedMs = usedMs;
    this.#atMs = nowMs;
  }

  hear(news: FeedNews, nowMs: number): void {
    this.#idleUntilMs = news === 'idle' ? nowMs + NEWS_VALID_MS : Number.NEGATIVE_INFINITY;
  }

  /** For how long to rest after a step, 0 to 100. What was rested counts by how long it took in truth. */
  restMs(usedMs: number, nowMs: number): number {
    const owedMs = this.#owedMs + (usedMs - this.#usedMs) / SHARE - (nowMs - this.#atMs);
    this.#usedMs = usedMs;
    this.#atMs = nowMs;
    const isIdle = nowMs < this.#idleUntilMs;
    this.#owedMs = isIdle ? 0 : Math.min(REST_MS_MAX, Math.max(0, owedMs));
    return this.#owedMs;
  }
}
