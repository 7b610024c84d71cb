import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Attempt } from '../../../src/model/delivery.ts';
import { HandedOut } from '../../../src/store/handedOut.ts';
import { aDataDir, aDelivery, aFire, openStores, type Stores } from '../../support/outbox.ts';

describe('deliveries that were handed out', () => {
  it('are given once, as they were', async () => {
    const handedOut = new HandedOut();
    const delivery = aDelivery();
    handedOut.add(delivery);
    expect(handedOut.take('del-1')).toBe(delivery);
    expect(handedOut.take('del-1')).toBeUndefined();
  });

  it('are forgotten within a change of rows, and none is remembered until it is committed', async () => {
    const handedOut = new HandedOut();
    let commit = () => {};
    const committed = new Promise<void>((resolve) => {
      commit = resolve;
    });
    let forget = () => {};
    const change = handedOut.duringChange((forgetNow) => {
      forget = forgetNow;
      return committed;
    });
    handedOut.add(aDelivery({ id: 'before the step' }));
    expect(handedOut.take('before the step')).toBeUndefined();
    forget();
    handedOut.add(aDelivery({ id: 'before the commit' }));
    expect(handedOut.take('before the commit')).toBeUndefined();
    commit();
    await change;
    handedOut.add(aDelivery({ id: 'after' }));
    expect(handedOut.take('after')).toBeDefined();
  });

  it('are remembered again after a change that failed', async () => {
    const handedOut = new HandedOut();
    await expect(handedOut.duringChange(() => Promise.reject(new Error('no room')))).rejects.toThrow();
    handedOut.add(aDelivery());
    expect(handedOut.take('del-1')).toBeDefined();
  });

  it('are not remembered without end, and none is taken for another', () => {
    const handedOut = new HandedOut();
    const ids = Array.from({ length: 40_000 }, (_, number) => `del-${number.toString(16)}`);
    for (const id of ids) handedOut.add(aDelivery({ id }));
    const taken = ids.flatMap((id) => handedOut.take(id)?.id ?? []);
    expect(taken.length).toBeGreaterThan(10_000);
    expect(taken.length).toBeLessThan(20_000);
    // Those that were handed out last made room for themselves.
    expect(taken.at(-1)).toBe(ids.at(-1));
    for (const id of ids) handedOut.add(aDelivery({ id }));
    for (const id of ids) expect(handedOut.take(id)?.id ?? id).toBe(id);
  });

  it('of any id are remembered, be it short or of other letters', () => {
    const handedOut = new HandedOut();
    const ids = ['', 'x', 'éé', 'del-1', 'del-ABCD', 'del-\u{1f600}'];
    for (const id of ids) {
      handedOut.add(aDelivery({ id }));
      expect(handedOut.take(id)?.id).toBe(id);
    }
  });
});

describe('an outcome of a delivery that was changed since it was handed out', () => {
  let dir: ReturnType<typeof aDataDir>;
  let stores: Stores;
  const later = 'https://example.com/later';

  beforeEach(async () => {
    dir = aDataDir();
    stores = openStores(dir.path);
    await stores.fires.commitFires([{ fire: aFire(), deliveries: [aDelivery()] }]).flushed;
  });

  afterEach(async () => {
    await stores.environment.close();
    dir.remove();
  });

  const lane = () => stores.deliveries.laneOf(aDelivery());
  const handOut = () => stores.deliveries.due(lane(), 2000, new Set(), 1).rows;
  const success: Attempt = {
    number: 1,
    startedAtMs: 1500,
    durationMs: 1,
    outcome: 'delivered',
    status: 200,
    error: null,
    response: 'ok',
  };
  const done = aDelivery({ state: 'delivered', dueAtMs: null, attemptsMade: 1 });
  const record = () => stores.deliveries.recordAttempts([{ delivery: done, attempt: success }]);

  /** The tables hold what belongs to one delivered row, and nothing else. */
  function expectDelivered(): void {
    const { rows } = stores.deliveries;
    expect(rows.read('del-1')).toEqual(done);
    expect([...rows.due.getKeys(), ...rows.held.getKeys()]).toEqual([]);
    expect([...rows.index.getKeys()].map((key) => key.slice(1, -2).join(' ')).sort()).toEqual([
      'all',
      'seq seq-1',
      'seqstate seq-1 delivered',
      'state delivered',
    ]);
    expect(rows.counts()).toMatchObject({ pending: 0, retrying: 0, held: 0, dead: 0, delivered: 1 });
  }

  it('is recorded as well when it was not changed', async () => {
    expect(handOut()).toHaveLength(1);
    await record();
    expectDelivered();
  });

  const changes: Readonly<Record<string, () => Promise<unknown>>> = {
    held: () => stores.deliveries.hold(lane(), 'paused', 1500),
    'given up': () => stores.deliveries.giveUp(lane(), 9000, new Set(), 'too late', 1500),
    moved: () => stores.deliveries.move('del-1', later, 1500),
    'made due anew': () => stores.deliveries.redeliver('acme', 'del-1', 1500),
    'made due anew with others': () => {
      const range = { status: 'pending', fromMs: 0, toMs: 9000, after: null, countMax: 10 } as const;
      return stores.deliveries.redeliverRange('acme', 'seq-1', range, () => 1500, 1500);
    },
  };

  it.each(Object.entries(changes))(
    'leaves nothing behind of what it was when it was %s',
    async (_name, change) => {
      handOut();
      await change();
      await record();
      expectDelivered();
    },
  );

  it.each(Object.entries(changes))('nor when it was %s while it was handed out', async (_name, change) => {
    const changed = change();
    // Before the transaction of the change has begun, and between its step and its commit.
    handOut();
    const recorded = changed.then(record);
    for (let turn = 0; turn < 20; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      if (stores.deliveries.rows.read('del-1')?.updatedAtMs === 1000) handOut();
    }
    await recorded;
    expectDelivered();
  });

  it('nor when both are asked for together', async () => {
    handOut();
    const changed = stores.deliveries.hold(lane(), 'paused', 1500);
    await Promise.all([changed, record()]);
    expectDelivered();
  });
});
