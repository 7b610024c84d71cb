import { describe, expect, it } from 'vitest';
import { benchSimulate } from '../../../bench/simulate/index.ts';

describe('the simulation benchmark', () => {
  it('runs at a hundredth of its size, and looks at every event and lead', async () => {
    const { tables } = await benchSimulate(0.01);
    const [lookBacks, census] = tables;
    expect(lookBacks?.title).toContain('10000 events');
    expect(lookBacks?.rows.map((row) => typeof row.seconds)).toEqual(['undefined', 'number', 'number']);
    expect(census?.rows[0]).toMatchObject({ leads: 10_000, 'held events': expect.any(Number) });
  });
});
