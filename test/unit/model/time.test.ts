import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatMicros, formatMillis } from '../../../src/model/time.ts';

describe('writing an instant', () => {
  it.each([
    [0, '1970-01-01T00:00:00Z'],
    [1_714_557_660_250_000, '2024-05-01T10:01:00.25Z'],
    [1_714_557_660_000_001, '2024-05-01T10:01:00.000001Z'],
    [1_714_557_660_100_000, '2024-05-01T10:01:00.1Z'],
    [-1, '1969-12-31T23:59:59.999999Z'],
    [-1_500_000, '1969-12-31T23:59:58.5Z'],
    [-1_000_000, '1969-12-31T23:59:59Z'],
    [2 ** 53 - 1, '2255-06-05T23:47:34.740991Z'],
    [-(2 ** 53 - 1), '1684-07-28T00:12:25.259009Z'],
  ])('writes %d as %s', (micros, text) => {
    expect(formatMicros(micros)).toBe(text);
  });

  it('loses nothing, and writes no digit that is not needed', () => {
    const instants = fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(instants, (micros) => {
        const text = formatMicros(micros);
        const fraction = /\.(\d+)Z$/.exec(text)?.[1] ?? '';
        const wholeMs = Date.parse(`${text.slice(0, 19)}Z`);
        expect(wholeMs * 1000 + Number(fraction.padEnd(6, '0'))).toBe(micros);
        expect(fraction.endsWith('0')).toBe(false);
      }),
    );
  });

  it('writes milliseconds as a Date does, and rounds down what is finer', () => {
    const min = Date.parse('0001-01-01T00:00:00Z');
    const instants = fc.double({ min, max: Date.parse('9999-12-31T00:00:00Z'), noNaN: true });
    fc.assert(
      fc.property(instants, (ms) => {
        expect(formatMillis(ms)).toBe(new Date(Math.floor(ms)).toISOString());
      }),
    );
  });
});
