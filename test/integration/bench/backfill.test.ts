import { describe, expect, it } from 'vitest';
import { benchBackfill } from '../../../bench/backfill/index.ts';

const EVENTS = 2_500;
const EVENTS_AT_FULL_SCALE = 1_000_000;

describe('the backfill benchmark', () => {
  it('runs with 2,500 events, and every backfill is done', async () => {
    const { tables } = await benchBackfill(EVENTS / EVENTS_AT_FULL_SCALE);
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
    expect(backfills![0]!.events_added).toBe(EVENTS);
  });
});
