import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { GUARDS, type Guard } from './guards.ts';
import { Workspace } from './workspace.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string) => readFileSync(`${root}${path}`, 'utf8');

describe('the lines that invariants rest on', () => {
  it.each(GUARDS)('invariant $invariant: $keeps, by a line that stands once', ({ file, line, heldBy }) => {
    expect(read(file).split(line)).toHaveLength(2);
    for (const test of heldBy) expect(read(test)).toMatch(/\bit(?:\.each)?\(/);
  });

  it('guard every invariant that ARCHITECTURE.md lists, apart from the one that plain models hold', () => {
    const numbers = [...read('ARCHITECTURE.md').matchAll(/^\| (\d+) \|/gm)].map(([, number]) =>
      Number(number),
    );
    expect(numbers.length).toBeGreaterThan(0);
    const guarded = new Set(GUARDS.map(({ invariant }) => invariant));
    expect(numbers.filter((number) => !guarded.has(number))).toEqual([10]);
  });
});

describe('a trial of a guard', () => {
  const workspace = new Workspace(root);
  afterAll(() => workspace.remove());
  const lock = GUARDS.find(({ file }) => file === 'src/store/dataDirectory.ts') as Guard;

  it('tells a line that a test holds from one that none does', () => {
    const held = workspace.try(lock);
    expect(held.whole).toMatchObject({ failed: 0 });
    expect(held.whole.passed).toBeGreaterThan(0);
    expect(held.without.failed).toBeGreaterThan(0);
    const sameText = workspace.try({ ...lock, without: lock.line });
    expect(sameText.without).toMatchObject({ failed: 0, passed: held.whole.passed });
  }, 120_000);
});
