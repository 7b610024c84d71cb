import { describe, expect, it } from 'vitest';
import { benchCheckpoint } from '../../../bench/checkpoint/index.ts';
import type { Row } from '../../../bench/report.ts';

const LEADS = 2_000;
const LEADS_AT_FULL_SCALE = 1_000_000;

describe('the checkpoint benchmark', () => {
  it('runs with two thousand leads, all of which are there after every kill', async () => {
    const { tables } = await benchCheckpoint(LEADS / LEADS_AT_FULL_SCALE);
    const [filled, loop, stalls, checkpoint, restarts] = tables.map(({ rows }) => rows) as [
      Row[],
      Row[],
      Row[],
      Row[],
      Row[],
    ];
    expect(filled[0]).toMatchObject({ events: LEADS * 4 });
    expect(loop.map((row) => row.checkpoints)).toEqual(['on', 'off']);
    expect(checkpoint[0]!['state MiB']).toBeGreaterThan(0);
    expect(checkpoint[0]!['leads written']).toBeGreaterThan(0);
    expect(restarts.map((row) => row.leads)).toEqual(restarts.map(() => LEADS));
    const figures = [filled, loop, stalls, restarts].flat().flatMap((row) => Object.values(row));
    expect(figures.filter((figure) => typeof figure === 'number' && !Number.isFinite(figure))).toEqual([]);
    expect(restarts).toHaveLength(5);
    for (const row of restarts) expect(row['spawn to consuming']).toBeGreaterThan(Number(row['first leads']));
  }, 60_000);
});
