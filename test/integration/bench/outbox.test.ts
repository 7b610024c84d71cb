import { describe, expect, it } from 'vitest';
import { benchOutbox } from '../../../bench/outbox/index.ts';
import type { Row } from '../../../bench/report.ts';

const SCALE = 0.002;
const DELIVERIES = 200;

async function tablesOf(variant: string): Promise<(readonly Row[])[]> {
  const { name, tables } = await benchOutbox({ scale: SCALE, only: [variant] });
  expect(name).toBe(`outbox-${variant}`);
  const figures = tables.flatMap(({ rows }) => rows).flatMap((row) => Object.values(row));
  expect(figures.filter((figure) => typeof figure === 'number' && !Number.isFinite(figure))).toEqual([]);
  return tables.map(({ rows }) => rows);
}

function column(rows: readonly Row[] | undefined, name: string): number[] {
  return rows!.map((row) => Number(row[name]));
}

describe('the outbox benchmark', { timeout: 120_000 }, () => {
  // That everything arrived and that the store counts it as delivered the benchmark checks itself: it fails otherwise.
  it('throughput: undici, our sender and the outbox make the same deliveries, and the store tells what they take', async () => {
    const [rates, costs, stages] = await tablesOf('throughput');
    expect(rates!.map(({ to }) => to)).toEqual([
      ...Array(4).fill('1 destination'),
      ...Array(4).fill('10 destinations'),
      ...Array(4).fill('10 destinations, each an origin'),
      ...Array(4).fill('1,000 destinations'),
    ]);
    expect(column(rates, 'deliveries/s').every((rate) => rate > 0)).toBe(true);
    expect(column(rates, 'to undici').filter((ratio, index) => index % 4 === 0 && ratio !== 1)).toEqual([]);
    expect(column(rates, 'CPU ms per 1,000').every((milliseconds) => milliseconds > 0)).toBe(true);
    expect(costs).toHaveLength(8);
    for (const commits of column(costs, 'commits')) {
      expect(commits).toBeGreaterThan(0);
      expect(commits).toBeLessThanOrEqual(DELIVERIES + 2);
    }
    expect(column(costs, 'in steps, µs per delivery').every((micros) => micros > 0)).toBe(true);
    expect(stages).toHaveLength(4);
  });

  it('isolation: what destinations that answer are sent arrives, whatever the others do', async () => {
    const [rows] = await tablesOf('isolation');
    expect(rows!.map(({ destinations }) => destinations)).toEqual([
      'all answer',
      '1 hangs, 1 refuses',
      '20 hang',
      'a dead host with many new paths',
    ]);
    for (const { offered, arrived } of rows!) {
      expect(offered).toBeGreaterThan(0);
      expect(arrived).toBe(offered);
    }
    expect(column(rows, 'p99 ms').every((milliseconds) => milliseconds > 0)).toBe(true);
    expect(rows![0]).toMatchObject({ 'p50 ratio': 1, 'p99 ratio': 1 });
  });

  it('backlog: an outbox begins with many due rows as with few, on one destination and on many', async () => {
    const [rows] = await tablesOf('backlog');
    expect(rows!.map((row) => [row['due rows'], row.destinations])).toEqual([
      [1_000, 1],
      [2_000, 1],
      [1_000, 200],
      [2_000, 200],
    ]);
    for (const name of [
      'start ms',
      'first send ms',
      'first pick µs',
      'late picks p50 µs',
      'RSS started MiB',
    ]) {
      expect(column(rows, name).every((figure) => figure > 0)).toBe(true);
    }
    expect(column(rows, 'picks per delivery').every((picks) => picks >= 1)).toBe(true);
  });

  it('profile: names functions of ours among those that take the time', async () => {
    const tables = await tablesOf('profile');
    expect(tables).toHaveLength(2);
    for (const rows of tables) {
      const self = column(rows, 'self ms per 1,000');
      expect(self).toEqual(self.toSorted((a, b) => b - a));
      expect(rows.some(({ place }) => String(place).startsWith('dist/src/'))).toBe(true);
    }
  });
});
