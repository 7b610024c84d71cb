import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CompiledSequence } from '../../../src/matcher/compiledSequence.ts';
import { filterBit } from '../../../src/matcher/filter.ts';
import { NO_NODE, ROOT, Trie, type TrieNode } from '../../../src/matcher/trie.ts';

interface Entry {
  readonly path: readonly number[];
  readonly sequence: CompiledSequence;
}

function sequence(key: number, windowMicros: number): CompiledSequence {
  return { key, windowMicros } as CompiledSequence;
}

function nodeAt(trie: Trie, path: readonly number[]): TrieNode {
  return path.reduce((node, key) => (node === NO_NODE ? NO_NODE : trie.child(node, key)), ROOT);
}

function childrenOf(trie: Trie, node: TrieNode): TrieNode[] {
  const children: TrieNode[] = [];
  for (let child = trie.firstChild(node); child !== NO_NODE; child = trie.nextSibling(child)) {
    children.push(child);
  }
  return children;
}

/** Every path with its sequences and the largest window below it, by a walk from the root. */
function contents(trie: Trie, node = ROOT, path: readonly number[] = []): Map<string, unknown> {
  const found = new Map<string, unknown>();
  const keys = trie.terminals(node).map(({ key }) => key);
  found.set(path.join(), { keys: keys.sort((a, b) => a - b), windowMicrosMax: trie.windowMicrosMax(node) });
  for (const child of childrenOf(trie, node)) {
    for (const [at, value] of contents(trie, child, [...path, trie.key(child)])) found.set(at, value);
  }
  return found;
}

function expectedContents(entries: readonly Entry[]): Map<string, unknown> {
  const prefixes = new Map<string, readonly number[]>([['', []]]);
  for (const { path } of entries) {
    for (let length = 1; length <= path.length; length++) {
      prefixes.set(path.slice(0, length).join(), path.slice(0, length));
    }
  }
  return new Map(
    [...prefixes].map(([at, prefix]) => {
      const below = entries.filter(({ path }) => prefix.every((key, index) => path[index] === key));
      const here = below.filter(({ path }) => path.length === prefix.length);
      const keys = here.map(({ sequence: { key } }) => key).sort((a, b) => a - b);
      return [at, { keys, windowMicrosMax: Math.max(0, ...below.map((each) => each.sequence.windowMicros)) }];
    }),
  );
}

const paths = fc.array(fc.oneof(fc.nat(3), fc.nat(300)), { minLength: 1, maxLength: 4 });

describe('a trie', () => {
  it('contains exactly the sequences that were inserted and not removed', () => {
    const steps = fc.array(fc.record({ path: paths, windowMicros: fc.nat(50), removes: fc.nat(999) }), {
      minLength: 1,
      maxLength: 120,
    });
    fc.assert(
      fc.property(steps, (script) => {
        const trie = new Trie();
        const entries: Entry[] = [];
        for (const [key, { path, windowMicros, removes }] of script.entries()) {
          const entry = { path, sequence: sequence(key, windowMicros) };
          trie.insert(path, entry.sequence);
          entries.push(entry);
          if (removes % 3 === 0) continue;
          const [removed] = entries.splice(removes % entries.length, 1);
          trie.remove(removed!.path, removed!.sequence);
        }
        const found = contents(trie);
        expect(found).toEqual(expectedContents(entries));
        for (const { path } of entries) expect(nodeAt(trie, path)).not.toBe(NO_NODE);
      }),
      { numRuns: 400 },
    );
  });

  it('finds a child of a node and only that, among thousands', () => {
    const trie = new Trie();
    for (let key = 0; key < 5_000; key++) trie.insert([key % 70, key], sequence(key, 1));
    for (let key = 0; key < 5_000; key++) {
      expect(trie.key(nodeAt(trie, [key % 70, key]))).toBe(key);
      expect(nodeAt(trie, [(key + 1) % 70, key])).toBe(NO_NODE);
    }
  });

  it('leaves out a child only when no path ends there and none goes on with a key that could follow', () => {
    fc.assert(
      fc.property(fc.array(paths, { minLength: 1, maxLength: 40 }), fc.array(fc.nat(300)), (all, next) => {
        const trie = new Trie();
        for (const [key, path] of all.entries()) trie.insert(path, sequence(key, 1));
        let [low, high] = [0, 0];
        for (const bit of next.map(filterBit)) {
          if (bit < 32) low |= 1 << bit;
          else high |= 1 << (bit & 31);
        }
        for (const child of childrenOf(trie, ROOT)) {
          const found = trie.child(ROOT, trie.key(child), low, high);
          const leadsOn = next.some((key) => trie.child(child, key) !== NO_NODE);
          if (leadsOn || trie.terminals(child).length > 0) expect(found).toBe(child);
          else expect([NO_NODE, child]).toContain(found);
        }
      }),
      { numRuns: 300 },
    );
    const trie = new Trie();
    trie.insert([1, 2], sequence(1, 1));
    expect(trie.child(ROOT, 1, 0, 0)).toBe(NO_NODE);
  });
});
