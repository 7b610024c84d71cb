import { describe, expect, it } from 'vitest';
import { Breaker, type BreakerSettings } from '../../../src/outbox/breaker.ts';
import { RateLimit } from '../../../src/outbox/rateLimit.ts';

const SETTINGS: BreakerSettings = {
  failuresMin: 3,
  streakMsMin: 1_000,
  pauseMsMin: 100,
  pauseMsMax: 350,
};

const aBreaker = (random = 0.5) => new Breaker(SETTINGS, () => random);

/** One that has failed for long enough, and is open from `nowMs` on. */
function anOpenBreaker(nowMs: number): Breaker {
  const breaker = aBreaker();
  breaker.failed(nowMs - 1_000, nowMs - 900, null);
  breaker.failed(nowMs - 800, nowMs - 700, null);
  breaker.failed(nowMs - 100, nowMs, null);
  return breaker;
}

describe('the circuit breaker', () => {
  it('opens after enough failures in a row that have gone on for long enough', () => {
    const breaker = aBreaker();
    breaker.failed(0, 10, null);
    breaker.failed(0, 20, null);
    breaker.failed(0, 30, null);
    expect(breaker.state(30)).toBe('closed');
    breaker.failed(990, 999, null);
    expect(breaker.state(999)).toBe('closed');
    breaker.failed(990, 1_000, null);
    expect(breaker.state(1_000)).toBe('open');
    expect(breaker.mayBegin(1_099)).toBe(false);
    expect(breaker.openUntilMs).toBe(1_100);
  });

  it('stays closed for few failures, however long they go on, and for many between successes', () => {
    const breaker = aBreaker();
    breaker.failed(0, 10, null);
    breaker.failed(0, 60_000, null);
    expect(breaker.state(60_000)).toBe('closed');
    breaker.succeeded();
    for (let nowMs = 61_000; nowMs < 99_000; nowMs += 10_000) {
      breaker.failed(nowMs, nowMs + 1, null);
      breaker.failed(nowMs, nowMs + 5_000, null);
      breaker.succeeded();
    }
    expect(breaker.state(99_000)).toBe('closed');
    expect(breaker.failuresInARow).toBe(0);
  });

  it('lets one attempt through after its pause, and closes when that succeeds', () => {
    const breaker = anOpenBreaker(1_000);
    expect(breaker.mayBegin(1_100)).toBe(true);
    breaker.began(1_100);
    expect(breaker.state(1_100)).toBe('half_open');
    expect(breaker.mayBegin(1_200)).toBe(false);
    breaker.succeeded();
    expect(breaker.state(1_200)).toBe('closed');
    expect(breaker.mayBegin(1_200)).toBe(true);
  });

  it('opens again for twice as long when that attempt fails, up to the most', () => {
    const breaker = anOpenBreaker(1_000);
    const pauses: number[] = [];
    for (let nowMs = 1_100; pauses.length < 4; ) {
      breaker.began(nowMs);
      expect(breaker.failed(nowMs, nowMs, null)).toBe(true);
      pauses.push(breaker.openUntilMs! - nowMs);
      nowMs = breaker.openUntilMs!;
    }
    expect(pauses).toEqual([200, 350, 350, 350]);
  });

  it('learns nothing from attempts that had begun before it opened', () => {
    const breaker = anOpenBreaker(1_000);
    expect(breaker.failed(0, 1_050, null)).toBe(false);
    expect(breaker.openUntilMs).toBe(1_100);
    breaker.began(1_100);
    expect(breaker.failed(900, 1_100, null)).toBe(false);
    breaker.failed(1_100, 1_100, null);
    expect(breaker.openUntilMs).toBe(1_300);
  });

  it('keeps away for as long as it is asked to, within its limit, and spreads its pauses', () => {
    const asked = anOpenBreaker(1_000);
    asked.began(1_100);
    asked.failed(1_100, 1_100, 300);
    expect(asked.openUntilMs).toBe(1_400);
    asked.began(1_400);
    asked.failed(1_400, 1_400, 86_400_000);
    expect(asked.openUntilMs).toBe(1_400 + 350);
    for (const [random, untilMs] of [
      [0, 1_080],
      [1, 1_120],
    ] as const) {
      const breaker = aBreaker(random);
      for (const nowMs of [0, 500, 1_000]) breaker.failed(nowMs, nowMs, null);
      expect(breaker.openUntilMs).toBe(untilMs);
    }
  });
});

describe('the rate limit', () => {
  /** When attempts begin that are asked for at every millisecond. */
  function begun(rate: RateLimit, fromMs: number, toMs: number, perSecond: number): number[] {
    const times: number[] = [];
    for (let nowMs = fromMs; nowMs < toMs; nowMs += 1) {
      while (rate.nextMs <= nowMs) {
        rate.began(nowMs, perSecond);
        times.push(nowMs);
      }
    }
    return times;
  }

  it('spaces attempts evenly, with a burst of what a tenth of a second allows', () => {
    const times = begun(new RateLimit(), 10_000, 12_000, 10);
    expect(times.slice(0, 4)).toEqual([10_000, 10_000, 10_100, 10_200]);
    expect(times).toHaveLength(21);
    expect(begun(new RateLimit(), 10_000, 12_000, 1_000)).toHaveLength(2_100);
    expect(begun(new RateLimit(), 10_000, 12_000, 1)).toEqual([10_000, 10_900, 11_900]);
  });

  it('does not stop when the clock is set back', () => {
    const rate = new RateLimit();
    rate.began(1_000_000, 10);
    rate.began(5_000, 10);
    expect(rate.nextMs).toBeLessThanOrEqual(5_100);
  });
});
