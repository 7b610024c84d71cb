import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { whenAborted, withDeadline } from '../../../src/outbox/deadline.ts';

describe('waiting for the end of a signal', () => {
  it('calls each who waits, once, and nobody who waits no more', () => {
    const end = new AbortController();
    const called: string[] = [];
    const names = ['a', 'b', 'c', 'd', 'e'];
    const stops = names.map((name) => whenAborted(end.signal, () => called.push(name)));
    // The first, one in the midst, the last; and one twice, which must not take back that of another.
    for (const index of [0, 2, 4, 2]) stops[index]!();
    end.abort();
    expect(called.sort()).toEqual(['b', 'd']);
    for (const stop of stops) stop();
    end.abort();
    expect(called).toHaveLength(2);
  });

  it('calls at once where the signal has aborted already', () => {
    const called: string[] = [];
    const stop = whenAborted(AbortSignal.abort(), () => called.push('a'));
    expect(called).toEqual(['a']);
    stop();
  });

  it('calls the others when the end of one takes back that of another', () => {
    const end = new AbortController();
    const called: string[] = [];
    const stops: (() => void)[] = [];
    for (const name of ['a', 'b', 'c']) {
      stops.push(
        whenAborted(end.signal, () => {
          called.push(name);
          stops[1]!();
        }),
      );
    }
    end.abort();
    expect(called).toContain('a');
    expect(called).toContain('c');
    expect(called).not.toContain('b');
  });

  it('takes one listener of the signal, however many wait, at a time and one after the other', async () => {
    const end = new AbortController();
    const other = new AbortController();
    for (let round = 0; round < 3; round += 1) {
      const stops = Array.from({ length: 20 }, () => whenAborted(end.signal, () => {}));
      await withDeadline(1_000, end.signal, async () => undefined);
      expect(getEventListeners(end.signal, 'abort')).toHaveLength(1);
      for (const stop of stops) stop();
    }
    whenAborted(other.signal, () => {});
    expect(getEventListeners(other.signal, 'abort')).toHaveLength(1);
  });
});

describe('work under a deadline', () => {
  it('ends with the abort of the parent, also one from before', async () => {
    const end = new AbortController();
    const forEver = () => new Promise<never>(() => {});
    const running = withDeadline(60_000, end.signal, forEver);
    end.abort();
    await expect(running).rejects.toThrow('the process is going down');
    await expect(withDeadline(60_000, end.signal, forEver)).rejects.toThrow('the process is going down');
  });
});
