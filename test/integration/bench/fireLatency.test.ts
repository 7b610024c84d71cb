import { describe, expect, it } from 'vitest';
import { benchFireLatency } from '../../../bench/fireLatency/index.ts';

describe('the fire latency benchmark', () => {
  it('runs at a fiftieth of its duration, and receives every fire', async () => {
    const { tables } = await benchFireLatency(0.02);
    expect(tables[0]!.rows.map((row) => [row['events/s offered'], row.fires])).toEqual([
      [1_000, 4],
      [10_000, 40],
      [20_000, 80],
    ]);
  });
});
