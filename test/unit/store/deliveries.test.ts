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

const ALWAYS = Number.MAX_SAFE_INTEGER;

describe('the queue of due deliveries', () => {
  it('has a lane for each URL and one for all emails, and every OU has lanes of its own', () => {
    const lane = (change: Partial<Delivery>) => stores.deliveries.laneOf(aDelivery(change));
    const hook = { destination: 'https://example.com/hook' };
    expect(lane(hook)).toBe(lane({ ...hook, id: 'other' }));
    expect(lane(hook)).not.toBe(lane({ destination: 'https://example.com/hook?a=1' }));
    expect(lane(hook)).not.toBe(lane({ destination: 'http://example.com/hook' }));
    expect(lane(hook)).not.toBe(lane({ ...hook, ou: 'other' }));
    expect(lane({ destination: `https://example.com/${'x'.repeat(2000)}` }).length).toBeLessThan(100);
    const email = (destination: string, ou = 'acme') => lane({ channel: 'email', destination, ou });
    expect(email('a@example.com')).toBe(email('b@example.org'));
    expect(email('a@example.com')).not.toBe(email('a@example.com', 'other'));
    expect(stores.deliveries.partsOf(email('a@example.com'))).toEqual({ ou: 'acme', channel: 'email' });
    expect(stores.deliveries.partsOf(lane(hook))).toEqual({ ou: 'acme', channel: 'webhook' });
  });

  it('gives what is due in a lane in order, passing over what it is asked to, and when the next is due', async () => {
    const at = (id: string, dueAtMs: number, path = 'hook') =>
      aDelivery({ id, dueAtMs, destination: `https://example.com/${path}` });
    await add(at('d3', 3000), at('d1', 1000), at('d2', 2000), at('other', 1, 'other'));
    const lane = stores.deliveries.laneOf(at('d1', 0));
    const due = (nowMs: number, count: number, ...skip: string[]) => {
      const { rows, nextDueAtMs } = stores.deliveries.due(lane, nowMs, new Set(skip), count);
      return [rows.map((row) => (row.kind === 'delivery' ? row.delivery.id : row.kind)), nextDueAtMs];
    };
    expect(due(999, 9)).toEqual([[], 1000]);
    expect(due(2000, 9)).toEqual([['d1', 'd2'], 3000]);
    expect(due(2000, 1)).toEqual([['d1'], null]);
    expect(due(2000, 9, 'd1')).toEqual([['d2'], 3000]);
    expect(due(9999, 9, 'd1', 'd2', 'd3')).toEqual([[], null]);
    expect(stores.deliveries.lanes()).toHaveLength(2);
    expect(stores.deliveries.lanes()).toContainEqual({ lane, dueAtMs: 1000 });
  });

  it('gives those that are due at the same time in the order of their fires', async () => {
    await add(
      ...[5, 3, 9, 1].map((streamSequence) => aDelivery({ id: `d${10 - streamSequence}`, streamSequence })),
    );
    const { rows } = stores.deliveries.due(stores.deliveries.laneOf(aDelivery()), ALWAYS, NONE, 10);
    const places = rows.map((row) => (row.kind === 'delivery' ? row.delivery.streamSequence : null));
    expect(places).toEqual([1, 3, 5, 9]);
  });

  it('shows a row that cannot be read as such, and can set it aside', async () => {
    await add(aDelivery({ id: 'bad', dueAtMs: 1 }), aDelivery({ id: 'good', dueAtMs: 2 }));
    await stores.environment.table('deliveries').put(['bad'], Buffer.from([250, 1, 2]));
    const lane = stores.deliveries.laneOf(aDelivery());
    const due = (nowMs: number) => stores.deliveries.due(lane, nowMs, NONE, 10);
    expect(due(1).rows).toMatchObject([{ kind: 'unreadable', deliveryId: 'bad' }]);
    await stores.deliveries.postpone(lane, 'bad', 500);
    expect(due(2)).toMatchObject({ rows: [{ delivery: { id: 'good' } }], nextDueAtMs: 500 });
    expect(due(500).rows).toHaveLength(2);
  });

  it('is found again when an older program left it in its own tables', async () => {
    const held = aDelivery({ id: 'held', channel: 'email', state: 'held', dueAtMs: null });
    await add(aDelivery({ id: 'due', dueAtMs: 7 }), held);
    const { environment } = stores;
    for (const name of ['delivery_queue', 'delivery_hold']) await environment.table(name).clearAsync();
    await environment.table('delivery_due').put(['webhook:digest', 7, 'due'], Buffer.from([1]));
    await environment.table('delivery_held').put(['email', 1000, 'held'], Buffer.from([1]));
    await environment.close();
    stores = openStores(dir.path);
    expect(stores.deliveries.lanes()).toEqual([{ lane: stores.deliveries.laneOf(aDelivery()), dueAtMs: 7 }]);
    expect(stores.deliveries.heldLanes()).toEqual([stores.deliveries.laneOf(held)]);
    expect([...stores.environment.table('delivery_due').getKeys()]).toEqual([]);
    expect([...stores.environment.table('delivery_held').getKeys()]).toEqual([]);
  });

  it('counts what waits and what is held in a lane, up to a limit', async () => {
    await add(...[1, 2, 3].map((number) => aDelivery({ id: `d${number}` })));
    await add(aDelivery({ id: 'held', state: 'held', dueAtMs: null }));
    const lane = stores.deliveries.laneOf(aDelivery());
    expect(stores.deliveries.countIn(lane, 10)).toEqual({ waiting: 3, held: 1 });
    expect(stores.deliveries.countIn(lane, 2)).toEqual({ waiting: 2, held: 1 });
  });
});

describe('recording an attempt', () => {
  it('moves the due row, the filters and the counters along with the delivery', async () => {
    await add(aDelivery());
    const retrying = aDelivery({ state: 'retrying', dueAtMs: 9000, attemptsMade: 1, reason: 'answered 500' });
    await stores.deliveries.recordAttempts([{ delivery: retrying, attempt: failed(1) }]);
    const lane = stores.deliveries.laneOf(retrying);
    expect(stores.deliveries.lanes()).toEqual([{ lane, dueAtMs: 9000 }]);
    expect(stores.deliveries.countByState()).toMatchObject({ pending: 0, retrying: 1 });

    const dead: Delivery = { ...retrying, state: 'dead', dueAtMs: null, attemptsMade: 2 };
    await stores.deliveries.recordAttempts([{ delivery: dead, attempt: failed(2) }]);
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

  it('tells of a delivery that does not exist, and stores the others', async () => {
    await add(aDelivery());
    const done = aDelivery({ state: 'delivered', dueAtMs: null, attemptsMade: 1 });
    const settlements = [
      { delivery: aDelivery({ id: 'gone' }), attempt: failed(1) },
      { delivery: done, attempt: failed(1) },
    ];
    expect(await stores.deliveries.recordAttempts(settlements)).toEqual(['gone']);
    expect(stores.deliveries.countByState()).toMatchObject({ pending: 0, delivered: 1 });
    expect(stores.deliveries.delivery('acme', 'gone')).toBeUndefined();
  });
});

describe('holding a lane', () => {
  const lane = () => stores.deliveries.laneOf(email(''));

  const email = (id: string, change: Partial<Delivery> = {}) =>
    aDelivery({ id, channel: 'email', destination: 'a@example.com', ...change });

  it('takes what is due out of the queue and brings it back, and touches nothing else', async () => {
    const many = Array.from({ length: 2500 }, (_, index) => email(`mail-${index}`, { dueAtMs: index }));
    await add(...many, email('tried', { state: 'retrying', attemptsMade: 2 }));
    await add(aDelivery({ id: 'webhook' }), email('sent', { state: 'delivered', dueAtMs: null }));

    expect(await stores.deliveries.hold(lane(), 'no server', 7000)).toBe(2501);
    expect(stores.deliveries.countByState()).toMatchObject({ held: 2501, pending: 1, delivered: 1 });
    expect(stores.deliveries.lanes()).toHaveLength(1);
    expect(stores.deliveries.delivery('acme', 'mail-7')?.delivery).toEqual(
      email('mail-7', { state: 'held', reason: 'no server', dueAtMs: null, updatedAtMs: 7000 }),
    );
    expect(await stores.deliveries.hold(lane(), 'no server', 7000)).toBe(0);

    expect(await stores.deliveries.release(lane(), 8000)).toBe(2501);
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
    expect(stores.deliveries.lanes()).toContainEqual({ lane: lane(), dueAtMs: 8000 });
    expect(await stores.deliveries.release(lane(), 8000)).toBe(0);
  });

  it('passes over a row that cannot be read', async () => {
    await add(email('a'), email('b'), email('c'));
    await stores.environment.table('deliveries').put(['b'], Buffer.from([250]));
    expect(await stores.deliveries.hold(lane(), 'no server', 1)).toBe(2);
    expect(await stores.deliveries.release(lane(), 2)).toBe(2);
  });
});

describe('giving up a lane', () => {
  it('ends what has been due since before a time, with the reason, but not what is under way', async () => {
    await add(...[1, 2, 3].map((number) => aDelivery({ id: `d${number}`, dueAtMs: 1000 * number })));
    await add(aDelivery({ id: 'under way', dueAtMs: 1000 }));
    const lane = stores.deliveries.laneOf(aDelivery());
    expect(await stores.deliveries.giveUp(lane, 3000, new Set(['under way']), 'too long', 9000)).toBe(2);
    expect(stores.deliveries.countByState()).toMatchObject({ dead: 2, pending: 2 });
    expect(stores.deliveries.delivery('acme', 'd1')?.delivery).toMatchObject({
      state: 'dead',
      reason: 'too long',
      dueAtMs: null,
      updatedAtMs: 9000,
    });
  });
});

describe('delivering again', () => {
  const dead = (id: string, createdAtMs: number, change: Partial<Delivery> = {}) =>
    aDelivery({ id, createdAtMs, state: 'dead', dueAtMs: null, attemptsMade: 10, reason: 'x', ...change });

  it('puts one delivery back at the beginning of its schedule', async () => {
    await add(dead('d1', 1));
    const result = await stores.deliveries.redeliver('acme', 'd1', 5000);
    const delivery = { ...dead('d1', 1), state: 'pending', reason: null, dueAtMs: 5000, updatedAtMs: 5000 };
    expect(result).toEqual({ ok: true, delivery: { ...delivery, attemptsBefore: 10 } });
    expect(stores.deliveries.lanes()).toEqual([
      { lane: stores.deliveries.laneOf(dead('d1', 1)), dueAtMs: 5000 },
    ]);
  });

  it('refuses what is held and what belongs to another OU', async () => {
    await add(dead('held', 1, { state: 'held' }), dead('theirs', 1, { ou: 'other' }));
    expect(await stores.deliveries.redeliver('acme', 'held', 1)).toEqual({ ok: false, reason: 'held' });
    expect(await stores.deliveries.redeliver('acme', 'theirs', 1)).toEqual({
      ok: false,
      reason: 'not_found',
    });
  });

  it('goes through a range of creation times, both ends included, in portions that go on where one ended', async () => {
    await add(
      ...Array.from({ length: 2500 }, (_, index) => dead(`d${String(index).padStart(4, '0')}`, index)),
    );
    await add(dead('done', 7, { state: 'delivered' }), dead('other', 7, { sequenceId: 'seq-2' }));
    const range = { status: 'dead', fromMs: 10, toMs: 2209, countMax: 1500 } as const;
    const redeliver = (after: { createdAtMs: number; id: string } | null) =>
      stores.deliveries.redeliverRange('acme', 'seq-1', { ...range, after }, (index) => 9000 + index, 8000);
    const first = await redeliver(null);
    expect(first.deliveries).toHaveLength(1500);
    expect(first.deliveries.map(({ dueAtMs }) => dueAtMs)).toEqual(
      first.deliveries.map((_, index) => 9000 + index),
    );
    const second = await redeliver(first.after);
    expect(second.deliveries).toHaveLength(700);
    expect(second.after).toBeNull();
    const again = [...first.deliveries, ...second.deliveries].map(({ createdAtMs }) => createdAtMs);
    expect(again).toEqual(Array.from({ length: 2200 }, (_, index) => 10 + index));
    expect(stores.deliveries.countByState()).toMatchObject({ pending: 2200, dead: 301, delivered: 1 });
  });

  it('has what is held of a sequence go to its new URL, and leaves the rest where it is', async () => {
    const held = (id: string, change: Partial<Delivery> = {}) => dead(id, 1, { state: 'held', ...change });
    await add(
      held('d1'),
      held('mail', { channel: 'email' }),
      held('other', { sequenceId: 'seq-2' }),
      dead('d2', 1),
    );
    const moved = await stores.deliveries.readdress('acme', 'seq-1', 'https://new.example.com/', 6000);
    expect(moved.map(({ id }) => id)).toEqual(['d1']);
    const lane = stores.deliveries.laneOf(moved[0]!);
    expect(stores.deliveries.lanes()).toEqual([{ lane, dueAtMs: 6000 }]);
    expect(stores.deliveries.countByState()).toMatchObject({ held: 2, retrying: 1, dead: 1 });
  });
});

/** The place of the entry before the given one, where there is that one. */
function placeOf(sorted: readonly Delivery[], index: number) {
  const last = sorted[index - 1];
  return last === undefined || sorted.length <= index ? null : { time: last.createdAtMs, id: last.id };
}

describe('reading deliveries', () => {
  it('shows an OU nothing of another', async () => {
    await add(aDelivery({ id: 'theirs', ou: 'other' }));
    expect(stores.deliveries.delivery('acme', 'theirs')).toBeUndefined();
    expect(stores.deliveries.listDeliveries('acme', { page: 1, limit: 10 })).toEqual({
      deliveries: [],
      total: 0,
      next: null,
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
          const attempt = failed(after.attemptsMade);
          await stores.deliveries.recordAttempts([{ delivery: after, attempt }]);
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
          next: placeOf(expected, first + filters.limit),
        });
        const due = totals.pending + totals.retrying;
        expect(stores.environment.table('delivery_queue').getKeysCount()).toBe(due);
        expect(stores.environment.table('delivery_hold').getKeysCount()).toBe(totals.held);
      }),
      // The totals run over all cases, so a case that fails cannot be made smaller.
      { numRuns: 60, endOnFailure: true },
    );
  });
});
