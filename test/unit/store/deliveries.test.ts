import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type Attempt,
  DELIVERY_STATES,
  type Delivery,
  type DeliveryState,
} from '../../../src/model/delivery.ts';
import { aDataDir, aDelivery, aFire, openStores, type Stores } from '../../support/outbox.ts';

let dir: ReturnType<typeof aDataDir>;
let stores: Stores;

beforeEach(() => {
  dir = aDataDir();
  stores = openStores(dir.path);
});

afterEach(async () => {
  await stores.environment.close();
  dir.remove();
});

const NONE = new Set<string>();
let fireCount = 0;

async function add(...deliveries: Delivery[]): Promise<void> {
  fireCount += 1;
  await stores.fires.commitFires([{ fire: aFire({ id: `fire-${fireCount}` }), deliveries }]).flushed;
}

const failed = (number: number): Attempt => ({
  number,
  startedAtMs: 1000 * number,
  durationMs: 5,
  outcome: 'failed',
  status: 500,
  error: null,
  response: 'oops',
});

describe('the queue of due deliveries', () => {
  it('puts URLs that differ in the query alone into one lane, and all emails into one', () => {
    const lane = (destination: string) => stores.deliveries.laneOf(aDelivery({ destination }));
    expect(lane('https://example.com/hook?a=1')).toBe(lane('https://EXAMPLE.com:443/hook?a=2#x'));
    expect(lane('https://example.com/hook')).not.toBe(lane('https://example.com/hook2'));
    expect(lane('https://example.com/hook')).not.toBe(lane('http://example.com/hook'));
    expect(lane(`https://example.com/${'x'.repeat(2000)}`).length).toBeLessThan(100);
    const email = (destination: string) =>
      stores.deliveries.laneOf(aDelivery({ channel: 'email', destination }));
    expect(email('a@example.com')).toBe(email('b@example.org'));
  });

  it('gives the earliest of a lane, passing over those asked to be skipped', async () => {
    const at = (id: string, dueAtMs: number, path = 'hook') =>
      aDelivery({ id, dueAtMs, destination: `https://example.com/${path}` });
    await add(at('d3', 3000), at('d1', 1000), at('d2', 2000), at('other', 1, 'other'));
    const lane = stores.deliveries.laneOf(at('d1', 0));
    const picked = (...skip: string[]) => stores.deliveries.pick(lane, new Set(skip));
    expect(picked()).toMatchObject({ delivery: { id: 'd1' }, dueAtMs: 1000 });
    expect(picked('d1')).toMatchObject({ delivery: { id: 'd2' }, dueAtMs: 2000 });
    expect(picked('d1', 'd2', 'd3')).toEqual({ kind: 'empty' });
    expect(stores.deliveries.lanes()).toHaveLength(2);
    expect(stores.deliveries.lanes()).toContainEqual({ lane, dueAtMs: 1000 });
  });

  it('shows a row that cannot be read as such, and can set it aside', async () => {
    await add(aDelivery({ id: 'bad', dueAtMs: 1 }), aDelivery({ id: 'good', dueAtMs: 2 }));
    await stores.environment.table('deliveries').put(['bad'], Buffer.from([250, 1, 2]));
    const lane = stores.deliveries.laneOf(aDelivery());
    const picked = stores.deliveries.pick(lane, NONE);
    expect(picked).toMatchObject({ kind: 'unreadable', deliveryId: 'bad', dueAtMs: 1 });
    await stores.deliveries.postpone(lane, 1, 'bad', 500);
    expect(stores.deliveries.pick(lane, NONE)).toMatchObject({ delivery: { id: 'good' } });
    expect(stores.deliveries.pick(lane, new Set(['good']))).toMatchObject({
      deliveryId: 'bad',
      dueAtMs: 500,
    });
  });
});

describe('recording an attempt', () => {
  it('moves the due row, the filters and the counters along with the delivery', async () => {
    await add(aDelivery());
    const retrying = aDelivery({ state: 'retrying', dueAtMs: 9000, attemptsMade: 1, reason: 'answered 500' });
    await stores.deliveries.recordAttempt(retrying, failed(1));
    const lane = stores.deliveries.laneOf(retrying);
    expect(stores.deliveries.lanes()).toEqual([{ lane, dueAtMs: 9000 }]);
    expect(stores.deliveries.countByState()).toMatchObject({ pending: 0, retrying: 1 });

    const dead: Delivery = { ...retrying, state: 'dead', dueAtMs: null, attemptsMade: 2 };
    await stores.deliveries.recordAttempt(dead, failed(2));
    expect(stores.deliveries.lanes()).toEqual([]);
    expect(stores.deliveries.countByState()).toMatchObject({ pending: 0, retrying: 0, dead: 1 });
    expect(stores.deliveries.delivery('acme', 'del-1')).toEqual({
      delivery: dead,
      attempts: [failed(1), failed(2)],
    });
    const listed = (status: DeliveryState) =>
      stores.deliveries.listDeliveries('acme', { status, page: 1, limit: 10 }).total;
    expect([listed('pending'), listed('retrying'), listed('dead')]).toEqual([0, 0, 1]);
  });

  it('refuses an attempt at a delivery that does not exist', async () => {
    await expect(stores.deliveries.recordAttempt(aDelivery(), failed(1))).rejects.toThrow('del-1 has no row');
    expect(stores.deliveries.countByState().pending).toBe(0);
  });
});

describe('holding emails', () => {
  const email = (id: string, change: Partial<Delivery> = {}) =>
    aDelivery({ id, channel: 'email', destination: 'a@example.com', ...change });

  it('takes due emails out of the queue and brings them back, and touches nothing else', async () => {
    const many = Array.from({ length: 2500 }, (_, index) => email(`mail-${index}`, { dueAtMs: index }));
    await add(...many, email('tried', { state: 'retrying', attemptsMade: 2 }));
    await add(aDelivery({ id: 'webhook' }), email('sent', { state: 'delivered', dueAtMs: null }));

    expect(await stores.deliveries.holdEmails('no server', 7000)).toBe(2501);
    expect(stores.deliveries.countByState()).toMatchObject({ held: 2501, pending: 1, delivered: 1 });
    expect(stores.deliveries.lanes()).toHaveLength(1);
    expect(stores.deliveries.delivery('acme', 'mail-7')?.delivery).toEqual(
      email('mail-7', { state: 'held', reason: 'no server', dueAtMs: null, updatedAtMs: 7000 }),
    );
    expect(await stores.deliveries.holdEmails('no server', 7000)).toBe(0);

    expect(await stores.deliveries.releaseEmails(8000)).toBe(2501);
    expect(stores.deliveries.countByState()).toMatchObject({
      held: 0,
      pending: 2501,
      retrying: 1,
      delivered: 1,
    });
    expect(stores.deliveries.delivery('acme', 'tried')?.delivery).toMatchObject({
      dueAtMs: 8000,
      reason: null,
    });
    expect(stores.deliveries.pick('email', NONE)).toMatchObject({ kind: 'delivery', dueAtMs: 8000 });
    expect(await stores.deliveries.releaseEmails(8000)).toBe(0);
  });

  it('passes over a row that cannot be read', async () => {
    await add(email('a'), email('b'), email('c'));
    await stores.environment.table('deliveries').put(['b'], Buffer.from([250]));
    expect(await stores.deliveries.holdEmails('no server', 1)).toBe(2);
    expect(await stores.deliveries.releaseEmails(2)).toBe(2);
  });
});

describe('reading deliveries', () => {
  it('shows an OU nothing of another', async () => {
    await add(aDelivery({ id: 'theirs', ou: 'other' }));
    expect(stores.deliveries.delivery('acme', 'theirs')).toBeUndefined();
    expect(stores.deliveries.listDeliveries('acme', { page: 1, limit: 10 })).toEqual({
      deliveries: [],
      total: 0,
    });
    expect(stores.deliveries.delivery('other', 'theirs')?.attempts).toEqual([]);
  });

  it('lists and counts exactly what is there, through any changes of state', async () => {
    const states = fc.constantFrom(...DELIVERY_STATES);
    const sequences = fc.constantFrom('seq-1', 'seq-2');
    const made = fc.array(fc.tuple(states, sequences, fc.integer({ min: 0, max: 3 })), { maxLength: 10 });
    const moves = fc.array(fc.tuple(fc.nat(), states), { maxLength: 10 });
    const query = fc.record({
      status: fc.option(states, { nil: undefined }),
      sequenceId: fc.option(sequences, { nil: undefined }),
      page: fc.integer({ min: 1, max: 3 }),
      limit: fc.integer({ min: 1, max: 4 }),
    });
    const dueAt = (state: DeliveryState) => (state === 'pending' || state === 'retrying' ? 50 : null);
    const totals = stores.deliveries.countByState();
    let run = 0;
    await fc.assert(
      fc.asyncProperty(made, moves, query, async (parts, changes, filters) => {
        run += 1;
        const ou = `ou-${run}`;
        const rows = parts.map(([state, sequenceId, createdAtMs], index) =>
          aDelivery({ id: `del-${run}-${index}`, ou, state, sequenceId, createdAtMs, dueAtMs: dueAt(state) }),
        );
        await add(...rows);
        for (const [target, state] of rows.length === 0 ? [] : changes) {
          const index = target % rows.length;
          const before = rows[index];
          if (before === undefined) throw new Error('no such row');
          const after = { ...before, state, dueAtMs: dueAt(state), attemptsMade: before.attemptsMade + 1 };
          rows[index] = after;
          await stores.deliveries.recordAttempt(after, failed(after.attemptsMade));
        }
        for (const { state } of rows) totals[state] += 1;
        expect(stores.deliveries.countByState()).toEqual(totals);

        const expected = rows
          .filter(({ state }) => filters.status === undefined || state === filters.status)
          .filter(({ sequenceId }) => filters.sequenceId === undefined || sequenceId === filters.sequenceId)
          .sort((one, two) => two.createdAtMs - one.createdAtMs || (one.id < two.id ? 1 : -1));
        const first = (filters.page - 1) * filters.limit;
        expect(stores.deliveries.listDeliveries(ou, filters)).toEqual({
          deliveries: expected.slice(first, first + filters.limit),
          total: expected.length,
        });
        const due = totals.pending + totals.retrying;
        expect(stores.environment.table('delivery_due').getKeysCount()).toBe(due);
        expect(stores.environment.table('delivery_held').getKeysCount()).toBe(totals.held);
      }),
      // The totals run over all cases, so a case that fails cannot be made smaller.
      { numRuns: 60, endOnFailure: true },
    );
  });
});
