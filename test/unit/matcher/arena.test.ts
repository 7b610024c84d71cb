import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Arena, NOWHERE } from '../../../src/matcher/arena.ts';

interface Block {
  readonly address: number;
  readonly cells: number;
  readonly filling: number;
}

/** Sizes on both sides of each limit: one size per cell, four per doubling, a chunk of its own. */
const sizes = fc.oneof(
  fc.integer({ min: 1, max: 12 }),
  fc.integer({ min: 1, max: 200 }),
  fc.constantFrom(1_000, 8_191, 8_192, 8_193, 40_000),
);

function ints(arena: Arena, { address, cells }: Block, cellBytes: number): Int32Array {
  const from = (arena.cell(address) * cellBytes) >>> 2;
  return arena.chunk(address).ints.subarray(from, from + ((cells * cellBytes) >>> 2));
}

describe.each([8, 32])('an arena with cells of %i bytes', (cellBytes) => {
  it('never hands out memory twice, whatever is allocated and given back in between', () => {
    const steps = fc.array(fc.record({ size: sizes, frees: fc.boolean(), which: fc.nat(1_000) }), {
      minLength: 1,
      maxLength: 120,
    });
    fc.assert(
      fc.property(steps, (script) => {
        const arena = new Arena(cellBytes);
        const blocks: Block[] = [];
        let filling = 0;
        for (const { size, frees, which } of script) {
          if (frees && blocks.length > 0) {
            const [freed] = blocks.splice(which % blocks.length, 1);
            arena.free(freed!.address, freed!.cells);
            continue;
          }
          const cells = arena.fit(size);
          expect(cells).toBeGreaterThanOrEqual(size);
          expect(cells).toBeLessThanOrEqual(size <= 8 ? size : Math.ceil(size * 1.25));
          const block = { address: arena.allocate(size), cells, filling: ++filling };
          expect(block.address).not.toBe(NOWHERE);
          const memory = ints(arena, block, cellBytes);
          expect(memory.length).toBe((cells * cellBytes) >>> 2);
          memory.fill(block.filling);
          blocks.push(block);
        }
        for (const block of blocks) {
          expect(ints(arena, block, cellBytes).every((value) => value === block.filling)).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('an arena', () => {
  it('hands out what was given back before it grows', () => {
    const arena = new Arena(32);
    const addresses = Array.from({ length: 5_000 }, () => arena.allocate(5));
    for (const address of addresses) arena.free(address, 5);
    const again = new Set(Array.from({ length: 5_000 }, () => arena.allocate(5)));
    expect(again).toEqual(new Set(addresses));
  });

  it('takes the chunk of a large block for the next large one', () => {
    const arena = new Arena(8);
    const address = arena.allocate(10_000);
    arena.free(address, 10_000);
    expect(arena.allocate(20_000)).toBe(address);
  });

  it('lets no memory lie idle at the end of a chunk', () => {
    const arena = new Arena(8);
    const largest = Array.from({ length: 40 }, () => arena.allocate(7_000));
    const chunks = new Set(largest.map((address) => arena.chunk(address)));
    const small = Array.from({ length: 2_000 }, () => arena.allocate(8));
    expect(small.filter((address) => chunks.has(arena.chunk(address))).length).toBeGreaterThan(1_000);
  });
});
