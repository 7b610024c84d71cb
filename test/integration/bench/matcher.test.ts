import { describe, expect, it } from 'vitest';
import { benchMatcher } from '../../../bench/matcher/index.ts';
import type { Row } from '../../../bench/report.ts';

/**
 * A two-hundredth of the size. That the passes of a row fire alike, that the naive matcher fires as ours does
 * and that disorder changes nothing in who fires, the benchmark checks itself: it fails otherwise.
 */
const SCALE = 0.005;

async function rowsOf(variant: string): Promise<(readonly Row[])[]> {
  const { name, tables } = await benchMatcher({ scale: SCALE, only: [variant] });
  expect(name).toBe(`matcher-${variant}`);
  return tables.map(({ rows }) => rows);
}

function column(rows: readonly Row[] | undefined, name: string): number[] {
  return rows!.map((row) => Number(row[name]));
}

describe.concurrent('the matcher benchmark', { timeout: 120_000 }, () => {
  it('card: more sequences make more fires, and every figure is there', async () => {
    const [rows] = await rowsOf('card');
    const fires = column(rows, 'fires');
    expect(fires).toEqual(fires.toSorted((a, b) => a - b));
    expect(fires.at(-1)).toBeGreaterThan(1_000);
    for (const name of ['events/s', 'p50 µs', 'p99 µs', 'p99.9 µs', 'max µs', 'max block ms', 'RSS MB']) {
      expect(column(rows, name).every((value) => value > 0)).toBe(true);
    }
    expect(column(rows, 'heap B/held').every((bytes) => bytes > 0)).toBe(true);
  });

  it('mixed and windows: longer windows hold and fire more', async () => {
    const [[mixed]] = (await rowsOf('mixed')) as [[Row]];
    expect(mixed.fires).toBeGreaterThan(0);
    const [rows] = await rowsOf('windows');
    expect(column(rows, 'fires')[1]).toBeGreaterThan(column(rows, 'fires')[0]!);
    expect(column(rows, 'held events')[1]).toBeGreaterThan(column(rows, 'held events')[0]!);
  });

  it('leads1M: with windows as long as the feed every event stays held', async () => {
    const [rows] = await rowsOf('leads1M');
    expect(column(rows, 'held events')[1]).toBe(4_000_000 * SCALE);
    expect(column(rows, 'held events')[0]).toBeLessThan(4_000_000 * SCALE);
  });

  it('longLogs: the leads of each row hold more than those of the row before', async () => {
    const [rows] = await rowsOf('longLogs');
    const leads = [8_000, 2_000, 250].map((count) => Math.ceil(count * SCALE));
    const heldPerLead = column(rows, 'held events').map((held, row) => held / leads[row]!);
    expect(heldPerLead[1]! / heldPerLead[0]!).toBeGreaterThan(2);
    expect(heldPerLead[2]! / heldPerLead[1]!).toBeGreaterThan(2);
  });

  it('disorder: events are late for their leads, and the same sequences and leads fire', async () => {
    const [rows] = await rowsOf('disorder');
    const [evenSorted, , burstsSorted, bursts] = column(rows, 'late for their lead %');
    expect([evenSorted, burstsSorted]).toEqual([0, 0]);
    expect(bursts).toBeGreaterThan(10);
    expect(column(rows, 'ratio').every((ratio) => ratio > 0)).toBe(true);
    expect(rows![1]!['hash of who fired']).toBe(rows![0]!['hash of who fired']);
    expect(rows![3]!['hash of who fired']).toBe(rows![2]!['hash of who fired']);
  });

  it('hotLead: the slices cover the events', async () => {
    const [rows, slices] = await rowsOf('hotLead');
    expect(column(rows, 'last to first slice')[0]).toBeGreaterThan(0);
    expect(column(slices, 'ratio')[0]).toBe(1);
    expect(slices!.length).toBe(3);
  });

  it('churn: a change every thousand events', async () => {
    const [rows, changes] = await rowsOf('churn');
    expect(column(changes, 'changes')).toEqual([2_000_000 * SCALE * 0.001]);
    expect(column(rows, 'ratio')[0]).toBe(1);
    expect(column(rows, 'ratio')[1]).toBeGreaterThan(0);
  });

  it('changes: each kind and none', async () => {
    const [rows] = await rowsOf('changes');
    expect(rows!.map(({ change, count }) => [change, count])).toEqual([
      ['create', 1],
      ['edit', 1],
      ['delete', 1],
      ['none', 1],
    ]);
  });

  it('equalFires: sequences that never complete add no fires', async () => {
    const [rows] = await rowsOf('equalFires');
    expect(new Set(rows!.map((row) => row['hash of the fires'])).size).toBe(1);
    expect(column(rows, 'ratio')[0]).toBe(1);
  });

  it('naive: fires what the matcher fires', async () => {
    const [rows] = await rowsOf('naive');
    expect(rows![0]!['hash of the fires']).toBe(rows![1]!['hash of the fires']);
    expect(column(rows, 'ratio')[1]).toBeGreaterThan(0);
  });

  it('limit: compares with memory accesses alone', async () => {
    const [rows] = await rowsOf('limit');
    expect(column(rows, 'ratio')[0]).toBe(1);
    expect(column(rows, 'ratio')[1]).toBeGreaterThan(0);
  });

  it('parsing: compares with parsing alone', async () => {
    const [rows] = await rowsOf('parsing');
    expect(column(rows, 'ratio to baseline')[0]).toBe(1);
    expect(column(rows, 'ratio to baseline')[1]).toBeGreaterThan(0);
  });
});
