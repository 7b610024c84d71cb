import { describe, expect, it } from 'vitest';
import { FeedActivity, type FeedNews, Pace } from '../../../src/composition/lookBackPace.ts';

describe('what is said of the feed', () => {
  /** The news at times, while the positions are as given. */
  const newsOf = (activity: FeedActivity, looks: readonly (readonly [number, number])[]) =>
    looks.map(([position, nowMs]) => activity.news(position, nowMs));

  it('is that it is idle while its position stands still, twice a second', () => {
    const looks = Array.from({ length: 41 }, (_, beat) => [7, beat * 50] as const);
    const said = newsOf(new FeedActivity(7, -60_000), looks);
    expect(looks.flatMap(([, nowMs], beat) => (said[beat] === 'idle' ? [nowMs] : []))).toEqual([
      0, 500, 1_000, 1_500, 2_000,
    ]);
    expect(said.filter((news) => news === 'busy')).toEqual([]);
  });

  it('is that it is busy with the first event, once, and idle after a second without another', () => {
    const activity = new FeedActivity(7, -60_000);
    const looks = [
      [7, 50],
      [8, 100],
      [8, 1_099],
      [8, 1_100],
      [9, 1_150],
    ] as const;
    expect(newsOf(activity, looks)).toEqual(['idle', 'busy', undefined, 'idle', 'busy']);
  });

  it('is nothing of a feed that moved just before the beginning, since silence says that', () => {
    const looks = [
      [7, 0],
      [8, 50],
      [8, 1_049],
      [8, 1_050],
    ] as const;
    expect(newsOf(new FeedActivity(7, -900), looks)).toEqual([undefined, undefined, undefined, 'idle']);
  });

  it('does not waver between the events of a slow feed', () => {
    const looks = Array.from({ length: 200 }, (_, beat) => [1 + Math.floor(beat / 18), beat * 50] as const);
    expect(new Set(newsOf(new FeedActivity(0, -60_000), looks))).toEqual(new Set([undefined]));
  });

  it('is that it is busy when the positions begin anew at a lower one', () => {
    expect(
      newsOf(new FeedActivity(7, -60_000), [
        [7, 0],
        [3, 50],
      ]),
    ).toEqual(['idle', 'busy']);
  });
});

describe('the pace of a look-back', () => {
  /** A pace with the processor time of its process, which the test sets. */
  const begin = () => {
    const cpu = { usedMs: 0, asked: 0 };
    const pace = new Pace(() => {
      cpu.asked++;
      return cpu.usedMs;
    });
    /** The rest that is due at a time, when so much was used in all. */
    const restMs = (usedMs: number, nowMs: number): number => {
      cpu.usedMs = usedMs;
      return pace.restMs(nowMs);
    };
    return { pace, cpu, restMs };
  };
  /** Works 3 ms of every step, rests as told, and gives how long it took altogether. */
  const run = (steps: number, news?: FeedNews) => {
    const { pace, cpu, restMs } = begin();
    restMs(0, 0);
    let nowMs = 0;
    for (let step = 1; step <= steps; step++) {
      if (news !== undefined) pace.hear(news, nowMs);
      nowMs += 3;
      nowMs += restMs(step * 3, nowMs);
    }
    return { nowMs, asked: cpu.asked };
  };

  it('is full speed for as long as the feed is said to be idle, and asks nothing of the system', () => {
    expect(run(1_000, 'idle')).toEqual({ nowMs: 3_000, asked: 1 });
  });

  it('leaves seven eighths of the time to a busy feed', () => {
    expect(run(1_000, 'busy').nowMs).toBe(24_000);
  });

  it('takes a feed that nothing is heard of for a busy one, at the beginning and later', () => {
    expect(run(100).nowMs).toBe(2_400);
    const { pace, restMs } = begin();
    pace.hear('idle', 0);
    expect(restMs(3, 3)).toBe(0);
    expect(restMs(6, 999)).toBe(0);
    expect(restMs(9, 1_002)).toBe(0);
    expect(restMs(12, 1_005)).toBe(21);
  });

  it('counts what is worked while it rests, and the time that it was kept from working', () => {
    const { restMs } = begin();
    restMs(0, 0);
    expect(restMs(4, 4)).toBe(28);
    // It rested 28 ms, in which it decoded for 1 ms, and then worked for 3.
    expect(restMs(8, 35)).toBe(29);
    // It asked for 29 ms of rest and was kept waiting for 50.
    expect(restMs(10, 87)).toBe(0);
  });

  it('owes nothing for what it did while the feed was idle, and saves nothing up', () => {
    const { pace, restMs } = begin();
    pace.hear('idle', 0);
    expect(restMs(500, 500)).toBe(0);
    pace.hear('busy', 500);
    expect(restMs(502, 502)).toBe(0);
    expect(restMs(504, 504)).toBe(14);
    expect(restMs(504, 10_000)).toBe(0);
    expect(restMs(507, 10_003)).toBe(21);
  });

  it('never rests for long, however long one step took, and forgives the rest', () => {
    const { restMs } = begin();
    restMs(0, 0);
    expect(restMs(5_000, 5_000)).toBe(100);
    expect(restMs(5_000, 5_100)).toBe(0);
  });
});
