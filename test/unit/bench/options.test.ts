import { describe, expect, it } from 'vitest';
import { parseRunOptions } from '../../../bench/options.ts';

const VARIANTS = { matcher: ['card', 'churn'], fireLatency: [] };

describe('the arguments of npm run bench', () => {
  it('runs everything in full by default', () => {
    expect(parseRunOptions([], VARIANTS)).toEqual({
      names: ['matcher', 'fireLatency'],
      scale: 1,
      only: null,
    });
  });

  it('takes names, a scale and variants', () => {
    expect(parseRunOptions(['matcher', '--scale', '0.1', '--only', 'churn,card'], VARIANTS)).toEqual({
      names: ['matcher'],
      scale: 0.1,
      only: ['churn', 'card'],
    });
  });

  it.each([
    [['matchr'], 'there is no benchmark "matchr"; there are: matcher, fireLatency'],
    [['matcher', '--only', 'chrun'], 'there is no variant of matcher "chrun"; there are: card, churn'],
    [['fireLatency', '--only', 'card'], 'there is no variant of fireLatency "card"; there are: none'],
    [['--only', 'card'], '--only needs exactly one benchmark before it'],
    [['--scale', '2'], '--scale is "2"; it is a number above 0 up to 1'],
    [['--scale', 'x'], '--scale is "x"; it is a number above 0 up to 1'],
    [['--fast'], "Unknown option '--fast'"],
  ])('refuses %j', (args, message) => {
    expect(() => parseRunOptions(args, VARIANTS)).toThrow(message);
  });
});
