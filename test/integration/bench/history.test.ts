import { describe, expect, it } from 'vitest';
import { benchHistory } from '../../../bench/history/index.ts';

const FIRES = 3_000;
const FIRES_AT_FULL_SCALE = 100_000;

describe('the history benchmark', () => {
  it('runs with three thousand fires, all of which are listed, counted and exported', async () => {
    const { tables } = await benchHistory({ scale: FIRES / FIRES_AT_FULL_SCALE, only: ['100k'] });
    const [filled, read, exported] = tables.map(({ rows }) => rows);
    expect(filled).toEqual([expect.objectContaining({ fires: FIRES })]);
    expect(read!.map(({ list, total }) => [list, total])).toEqual([
      ['all', FIRES],
      ['half of the time', expect.any(Number)],
      ['a sequence', FIRES / 100],
      ['a lead', FIRES / 1_000],
    ]);
    expect(exported).toEqual([expect.objectContaining({ rows: FIRES })]);
    const figures = tables.flatMap(({ rows }) => rows.flatMap((row) => Object.values(row)));
    expect(figures.filter((figure) => typeof figure === 'number' && !Number.isFinite(figure))).toEqual([]);
  }, 60_000);
});
