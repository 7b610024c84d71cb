import { describe, expect, it } from 'vitest';
import { addCounts, type Counts, runSeed } from './world.ts';

const SEEDS = 300;

describe('the whole program but its wires, in a world of virtual time', () => {
  it('keeps every promise through crashes, full disks, absent servers, stepping clocks and bad receivers', async () => {
    let total: Counts | null = null;
    const failures: string[] = [];
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { failure, counts } = await runSeed(seed);
      if (failure !== null) failures.push(`npm run test:simulation -- --seed ${seed}: ${failure}`);
      total = addCounts(total, counts);
    }
    expect(failures).toEqual([]);
    // A world in which nothing happens keeps every promise too.
    expect(total!.fires).toBeGreaterThan(2_000);
    expect(total!.crashes).toBeGreaterThan(500);
    expect(total!.stops).toBeGreaterThan(100);
    expect(total!.changesAcknowledged).toBeGreaterThan(2_000);
    expect(total!.changesLost).toBeGreaterThan(0);
    expect(total!.writesFailed).toBeGreaterThan(500);
    expect(total!.clockSteps).toBeGreaterThan(100);
    expect(total!.duplicates).toBeGreaterThan(500);
    expect(total!.dead).toBeGreaterThan(150);
    expect(total!.rejected).toBeGreaterThan(1_000);
  }, 300_000);

  it('is the same to the last line when a seed is run again, and another with another seed', async () => {
    const digestOf = async (seed: number) => (await runSeed(seed)).digest;
    const digests: string[] = [];
    for (let seed = 1; seed <= 20; seed++) {
      digests.push(await digestOf(seed));
      expect(await digestOf(seed)).toBe(digests.at(-1));
    }
    expect(new Set(digests).size).toBe(digests.length);
  });
});
