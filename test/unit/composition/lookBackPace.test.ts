import { describe, expect, it } from 'vitest';
import { FeedActivity, Pace } from '../../../src/composition/lookBackPace.ts';

describe('whether the feed is busy', () => {
  it('is idle while its position stands still', () => {
    const activity = new FeedActivity(7);
    expect([0, 50, 5_000].map((nowMs) => activity.isBusy(7, nowMs))).toEqual([false, false, false]);
  });

  it('is busy from the first event on, and stays so for a second without another', () => {
    const activity = new FeedActivity(7);
    expect(activity.isBusy(8, 100)).toBe(true);
    expect(activity.isBusy(8, 1_099)).toBe(true);
    expect(activity.isBusy(8, 1_100)).toBe(false);
    expect(activity.isBusy(9, 1_150)).toBe(true);
  });

  it('does not waver between the events of a slow feed', () => {
    const activity = new FeedActivity(0);
    const told = Array.from({ length: 200 }, (_, beat) =>
      activity.isBusy(1 + Math.floor(beat / 18), beat * 50),
    );
    expect(new Set(told)).toEqual(new Set([true]));
  });

  it('is busy when the positions begin anew at a lower one', () => {
    expect(new FeedActivity(7).isBusy(3, 0)).toBe(true);
  });
});

describe('the pace of a look-back', () => {
  /** Works `usedMs` of every step, rests as told, and gives how long it took altogether. */
  const run = (pace: Pace, steps: number, usedMs: number, hears?: (nowMs: number) => void) => {
    let nowMs = 0;
    let usedSumMs = 0;
    for (let step = 0; step < steps; step++) {
      hears?.(nowMs);
      nowMs += usedMs;
      usedSumMs += usedMs;
      nowMs += pace.restMs(usedSumMs, nowMs);
    }
    return nowMs;
  };

  it('is full speed for as long as the feed is said to be idle', () => {
    const pace = new Pace(0, 0);
    expect(run(pace, 1_000, 3, (nowMs) => pace.hear('idle', nowMs))).toBe(3_000);
  });

  it('leaves two thirds of the time to a busy feed', () => {
    const pace = new Pace(0, 0);
    expect(run(pace, 1_000, 3, (nowMs) => pace.hear('busy', nowMs))).toBe(9_000);
  });

  it('takes a feed that nothing is heard of for a busy one, at the beginning and later', () => {
    expect(run(new Pace(0, 0), 100, 3)).toBe(900);
    const pace = new Pace(0, 0);
    pace.hear('idle', 0);
    expect(pace.restMs(3, 3)).toBe(0);
    expect(pace.restMs(6, 999)).toBe(0);
    expect(pace.restMs(9, 1_002)).toBe(6);
  });

  it('counts what is worked while it rests, and the time that it was kept from working', () => {
    const pace = new Pace(0, 0);
    expect(pace.restMs(4, 4)).toBe(8);
    // It rested 8 ms, in which it decoded for 1 ms, and then worked for 3.
    expect(pace.restMs(8, 15)).toBe(9);
    // It asked for 9 ms of rest and was kept waiting for 30.
    expect(pace.restMs(10, 47)).toBe(0);
  });

  it('owes nothing for what it did while the feed was idle, and saves nothing up', () => {
    const pace = new Pace(0, 0);
    pace.hear('idle', 0);
    expect(pace.restMs(500, 500)).toBe(0);
    pace.hear('busy', 500);
    expect(pace.restMs(502, 502)).toBe(4);
    expect(pace.restMs(502, 10_000)).toBe(0);
    expect(pace.restMs(505, 10_003)).toBe(6);
  });

  it('never rests for long, however long one step took, and forgives the rest', () => {
    const pace = new Pace(0, 0);
    expect(pace.restMs(5_000, 5_000)).toBe(100);
    expect(pace.restMs(5_000, 5_100)).toBe(0);
  });
});
