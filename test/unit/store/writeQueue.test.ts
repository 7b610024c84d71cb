import { tmpdir } from 'node:os';
import type { RootDatabase } from 'lmdb';
import { describe, expect, it, vi } from 'vitest';
import { WriteQueue } from '../../../src/store/writeQueue.ts';

/** What LMDB says of a transaction that it gives up, among other things for its list of free pages. */
const BAD_TXN = -30782;

/** As much of the library as the queue asks for: a transaction that fails leaves nothing, and says why as the library does. */
class FailingRoot {
  readonly rows: string[] = [];
  readonly flushed = Promise.resolve(true);
  commits = 0;
  failuresToCome: { readonly code: number; readonly isVisible?: boolean }[] = [];
  #depth = 0;
  #lastTxnId = 0;

  childTransaction(step: () => void): unknown {
    if (this.#depth > 0) return step();
    this.#depth++;
    const before = this.rows.length;
    step();
    this.#depth--;
    this.commits++;
    const failure = this.failuresToCome.shift();
    if (failure === undefined || failure.isVisible === true) this.#lastTxnId = this.commits;
    if (failure === undefined) return Promise.resolve();
    this.rows.length = before;
    const cause = Object.assign(new Error('the transaction was given up'), { code: failure.code });
    const commitError = Promise.reject(cause);
    commitError.catch(() => {});
    return Promise.reject(Object.assign(new Error('Commit failed'), { commitError }));
  }

  getWriteTxnId = () => this.commits + 1;
  getStats = () => ({ lastTxnId: this.#lastTxnId });
}

function aQueue(failures: FailingRoot['failuresToCome']) {
  const root = new FailingRoot();
  root.failuresToCome = failures;
  const troubles: (string | null)[] = [];
  const queue = new WriteQueue(root as unknown as RootDatabase, tmpdir(), (trouble) =>
    troubles.push(trouble),
  );
  const write = (row: string) => queue.write(() => void root.rows.push(row));
  return { queue, root, write, troubles };
}

describe('a transaction that the library gives up', () => {
  it('is made again, before what was asked for later', async () => {
    const { queue, root, write, troubles } = aQueue([{ code: BAD_TXN }, { code: BAD_TXN }]);
    await Promise.all([write('first'), write('second')]);
    expect(root.rows).toEqual(['first', 'second']);
    expect(troubles).toEqual([expect.stringContaining('the transaction was given up'), null]);
    expect(queue.trouble).toBeNull();
  });

  it('ends the store when that goes on', async () => {
    const { queue, root, write } = aQueue(Array.from({ length: 10 }, () => ({ code: BAD_TXN })));
    await expect(write('row')).rejects.toThrow('failed: the transaction was given up');
    expect((await queue.failed).message).toContain('failed: the transaction was given up');
    expect(root.commits).toBe(4);
    await expect(write('later')).rejects.toThrow('failed');
  });

  it('may be given up as often again after one that was made', async () => {
    const failures = Array.from({ length: 3 }, () => ({ code: BAD_TXN }));
    const { root, write } = aQueue([...failures]);
    await write('first');
    root.failuresToCome = [...failures];
    await write('second');
    expect(root.rows).toEqual(['first', 'second']);
  });

  it.each([
    { what: 'when it is visible already', failure: { code: BAD_TXN, isVisible: true } },
    { what: 'for a reason that does not pass', failure: { code: -30796 } },
  ])('ends the store at once $what', async ({ failure }) => {
    const { root, write } = aQueue([failure]);
    await expect(write('row')).rejects.toThrow('failed: the transaction was given up');
    expect(root.commits).toBe(1);
  });
});

describe('writes that take long', () => {
  it('are not made in one transaction, and keep their order', async () => {
    let nowMs = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
    const { queue, root } = aQueue([]);
    const commitOf: number[] = [];
    const write = (tookMs: number) =>
      queue.write(() => {
        nowMs += tookMs;
        commitOf.push(root.commits);
      });
    // The first finds nothing under way; the others wait for it together.
    await Promise.all([1, 4, 4, 4, 30, 1].map(write));
    clock.mockRestore();
    expect(commitOf).toEqual([0, 1, 1, 1, 2, 3]);
  });
});
