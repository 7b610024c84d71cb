import { describe, expect, it } from 'vitest';
import { Breaker, DEFAULT_BREAKER } from '../../../src/outbox/breaker.ts';
import { Lane } from '../../../src/outbox/lane.ts';
import { Recorder } from '../../../src/outbox/recorder.ts';
import type { Settlement } from '../../../src/outbox/retry.ts';
import { aDelivery, aLog } from '../../support/outbox.ts';

/** A recorder on a store that commits when told to, and a clock whose timers come when told to. */
function aRecorder() {
  const stored: string[][] = [];
  let commit = () => {};
  let ring: (() => void) | null = null;
  const recorder = new Recorder({
    queue: {
      recordAttempts: (settlements) => {
        stored.push(settlements.map(({ delivery }) => delivery.id));
        return new Promise((resolve) => {
          commit = () => resolve([]);
        });
      },
    },
    clock: {
      nowMs: () => 0,
      after: (_delayMs, run) => {
        ring = run;
        return () => {};
      },
    },
    log: aLog(),
    onRecorded: () => {},
    onFailed: () => {},
    onBatch: () => {},
  });
  const lane = new Lane('acme/dst', 'acme', new Breaker(DEFAULT_BREAKER, Math.random), 'proven', { rows: 0 });
  const record = (id: string) => recorder.record(lane, settlement(id));
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  return {
    recorder,
    stored,
    record,
    settled,
    commit: () => {
      commit();
      return settled();
    },
    isPausing: () => ring !== null,
    ring: () => {
      const run = ring;
      ring = null;
      run?.();
      return settled();
    },
  };
}

function settlement(id: string): Settlement {
  const attempt = { number: 1, startedAtMs: 0, durationMs: 0, outcome: 'delivered', status: 200 } as const;
  return { delivery: aDelivery({ id }), attempt: { ...attempt, error: null, response: null } };
}

const ids = (count: number) => Array.from({ length: count }, (_, index) => `${index}`);

describe('outcomes of attempts', () => {
  it('are stored at once when they trickle in: those that came meanwhile together as the next', async () => {
    const { stored, record, commit, isPausing } = aRecorder();
    record('a');
    expect(stored).toEqual([['a']]);
    for (const id of ids(7)) record(id);
    expect(stored).toEqual([['a']]);
    await commit();
    expect(stored).toEqual([['a'], ids(7)]);
    await commit();
    expect(isPausing()).toBe(false);
    record('b');
    expect(stored).toEqual([['a'], ids(7), ['b']]);
  });

  it('are stored together with those of shortly after in a rush', async () => {
    const { stored, record, commit, ring } = aRecorder();
    record('a');
    for (const id of ids(8)) record(id);
    await commit();
    expect(stored).toEqual([['a']]);
    record('b');
    expect(stored).toEqual([['a']]);
    await ring();
    expect(stored).toEqual([['a'], [...ids(8), 'b']]);
  });

  it('do not wait when a whole transaction of them does', async () => {
    const { stored, record, commit, isPausing } = aRecorder();
    for (const id of ids(510)) record(id);
    await commit();
    expect(isPausing()).toBe(false);
    expect(stored.map(({ length }) => length)).toEqual([1, 500]);
    await commit();
    expect(isPausing()).toBe(true);
  });

  it('are all stored when the recorder has finished', async () => {
    const { recorder, stored, record, commit, ring, settled } = aRecorder();
    let isFinished = false;
    for (const id of ids(10)) record(id);
    const finished = recorder.finished().then(() => {
      isFinished = true;
    });
    await commit();
    await settled();
    expect(isFinished).toBe(false);
    await ring();
    expect(isFinished).toBe(false);
    await commit();
    await finished;
    expect(stored.flat()).toEqual(ids(10));
  });
});
