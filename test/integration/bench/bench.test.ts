import { describe, expect, it } from 'vitest';
import { benchFireLatency } from '../../../bench/fireLatency/index.ts';
import { benchMatcher } from '../../../bench/matcher/index.ts';

describe('the matcher benchmark', () => {
  it('runs at a hundredth of its size, and more sequences make more fires', async () => {
    const { tables } = await benchMatcher(0.01);
    const fires = tables[0]!.rows.map((row) => Number(row.fires));
    expect(fires).toEqual([...fires].sort((a, b) => a - b));
    expect(fires.at(-1)).toBeGreaterThan(1_000);
    expect(tables[1]!.rows.map((row) => row['ratio to baseline'])).toEqual([1, expect.any(Number)]);
  });
});

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
