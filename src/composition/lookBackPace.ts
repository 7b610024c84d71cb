/** What the program says of its feed to the process of a look-back. */
export type FeedNews = 'busy' | 'idle';

/** How often the feed is looked at. */
export const NEWS_INTERVAL_MS = 50;
/** How often it is said again that it is idle, and for how long that counts. */
const IDLE_AGAIN_MS = 500;
const IDLE_VALID_MS = 1_000;
/** A feed of at least an event in this time is busy throughout: each of its events finds the look-back at rest. */
const HOLD_MS = 1_000;
/** Of a processor, that a look-back takes beside a busy feed. */
const SHARE = 1 / 8;
/** Bounds what one large step owes, so that a look-back goes on whatever the feed does. */
const REST_MS_MAX = 100;

/**
 * Whether the feed is busy: it moved within the last second. It becomes busy with one event, and idle only after a
 * second without any. Times in milliseconds of one clock that only goes forward.
 */
export class FeedActivity {
  #position: number;
  #movedMs: number;
  #saidIdleMs = Number.NEGATIVE_INFINITY;

  /** @param movedMs when it came to this position */
  constructor(position: number, movedMs: number) {
    this.#position = position;
    this.#movedMs = movedMs;
  }

  /** What is to be said, if anything: that it is busy once, since silence says the same, that it is idle again and again. */
  news(position: number, nowMs: number): FeedNews | undefined {
    if (position !== this.#position) this.#movedMs = nowMs;
    this.#position = position;
    const isBusy = nowMs - this.#movedMs < HOLD_MS;
    const wasIdle = this.#saidIdleMs > Number.NEGATIVE_INFINITY;
    if (isBusy) {
      this.#saidIdleMs = Number.NEGATIVE_INFINITY;
      return wasIdle ? 'busy' : undefined;
    }
    if (nowMs - this.#saidIdleMs < IDLE_AGAIN_MS) return undefined;
    this.#saidIdleMs = nowMs;
    return 'idle';
  }
}

/**
 * How much a look-back rests: not at all beside an idle feed, and beside a busy one so much that its process takes an
 * eighth of a processor. A feed of which nothing is heard counts as busy: a program that does not come to say so has
 * much to do. Processor time instead of time, because messages are decoded as they arrive, also during a rest, and
 * because a process that has to wait for a processor needs no rest on top. Times in milliseconds.
 */
export class Pace {
  /** Asked only beside a busy feed: the answer of the system takes as long as some events. */
  readonly #usedMs: () => number;
  #used = 0;
  #atMs = 0;
  #owedMs = 0;
  #isCounting = false;
  #idleUntilMs = Number.NEGATIVE_INFINITY;

  /** @param usedMs gives the processor time of the process so far */
  constructor(usedMs: () => number) {
    this.#usedMs = usedMs;
  }

  hear(news: FeedNews, nowMs: number): void {
    this.#idleUntilMs = news === 'idle' ? nowMs + IDLE_VALID_MS : Number.NEGATIVE_INFINITY;
  }

  /** For how long to rest after a step, 0 to 100. What was rested counts by how long it took in truth. */
  restMs(nowMs: number): number {
    const wasCounting = this.#isCounting;
    this.#isCounting = nowMs >= this.#idleUntilMs;
    if (!this.#isCounting) return 0;
    const used = this.#usedMs();
    const owedMs = wasCounting ? this.#owedMs + (used - this.#used) / SHARE - (nowMs - this.#atMs) : 0;
    this.#used = used;
    this.#atMs = nowMs;
    this.#owedMs = Math.min(REST_MS_MAX, Math.max(0, owedMs));
    return this.#owedMs;
  }
}
