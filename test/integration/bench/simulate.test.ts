import { describe, expect, it } from 'vitest';
import { benchSimulate } from '../../../bench/simulate/index.ts';

const A_NUMBER = expect.any(Number);
const SPEED = { seconds: A_NUMBER, 'events/s': A_NUMBER, 'read, %': 100, fires: A_NUMBER };
const MIDDLE = { 'mean ms': A_NUMBER, 'p50 ms': A_NUMBER, 'p99 ms': A_NUMBER };
const LATENCY = { probes: A_NUMBER, ...MIDDLE, 'max ms': A_NUMBER };

describe('the simulation benchmark', () => {
  it('runs at a hundredth of its size, and looks at every event and lead', async () => {
    const { tables } = await benchSimulate(0.01);
    const [lookBacks, census] = tables;
    expect(lookBacks?.title).toContain('10000 events');
    expect(lookBacks?.rows).toEqual([
      { '': 'look-back, feed idle', ...SPEED },
      { '': 'look-back, feed busy', ...SPEED },
      { '': 'feed busy, no look-back, before', ...LATENCY },
      { '': 'feed busy, look-back', ...LATENCY },
      { '': 'feed busy, no look-back, after', ...LATENCY },
      { '': 'ratio: busy / idle, with / without', seconds: A_NUMBER, ...MIDDLE },
      { '': 'ratio: without, after / before', ...MIDDLE },
    ]);
    expect(census?.rows[0]).toMatchObject({ leads: 10_000, 'held events': expect.any(Number) });
  });
});
