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

  it('gives texts that were made to have the same hash under many seeds as many hashes as any others', () => {
    // Bits at the top of a word, which a multiplication moves nowhere, and those that cancel them in the next.
    const pairs = ['xxxAxaxA', 'xxx!x!xa'] as const;
    const made = Array.from({ length: 2 ** 14 }, (_, n) =>
      Array.from({ length: 14 }, (_bit, at) => pairs[(n >> at) & 1]).join(''),
    );
    for (let seed = 0; seed < 10; seed++) {
      const text = new Text(seed);
      expect(new Set(made.map((each) => text.set(each).hash)).size).toBeGreaterThan(made.length - 5);
    }
  });

  it('has the hash of another by chance, which another seed does not repeat', () => {
    const [one, two] = [new Text(1), new Text(2)];
    const byHash = new Map<number, string>();
    let collisions = 0;
    for (let n = 0; n < 400_000; n++) {
      const id = `lead-${n}`;
      const { hash } = one.set(id);
      const other = byHash.get(hash);
      byHash.set(hash, id);
      if (other === undefined) continue;
      collisions++;
      expect(two.set(id).hash).not.toBe(two.set(other).hash);
    }
    expect(collisions).toBeGreaterThan(0);
  });

  it.each([4, 600])('depends on the place of every word, in a text of %i words', (count) => {
    const words = Array.from({ length: count }, (_, word) => String(word).padStart(4, '0'));
    const swapped = words.map((_, at) => {
      const other = (at + 64) % count;
      return words.with(at, words[other]!).with(other, words[at]!).join('');
    });
    const next = words.slice(1).map((word, at) =>
      words
        .with(at, word)
        .with(at + 1, words[at]!)
        .join(''),
    );
    const texts = new Set([words.join(''), ...swapped, ...next]);
    const text = new Text(3);
    expect(new Set([...texts].map((each) => text.set(each).hash)).size).toBe(texts.size);
  });

  it('depends on the length where the rest is zeros', () => {
    const text = new Text(4);
    const hashes = Array.from({ length: 40 }, (_, length) => text.set('\0'.repeat(length)).hash);
    expect(new Set(hashes).size).toBe(40);
  });
});
