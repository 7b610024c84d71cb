import { describe, expect, it } from 'vitest';
import { benchBacklog } from '../../../bench/backlog/index.ts';

const FIRES = 2_000;
const FIRES_AT_FULL_SCALE = 200_000;
const CONCURRENCY = 64;

describe('the backlog benchmark', () => {
  it.each(['refusing', 'failing', 'hanging'])(
    'with receivers that are %s: the feed goes on, all is delivered in the end, and slots are kept to',
    async (trouble) => {
      const { tables } = await benchBacklog({ scale: FIRES / FIRES_AT_FULL_SCALE, only: [trouble] });
      const [drained, memory, course] = tables.map(({ rows }) => rows);
      expect(drained).toHaveLength(1);
      const row = drained![0]!;
      expect(row).toMatchObject({
        receivers: trouble,
        'applied while down': FIRES,
        'delivered while down': 0,
        'ids arrived': FIRES,
        'ids whose arrivals are not their attempts': 0,
      });
      expect(Number(row.attempts)).toBeGreaterThan(FIRES);
      for (const phase of ['down', 'up']) {
        expect(Number(row[`open at a time, ${phase}`])).toBeLessThanOrEqual(CONCURRENCY);
      }
      expect(Number(row['open at a time, up'])).toBeGreaterThan(1);
      expect(course!.at(-1)).toMatchObject({ fires: FIRES, delivered: FIRES, lag: 0 });
      const figures = [drained!, memory!, course!].flat().flatMap((each) => Object.values(each));
      expect(figures.filter((figure) => typeof figure === 'number' && !Number.isFinite(figure))).toEqual([]);
    },
    120_000,
  );
});
