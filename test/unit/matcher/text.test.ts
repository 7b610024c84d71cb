import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Text, textAt } from '../../../src/matcher/text.ts';

const texts = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom('', 'a'.repeat(10_000), '\u00e9'.repeat(5_000), '\0', 'abc\0'),
);

describe('a text', () => {
  it('is the UTF-8 of the string, and gives the string back', () => {
    fc.assert(
      fc.property(texts, texts, (before, string) => {
        const text = new Text(1).set(before).set(string);
        expect(Buffer.from(text.bytes.subarray(0, text.length)).equals(Buffer.from(string))).toBe(true);
        expect(textAt(text.bytes, 0, text.length)).toBe(string);
      }),
    );
  });

  it('equals what was copied from it, and nothing else', () => {
    fc.assert(
      fc.property(texts, texts, (one, two) => {
        const text = new Text(1).set(one);
        const place = new Int32Array(text.wordCount + 8).fill(-1);
        text.copyTo(place, 3);
        expect(text.equals(place, 3)).toBe(true);
        const other = new Text(1).set(two);
        expect(other.length === text.length && other.equals(place, 3)).toBe(one === two);
      }),
    );
  });

  it('has one hash however it came in, and another under another seed', () => {
    const bytes = Buffer.from('xxlead-1234567');
    const text = new Text(5).set('lead-1234567');
    expect(new Text(5).setBytes(bytes, 2, bytes.length - 2).hash).toBe(text.hash);
    expect(new Text(6).set('lead-1234567').hash).not.toBe(text.hash);
  });

  it('spreads ids that differ little over all values', () => {
    const hashes = new Set(Array.from({ length: 100_000 }, (_, n) => new Text(0).set(`lead-${n}`).hash));
    expect(hashes.size).toBeGreaterThan(99_980);
    const parts = new Array<number>(256).fill(0);
    for (const hash of hashes) parts[hash & 255]!++;
    expect(Math.min(...parts)).toBeGreaterThan(300);
    expect(Math.max(...parts)).toBeLessThan(500);
  });
});
