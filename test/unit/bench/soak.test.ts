import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../bench/random.ts';
import { parseSoakOptions } from '../../../bench/soak/options.ts';
import { plot } from '../../../bench/soak/plot.ts';
import { metricIn } from '../../../bench/soak/samples.ts';
import { trendOf, verdictOf } from '../../../bench/soak/trend.ts';

/** A sample every five seconds. */
function pointsOf(count: number, valueAt: (hours: number, index: number) => number) {
  return Array.from({ length: count }, (_, index) => ({
    seconds: index * 5,
    value: valueAt((index * 5) / 3_600, index),
  }));
}

describe('the trend of a soak', () => {
  it('finds a slope exactly where there is no noise', () => {
    const trend = trendOf(pointsOf(50, (hours) => 200 + 36 * hours));
    expect(trend?.slopePerHour).toBeCloseTo(36, 6);
    expect(trend?.marginPerHour).toBeCloseTo(0, 6);
    expect(verdictOf(trend, 'MB')).toBe('grows by 36 MB/h');
    expect(verdictOf(trend, '')).toBe('grows by 36/h');
  });

  it('covers the true slope in about 95 of 100 noisy series, growing or not', () => {
    const random = seededRandom(5);
    const covered = Array.from({ length: 400 }, () => {
      const trend = trendOf(pointsOf(40, (hours) => 100 - 20 * hours + random() + random() + random()));
      return trend !== undefined && Math.abs(trend.slopePerHour + 20) <= trend.marginPerHour;
    }).filter(Boolean).length;
    expect(covered / 400).toBeGreaterThan(0.91);
    expect(covered / 400).toBeLessThan(0.99);
  });

  it('does not take the teeth of a saw, or a wander, for growth', () => {
    const saw = trendOf(pointsOf(60, (_hours, index) => 40 + (index % 13)));
    expect(verdictOf(saw, 'MB')).toBe('no growth');
    const random = seededRandom(9);
    const wanderings = Array.from({ length: 200 }, () => {
      let level = 0;
      const points = pointsOf(120, () => {
        level = 0.8 * level + random() - 0.5;
        return 100 + level;
      });
      return verdictOf(trendOf(points), 'MB');
    });
    expect(wanderings.filter((verdict) => verdict !== 'no growth').length).toBeLessThan(20);
  });

  it('says nothing of too few samples, and does not call shrinking growth', () => {
    expect(verdictOf(trendOf(pointsOf(5, (hours) => hours)), 'MB')).toBe('too few samples');
    expect(verdictOf(trendOf(pointsOf(50, (hours) => 200 - 36 * hours)), 'MB')).toBe('no growth');
    expect(verdictOf(trendOf(pointsOf(50, () => 7)), '')).toBe('no growth');
  });
});

describe('the command line of a soak', () => {
  it('has defaults for all but the minutes', () => {
    expect(parseSoakOptions(['--minutes', '0.5'])).toEqual({
      minutes: 0.5,
      rate: 2_000,
      directory: 'bench/results',
      env: {},
    });
    expect(
      parseSoakOptions([
        '--minutes=3',
        '--rate=50',
        '--out=x',
        '--env',
        'LOG_LEVEL=warn',
        '--env=API_TOKENS=a=b',
      ]),
    ).toEqual({ minutes: 3, rate: 50, directory: 'x', env: { LOG_LEVEL: 'warn', API_TOKENS: 'a=b' } });
  });

  it.each([
    [[], /--minutes is missing/],
    [['--minutes', 'x'], /--minutes is "x"; it is a number above 0/],
    [['--minutes', '0'], /above 0/],
    [['--minutes', 'Infinity'], /above 0/],
    [['--minutes', '1', '--rate', '0.5'], /--rate is "0.5"; it is an integer/],
    [['--minutes', '1', '--rate', '100001'], /1 to 100000/],
    [['--minutes', '1', '--env', 'LOG_LEVEL'], /--env is "LOG_LEVEL"; it is KEY=VALUE/],
    [['--minutes', '1', '--hours', '1'], /--hours/],
  ])('says in words what is wrong with %j', (args, message) => {
    expect(() => parseSoakOptions(args)).toThrow(message);
  });
});

describe('a value of a scrape', () => {
  it('is found by its whole name with its labels, and missed aloud', () => {
    const scrape = '# HELP a_total x\na_total{b="c"} 7\na_total_created 9\na 1.5e3\n';
    expect(metricIn(scrape, 'a_total{b="c"}')).toBe(7);
    expect(metricIn(scrape, 'a')).toBe(1_500);
    expect(() => metricIn(scrape, 'a_total')).toThrow('shows no a_total');
  });
});

describe('the plot', () => {
  const points = [0, 60, 120].map((seconds) => ({ seconds, value: 100 + seconds }));
  const svg = plot(
    'A <run> & more',
    [
      { title: 'size', unit: 'MB', points },
      { title: 'none', unit: '', points: [{ seconds: 0, value: 0 }] },
    ],
    40,
  );

  it('is well-formed, and every line lies within its panel', () => {
    expect(svg).toContain('A &lt;run> &amp; more');
    const opened = svg.match(/<(?:svg|g|text)[ >]/g)?.length;
    const closed = svg.match(/<\/(?:svg|g|text)>/g)?.length;
    expect(opened).toBe(closed);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    const lines = [...svg.matchAll(/<polyline points="([^"]+)"/g)].map(([, text]) => text?.split(' ') ?? []);
    expect(lines.map((line) => line.length)).toEqual([3, 1]);
    for (const [x, y] of lines.flat().map((pair) => pair.split(',').map(Number))) {
      expect([x! >= 62 && x! <= 346, y! >= 34 && y! <= 152]).toEqual([true, true]);
    }
  });

  it('names each series with its unit, and labels its axes with values that people read', () => {
    expect(svg).toContain('>size, MB</text>');
    expect(svg).toContain('>none</text>');
    for (const label of ['0', '100', '200', '300', '0.5', '1', '2', 'minutes'])
      expect(svg).toContain(`>${label}</text>`);
  });
});
