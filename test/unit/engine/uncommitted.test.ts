import { describe, expect, it } from 'vitest';
import { type AppliedGroup, Uncommitted } from '../../../src/engine/uncommitted.ts';

const MESSAGES_MAX = 8_000;
const REJECTED_BYTES_MAX = 16 * 2 ** 20;

/** A promise that a test settles. */
function pending() {
  let resolve = (): void => {};
  let reject = (_error: Error): void => {};
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

function aGroup(change: Partial<AppliedGroup> = {}): AppliedGroup {
  const done = Promise.resolve();
  return {
    ...{ messages: 1, sinceMs: 0, fires: done, rejections: done, rejectedBytes: 0, onWritten: () => {} },
    ...change,
  };
}

/** Whether it has resolved once everything that can go on has. */
async function hasResolved(promise: Promise<unknown>): Promise<boolean> {
  let resolved = false;
  void promise.then(() => {
    resolved = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  return resolved;
}

describe('groups that are applied and not written', () => {
  it('count as written in their order, whichever is written first', async () => {
    const written: number[] = [];
    const first = pending();
    const uncommitted = new Uncommitted(() => {});
    uncommitted.add(aGroup({ sinceMs: 1, fires: first.promise, onWritten: () => written.push(1) }));
    uncommitted.add(aGroup({ sinceMs: 2, onWritten: () => written.push(2) }));
    expect(await hasResolved(uncommitted.written())).toBe(false);
    expect({ written, sinceMs: uncommitted.sinceMs }).toEqual({ written: [], sinceMs: 1 });
    first.resolve();
    await uncommitted.written();
    expect({ written, sinceMs: uncommitted.sinceMs }).toEqual({ written: [1, 2], sinceMs: null });
  });

  it.each([
    ['messages', { messages: MESSAGES_MAX + 1 }],
    ['bytes of rejected messages', { rejectedBytes: REJECTED_BYTES_MAX + 1 }],
  ])('leave no room above so many %s', async (_what, much) => {
    const first = pending();
    const uncommitted = new Uncommitted(() => {});
    uncommitted.add(aGroup());
    expect(await hasResolved(uncommitted.room())).toBe(true);
    uncommitted.add(aGroup({ ...much, rejections: first.promise }));
    const room = uncommitted.room();
    expect(await hasResolved(room)).toBe(false);
    first.resolve();
    await room;
  });

  it('tell that what was rejected is stored while fires are still being written', async () => {
    const fires = pending();
    const rejections = pending();
    const uncommitted = new Uncommitted(() => {});
    uncommitted.add(aGroup({ fires: fires.promise, rejections: rejections.promise }));
    const stored = uncommitted.rejectionsStored();
    expect(await hasResolved(stored)).toBe(false);
    rejections.resolve();
    await stored;
    expect(await hasResolved(uncommitted.written())).toBe(false);
  });

  it('report a write that cannot be made, and none behind it counts as written', async () => {
    const failures: unknown[] = [];
    const written: number[] = [];
    const uncommitted = new Uncommitted((error) => failures.push(error));
    const failure = new Error('the disk is gone');
    uncommitted.add(aGroup({ messages: MESSAGES_MAX + 1, fires: Promise.reject(failure) }));
    uncommitted.add(aGroup({ onWritten: () => written.push(2) }));
    await expect(uncommitted.room()).rejects.toThrow(failure);
    await expect(uncommitted.written()).rejects.toThrow(failure);
    expect(failures[0]).toBe(failure);
    expect(written).toEqual([]);
  });

  it('leave nothing behind of those that were written', async () => {
    const uncommitted = new Uncommitted(() => {});
    for (let group = 0; group < 100; group++) uncommitted.add(aGroup());
    await uncommitted.written();
    // What is awaited next would hold on to a value, and that to the one before.
    const { lastRejections } = uncommitted as unknown as { lastRejections: Promise<unknown> };
    expect(await lastRejections).toBeUndefined();
  });
});
