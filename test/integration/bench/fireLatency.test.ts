import { describe, expect, it } from 'vitest';
import { benchFireLatency } from '../../../bench/fireLatency/index.ts';

describe('the fire latency benchmark', () => {
  it('runs at a fiftieth of its duration, and receives every fire', async () => {
    const { tables } = await benchFireLatency(0.02);
    const rates = [1_000, 10_000, 20_000];
    expect(tables[0]!.rows.map((row) => [row['events/s offered'], row.program, row.fires])).toEqual(
      rates.flatMap((rate) => ['just started', 'warm'].map((program) => [rate, program, rate / 250])),
    );
  });
});
