/** What a request learns of its token's bucket. */
export interface RateState {
  readonly isAllowed: boolean;
  /** Requests per second, which is also how many may come at once. */
  readonly ratePerSecond: number;
  /** Whole requests that are left. */
  readonly remaining: number;
  /** Until the bucket is full again. */
  readonly fullInSeconds: number;
  /** Until the next request may come; 0 where one may now. */
  readonly waitSeconds: number;
}

interface Bucket {
  /** In thousandths of a request, so that whole milliseconds at a whole rate add up exactly. */
  level: number;
  atMs: number;
}

const PARTS = 1_000;
/** Full buckets are forgotten when there are so many, since they say no more than absent ones. */
const BUCKETS_BEFORE_TIDYING = 1_024;

/** A token bucket per key, in memory: it holds what comes in a second and is filled evenly. */
export class RateLimiter {
  readonly #buckets = new Map<string, Bucket>();
  #tidyAt = BUCKETS_BEFORE_TIDYING;

  /** Takes one request out of the bucket of the key, where it holds one. */
  take(key: string, ratePerSecond: number, nowMs: number): RateState {
    const bucket = this.#buckets.get(key) ?? this.#add(key, ratePerSecond, nowMs);
    // A clock that was set back fills nothing, and a rate that was lowered takes what is too much.
    const elapsedMs = Math.max(0, nowMs - bucket.atMs);
    const full = ratePerSecond * PARTS;
    bucket.level = Math.min(full, bucket.level + elapsedMs * ratePerSecond);
    bucket.atMs = nowMs;
    const isAllowed = bucket.level >= PARTS;
    if (isAllowed) bucket.level -= PARTS;
    return {
      isAllowed,
      ratePerSecond,
      remaining: Math.floor(bucket.level / PARTS),
      fullInSeconds: (full - bucket.level) / full,
      waitSeconds: isAllowed ? 0 : (PARTS - bucket.level) / full,
    };
  }

  /** Buckets in memory. */
  get size(): number {
    return this.#buckets.size;
  }

  #add(key: string, ratePerSecond: number, nowMs: number): Bucket {
    if (this.#buckets.size >= this.#tidyAt) this.#tidy(nowMs);
    const bucket = { level: ratePerSecond * PARTS, atMs: nowMs };
    this.#buckets.set(key, bucket);
    return bucket;
  }

  /** Any bucket is full a second after its last request. */
  #tidy(nowMs: number): void {
    for (const [key, { atMs }] of this.#buckets) {
      if (Math.abs(nowMs - atMs) >= 1_000) this.#buckets.delete(key);
    }
    this.#tidyAt = Math.max(BUCKETS_BEFORE_TIDYING, this.#buckets.size * 2);
  }
}

/** The header fields of draft-ietf-httpapi-ratelimit-headers-10: the policy, and where the token stands with it. */
export function rateHeaders({
  ratePerSecond,
  remaining,
  fullInSeconds,
}: RateState): Readonly<Record<string, string>> {
  return {
    'ratelimit-policy': `"token";q=${ratePerSecond};w=1`,
    ratelimit: `"token";r=${remaining};t=${Math.ceil(fullInSeconds)}`,
  };
}
