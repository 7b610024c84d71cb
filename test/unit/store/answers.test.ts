import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openAnswerStore } from '../../../src/store/answers.ts';
import { type Environment, openEnvironment } from '../../../src/store/environment.ts';

const DAY_MS = 86_400_000;
let dataDir: string;
let environment: Environment;
let nowMs: number;

beforeEach(() => {
  nowMs = 1_800_000_000_000;
  dataDir = mkdtempSync(join(tmpdir(), 'answers-'));
  environment = openEnvironment(dataDir);
});

afterEach(async () => {
  await environment.close();
  rmSync(dataDir, { recursive: true });
});

const open = (bytesMax?: number) => openAnswerStore(environment, () => nowMs, bytesMax);
const at = (key: string, tokenId = 'tok-1') => ({ tokenId, key });
const answer = (text: string) => ({ fingerprint: `of ${text}`, freshId: 'f', sealed: Buffer.from(text) });
const rowCounts = () => ['answers', 'answer_times'].map((name) => environment.table(name).getCount());

describe('the answers that are kept', () => {
  it('are found under their place and no other, and over a restart', async () => {
    expect(await open().put(at('a'), answer('one'))).toBe(true);
    await open().put(at('b'), { ...answer('two'), sealed: null });
    await environment.close();
    environment = openEnvironment(dataDir);
    const store = open();
    expect(store.get(at('a'))).toEqual(answer('one'));
    expect(store.get(at('b'))).toEqual({ ...answer('two'), sealed: null });
    expect(store.get(at('c'))).toBeUndefined();
    expect(store.get(at('a', 'tok-2'))).toBeUndefined();
    // Beside the rows of answers, `answers` has one with the bytes of the token.
    expect(rowCounts()).toEqual([3, 2]);
  });

  it('are replaced by what comes later, and gone when removed', async () => {
    const store = open();
    await store.put(at('a'), { ...answer('one'), sealed: null });
    nowMs += 5;
    await store.put(at('a'), answer('one'));
    expect(store.get(at('a'))).toEqual(answer('one'));
    expect(rowCounts()).toEqual([2, 1]);
    await store.remove(at('a'));
    expect(store.get(at('a'))).toBeUndefined();
    await store.remove(at('a'));
    expect(rowCounts()).toEqual([0, 0]);
  });

  it('are not found after a day, and removed at the next occasion, those of idle tokens too', async () => {
    const store = open();
    await store.put(at('old'), answer('one'));
    await store.put(at('idle', 'tok-2'), answer('two'));
    nowMs += DAY_MS;
    expect(store.get(at('old'))).toBeDefined();
    nowMs += 1;
    expect(store.get(at('old'))).toBeUndefined();
    await store.put(at('new', 'tok-3'), answer('three'));
    expect(rowCounts()).toEqual([2, 1]);
    expect(store.get(at('new', 'tok-3'))).toBeDefined();
  });

  it('of one token take no more room than they may: the oldest give way, and none of another token', async () => {
    const store = open(3_000);
    await store.put(at('other', 'tok-2'), answer('x'.repeat(2_000)));
    for (let n = 0; n < 20; n++) {
      nowMs += 1;
      await store.put(at(`key-${n}`), answer('x'.repeat(744)));
    }
    const kept = Array.from({ length: 20 }, (_, n) => n).filter(
      (n) => store.get(at(`key-${n}`)) !== undefined,
    );
    expect(kept).toEqual([17, 18, 19]);
    expect(store.get(at('other', 'tok-2'))).toBeDefined();
    // One that is larger than all together is kept alone.
    await store.put(at('large'), answer('x'.repeat(10_000)));
    expect(store.get(at('large'))).toBeDefined();
    expect(store.get(at('key-19'))).toBeUndefined();
  });

  it('are not waited for while the store cannot be written', async () => {
    const troubled = { ...environment, trouble: () => 'the disk is full' };
    const store = openAnswerStore(troubled, () => nowMs);
    expect(await store.put(at('a'), answer('one'))).toBe(false);
    expect(store.get(at('a'))).toBeUndefined();
  });
});
