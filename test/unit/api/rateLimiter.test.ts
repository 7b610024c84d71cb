import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateLimiter } from '../../../src/api/rateLimiter.ts';
import { aToken, startApi, TOKEN_TWO } from '../../support/api.ts';

/** A bucket as slow as can be: in every millisecond it gets as many drops as its rate, one by one; a request takes 1,000. */
class SlowBucket {
  #drops: number;
  #atMs: number;
  readonly #ratePerSecond: number;

  constructor(ratePerSecond: number, nowMs: number) {
    this.#ratePerSecond = ratePerSecond;
    this.#drops = ratePerSecond * 1_000;
    this.#atMs = nowMs;
  }

  take(nowMs: number): boolean {
    for (; this.#atMs < nowMs; this.#atMs++) {
      for (let drop = 0; drop < this.#ratePerSecond; drop++) {
        if (this.#drops < this.#ratePerSecond * 1_000) this.#drops++;
      }
    }
    if (this.#drops < 1_000) return false;
    this.#drops -= 1_000;
    return true;
  }
}

const requests = fc.array(
  fc.record({
    token: fc.constantFrom('a', 'b'),
    afterMs: fc.oneof(fc.constant(0), fc.nat(5), fc.nat(2_000)),
  }),
  { maxLength: 100, size: 'max' },
);

describe('the rate of a token', () => {
  it('lets through what a slow bucket lets through, token by token', () => {
    fc.assert(
      fc.property(requests, fc.constantFrom(1, 2, 4, 8, 50), (asked, ratePerSecond) => {
        const limiter = new RateLimiter();
        const models = new Map<string, SlowBucket>();
        let nowMs = 1_000_000;
        for (const { token, afterMs } of asked) {
          nowMs += afterMs;
          const model = models.get(token) ?? new SlowBucket(ratePerSecond, nowMs);
          models.set(token, model);
          const { isAllowed, remaining, waitSeconds } = limiter.take(token, ratePerSecond, nowMs);
          expect(isAllowed).toBe(model.take(nowMs));
          expect(remaining).toBeGreaterThanOrEqual(0);
          expect(waitSeconds === 0).toBe(isAllowed);
        }
      }),
    );
  });

  it('lets no more through at once after a long rest than in any second', () => {
    const limiter = new RateLimiter();
    limiter.take('a', 3, 0);
    const after = Array.from({ length: 5 }, () => limiter.take('a', 3, 60_000).isAllowed);
    expect(after).toEqual([true, true, true, false, false]);
  });

  it('lets a request through after the wait that it was told', () => {
    const limiter = new RateLimiter();
    for (let n = 0; n < 3; n++) expect(limiter.take('a', 3, 0).isAllowed).toBe(true);
    const { waitSeconds } = limiter.take('a', 3, 0);
    expect(waitSeconds).toBeGreaterThan(0);
    expect(limiter.take('a', 3, waitSeconds * 1_000 + 1).isAllowed).toBe(true);
  });

  it('fills nothing when the clock is set back, and goes on from there', () => {
    const limiter = new RateLimiter();
    limiter.take('a', 1, 10_000);
    expect(limiter.take('a', 1, 5_000).isAllowed).toBe(false);
    expect(limiter.take('a', 1, 6_000).isAllowed).toBe(true);
  });

  it('takes no more memory than the tokens of a second do', () => {
    const limiter = new RateLimiter();
    for (let n = 0; n < 100_000; n++) limiter.take(`token-${n}`, 10, n);
    expect(limiter.size).toBeLessThan(5_000);
    // What is under way is not forgotten by it.
    for (let n = 0; n < 10; n++) limiter.take('busy', 10, 200_000);
    for (let n = 0; n < 5_000; n++) limiter.take(`other-${n}`, 10, 200_000);
    expect(limiter.take('busy', 10, 200_000).isAllowed).toBe(false);
  });
});

describe('an answer to a token', () => {
  it('says what the token may ask and what is left, and 429 with when to try again', async () => {
    const { call, world } = startApi({ requestsPerSecondMax: 2 });
    const statuses = [];
    for (let n = 0; n < 4; n++) {
      const { status, headers } = await call('GET', '/sequences');
      statuses.push([status, headers.get('ratelimit-policy'), headers.get('ratelimit')]);
    }
    expect(statuses).toEqual([
      [200, '"token";q=2;w=1', '"token";r=1;t=1'],
      [200, '"token";q=2;w=1', '"token";r=0;t=1'],
      [429, '"token";q=2;w=1', '"token";r=0;t=1'],
      [429, '"token";q=2;w=1', '"token";r=0;t=1'],
    ]);
    const refused = await call('POST', '/sequences', { body: {} });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
    expect(refused.json.detail).toMatch(/2 requests per second/);
    world.nowMs += 500;
    expect((await call('GET', '/sequences')).status).toBe(200);
    expect((await call('GET', '/sequences')).status).toBe(429);
  });

  it('counts each token by itself, and no request without a good one', async () => {
    const { call } = startApi({ requestsPerSecondMax: 1 });
    for (let n = 0; n < 5; n++) {
      const { status, headers } = await call('GET', '/sequences', { token: 'st_wrong' });
      expect([status, headers.get('ratelimit')]).toEqual([401, null]);
      expect((await call('GET', '/healthz', { token: null })).headers.get('ratelimit')).toBeNull();
    }
    expect((await call('GET', '/sequences')).status).toBe(200);
    expect((await call('GET', '/sequences')).status).toBe(429);
    expect((await call('GET', '/sequences', { token: TOKEN_TWO })).status).toBe(200);
  });

  it('goes by the rate of the token where it has one, and by none where there is none', async () => {
    const { call, world } = startApi({ requestsPerSecondMax: 1 });
    world.tokens.set('st_fast', aToken({ id: 'tok-fast', ratePerSecond: 3 }));
    const fast = [];
    for (let n = 0; n < 4; n++) fast.push((await call('GET', '/sequences', { token: 'st_fast' })).status);
    expect(fast).toEqual([200, 200, 200, 429]);
    const free = startApi({ requestsPerSecondMax: 0 });
    for (let n = 0; n < 50; n++) {
      const { status, headers } = await free.call('GET', '/sequences');
      expect([status, headers.get('ratelimit')]).toEqual([200, null]);
    }
  });
});
