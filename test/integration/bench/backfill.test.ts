import { describe, expect, it } from 'vitest';
import { benchBackfill } from '../../../bench/backfill/index.ts';

describe('the backfill benchmark', () => {
  it('runs at a hundredth of its size, and every backfill is done', async () => {
    const { tables } = await benchBackfill(0.01);
    const [latencies, backfills] = tables.map(({ rows }) => rows);
    expect(latencies!.map((row) => [row['events/s offered'], row.backfill])).toEqual(
      Array.from({ length: 2 }, () => [
        [1_000, 'none'],
        [1_000, 'under way'],
        [10_000, 'none'],
        [10_000, 'under way'],
      ]).flat(),
    );
    expect(backfills!.map(({ state }) => state)).toEqual(['done', 'done', 'done', 'done']);
    expect(backfills![0]!.events_added).toBe(10_000);
  });
});
