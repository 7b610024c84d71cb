import { describe, expect, it } from 'vitest';
import { benchApi } from '../../../bench/api/index.ts';
import { INGEST_BATCH } from '../../../bench/api/operations.ts';

describe('the benchmark of the API', () => {
  it('runs at a hundredth of its duration, idle and beside a feed, every answer as expected', async () => {
    const { tables } = await benchApi(0.01);
    expect(tables.map(({ title }) => title)).toEqual([
      'no feed',
      expect.stringMatching(/^a feed of 20,000 events\/s/),
    ]);
    for (const { rows } of tables) {
      expect(rows).toHaveLength(7);
      for (const row of rows) expect(row['requests/s']).toBeGreaterThan(0);
      expect(rows.find(({ operation }) => operation === INGEST_BATCH)).toHaveProperty('events/s');
    }
  });
});
