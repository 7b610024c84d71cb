import { describe, expect, it } from 'vitest';
import { soak } from '../../../bench/soak/index.ts';

/** Real processes on a machine that may be busy. */
const TIMEOUT_MS = 120_000;

describe('the soak', { timeout: TIMEOUT_MS }, () => {
  it('runs for a few seconds: every fire is received, every bad message rejected, every series sampled', async () => {
    const { report, svg, failures } = await soak({ minutes: 0.05, rate: 500, directory: '', env: {} });
    expect(failures).toEqual([]);
    const [minutes, trend, load] = report.tables;
    expect(minutes?.rows.length).toBe(1);
    expect(trend?.rows.map((row) => row.series)).toContain('resident memory without files, MB');
    expect(load?.rows[0]?.events).toBeGreaterThan(1_000);
    expect(load?.rows[0]?.malformed).toBeGreaterThan(5);
    expect(load?.rows[0]?.fires).toBeGreaterThan(20);
    expect(report.samples.length).toBeGreaterThan(6);
    const last = report.samples.at(-1)!;
    for (const name of [
      'rss',
      'own',
      'heap',
      'external',
      'fds',
      'leads',
      'held',
      'fires',
      'lmdb',
      'nats',
    ] as const) {
      expect([name, last.values[name] > 0]).toEqual([name, true]);
    }
    expect(last.values.own).toBeLessThanOrEqual(last.values.rss);
    expect(svg.match(/<polyline/g)?.length).toBe(Object.keys(last.values).length);
  });

  it('says so where what it asked for did not come about', async () => {
    const env = { SEQUENCES_MAX: '200' };
    const { failures } = await soak({ minutes: 0.02, rate: 100, directory: '', env });
    expect(failures[0]).toMatch(/^POST \/sequences: 409 /);
  });
});
