import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type Attempt,
  DELIVERY_STATES,
  type Delivery,
  type DeliveryState,
} from '../../../src/model/delivery.ts';
import type { Fire } from '../../../src/model/fire.ts';
import { DEFAULT_STEP_LIMITS, HistoryStore, type StepLimits } from '../../../src/store/history.ts';
import { StateStore } from '../../../src/store/states.ts';
import { aDataDir, aDelivery, aFire, aSequence, openStores } from '../../support/outbox.ts';

/** A time so late that everything in these tests is older. */
const LATER_MS = 10_000;

const FINAL_STATES: readonly DeliveryState[] = ['delivered', 'dead', 'skipped_stale'];
const UNLIMITED: StepLimits = { ...DEFAULT_STEP_LIMITS, durationMsMax: Number.POSITIVE_INFINITY };

function openHistory(path: string, limits: StepLimits = UNLIMITED) {
  const stores = openStores(path);
  const states = new StateStore(stores.environment);
  return { ...stores, states, history: new HistoryStore(stores.environment, { ...stores, states }, limits) };
}

type Opened = ReturnType<typeof openHistory>;

let dir: ReturnType<typeof aDataDir>;
let store: Opened;

beforeEach(async () => {
  dir = aDataDir();
  store = openHistory(dir.path);
  await checkpointAt(store, 100);
});

afterEach(async () => {
  await store.environment.close();
  dir.remove();
});

async function checkpointAt({ states }: Opened, position: number): Promise<void> {
  const stream = { name: 'EVENTS', created: 'then', sequence: position };
  const mark = { ...stream, messageArrivalMicros: null, messageDigest: null };
  const clock = { clockMicros: 5_000_000, silentBefore: [] };
  const checkpoint = { position, ...clock, changes: states.changeCount(), stream: mark };
  await states.putCheckpoint(checkpoint, checkpoint);
}

/** Walks to the end; gives back every step that was taken. */
async function removeOld({ history }: Opened, untilMs = LATER_MS) {
  const steps = [await history.removeStep(null, untilMs)];
  for (let next = steps[0]!.next; next !== null; next = steps.at(-1)!.next) {
    steps.push(await history.removeStep(next, untilMs));
  }
  return steps;
}

/** A fire that arrived one second after the epoch, with a delivery in each of the given states. */
function entry(id: string, states: readonly DeliveryState[] = ['delivered'], change: Partial<Fire> = {}) {
  const fire = aFire({ id, firedAtMicros: 1_000_000, ...change });
  const { ou, sequenceId } = fire;
  const deliveries = states.map((state, index) =>
    aDelivery({ id: `del-${id}-${index}`, fireId: id, ou, sequenceId, ...inState(state) }),
  );
  return { fire, deliveries };
}

function inState(state: DeliveryState): Pick<Delivery, 'state' | 'dueAtMs'> {
  return { state, dueAtMs: state === 'pending' || state === 'retrying' ? 50 : null };
}

const attempt = (number: number): Attempt => ({
  number,
  startedAtMs: 1000,
  durationMs: 1,
  outcome: 'failed',
  status: 500,
  error: null,
  response: null,
});

const firesLeft = ({ fires }: Opened, ou = 'acme') =>
  fires
    .listFires(ou, { page: 1, limit: 100 })
    .fires.map(({ id }) => id)
    .sort();

describe('a fire is removed', () => {
  it.each(FINAL_STATES)(
    'with its deliveries and attempts when all that was to be sent is %s',
    async (state) => {
      await store.fires.commitFires([entry('fire-1', [state, 'delivered'])]).flushed;
      await store.deliveries.recordAttempts([
        { delivery: aDelivery({ id: 'del-fire-1-0', ...inState(state) }), attempt: attempt(1) },
      ]);
      const [step] = await removeOld(store);
      expect(step).toMatchObject({ removed: { fires: 1, deliveries: 2, attempts: 1 }, kept: 0, next: null });
      expect(firesLeft(store)).toEqual([]);
      expect(store.deliveries.delivery('acme', 'del-fire-1-0')).toBeUndefined();
      expect(keysOf(store, 'delivery_attempts')).toEqual([]);
    },
  );

  it('when nothing was to be sent', async () => {
    await store.fires.commitFires([entry('fire-1', [])]).flushed;
    await removeOld(store);
    expect(firesLeft(store)).toEqual([]);
  });

  it('not before the given time: neither by its arrival nor by the end of its last delivery', async () => {
    const young = entry('young', [], { firedAtMicros: 3_000_000 });
    const finishedLate = entry('finished-late');
    finishedLate.deliveries[0] = { ...finishedLate.deliveries[0]!, updatedAtMs: 3000 };
    await store.fires.commitFires([entry('old'), young, finishedLate]).flushed;
    await removeOld(store, 3000);
    expect(firesLeft(store)).toEqual(['finished-late', 'young']);
    await removeOld(store, 3001);
    expect(firesLeft(store)).toEqual([]);
  });

  it.each(DELIVERY_STATES.filter((state) => !FINAL_STATES.includes(state)))(
    'not while any of its deliveries is %s',
    async (state) => {
      await store.fires.commitFires([entry('fire-1', ['delivered', state])]).flushed;
      expect(await removeOld(store)).toMatchObject([{ removed: { fires: 0, deliveries: 0 }, kept: 1 }]);
      expect(store.deliveries.countByState()).toMatchObject({ delivered: 1, [state]: 1 });
    },
  );

  it('not while a replay from the checkpoint on disk could derive it again, so that none is sent twice', async () => {
    const entries = [100, 101].map((streamSequence) =>
      entry(`fire-${streamSequence}`, ['delivered'], { streamSequence }),
    );
    await store.fires.commitFires(entries).flushed;
    await removeOld(store);
    expect(firesLeft(store)).toEqual(['fire-101']);
    expect(await store.fires.commitFires([entries[1]!]).flushed).toEqual([]);
    await checkpointAt(store, 101);
    await removeOld(store);
    expect(firesLeft(store)).toEqual([]);
  });

  it('not before there is a checkpoint', async () => {
    await store.environment.table('meta').remove(['checkpoint']);
    await store.fires.commitFires([entry('fire-1')]).flushed;
    await removeOld(store);
    expect(firesLeft(store)).toEqual(['fire-1']);
    expect(store.history.arrivalClockMs()).toBeNull();
  });

  it('not when its row or one of its deliveries cannot be read, which keeps no other from going', async () => {
    await store.fires.commitFires([entry('bad-fire'), entry('bad-delivery'), entry('fire-1')]).flushed;
    await store.environment.table('fires').put(['bad-fire'], Buffer.from([250]));
    await store.environment.table('deliveries').put(['del-bad-delivery-0'], Buffer.from([250]));
    expect(await removeOld(store)).toMatchObject([{ removed: { fires: 1 }, kept: 2 }]);
    expect(store.fires.rows.isStored('bad-fire')).toBe(true);
    expect(store.fires.rows.isStored('bad-delivery')).toBe(true);
  });
});

describe('a step', () => {
  it('ends after so many fires looked at, and the next one begins behind them, OU after OU', async () => {
    const ous = ['a', 'a', 'a', 'b', 'c', 'c'];
    const entries = ous.map((ou, index) => entry(`fire-${index}`, index === 1 ? ['held'] : [], { ou }));
    await store.fires.commitFires(entries).flushed;
    const history = new HistoryStore(store.environment, store, { ...UNLIMITED, lookedAtMax: 2 });
    const steps = await removeOld({ ...store, history });
    expect(steps.map(({ removed, kept }) => [removed.fires, kept])).toEqual([
      [1, 1],
      [1, 0],
      [1, 0],
      [2, 0],
      [0, 0],
    ]);
    expect(firesLeft(store, 'a')).toEqual(['fire-1']);
  });

  it('ends with the fire at which it has removed so many rows', async () => {
    const entries = Array.from({ length: 5 }, (_, index) => entry(`fire-${index}`, ['delivered', 'dead']));
    await store.fires.commitFires(entries).flushed;
    const history = new HistoryStore(store.environment, store, { ...UNLIMITED, rowsRemovedMax: 5 });
    const steps = await removeOld({ ...store, history });
    expect(steps.map(({ removed }) => removed.fires)).toEqual([2, 2, 1]);
  });

  it('ends after the first fire when its time is up', async () => {
    await store.fires.commitFires([entry('fire-1'), entry('fire-2')]).flushed;
    const history = new HistoryStore(store.environment, store, { ...UNLIMITED, durationMsMax: 0 });
    const steps = await removeOld({ ...store, history });
    expect(steps.map(({ removed }) => removed.fires)).toEqual([1, 1]);
  });
});

describe('a deleted sequence', () => {
  const sequence = aSequence({ id: 'seq-gone' });

  async function removeSequences(): Promise<number> {
    let sum = 0;
    let place: Awaited<ReturnType<HistoryStore['removeSequencesStep']>>['next'] = null;
    const history = new HistoryStore(store.environment, store, { ...UNLIMITED, lookedAtMax: 1 });
    do {
      const { removed, next } = await history.removeSequencesStep(place);
      sum += removed;
      place = next;
    } while (place !== null);
    return sum;
  }

  async function deleteSequence(id = 'seq-gone'): Promise<void> {
    const before = { ...sequence, id };
    await store.states.recordChange({ position: 1, before: null, after: before }, null);
    await store.states.recordChange({ position: 2, before, after: null }, null);
  }

  it('is kept as long as a fire is of it, and goes with the last', async () => {
    await deleteSequence();
    await deleteSequence('seq-other');
    await checkpointAt(store, 100);
    await store.fires.commitFires([entry('fire-1', [], { sequenceId: 'seq-gone' })]).flushed;
    expect(await removeSequences()).toBe(1);
    expect(store.states.triggerOf('acme', 'seq-other')).toBeUndefined();
    expect(store.states.triggerOf('acme', 'seq-gone')).toEqual(sequence);
    await removeOld(store);
    expect(await removeSequences()).toBe(1);
    expect(store.states.triggerOf('acme', 'seq-gone')).toBeUndefined();
  });

  it('is kept as long as a delivery is of it', async () => {
    await deleteSequence();
    await checkpointAt(store, 100);
    const { fire, deliveries } = entry('fire-1', ['held']);
    const ofDeleted = deliveries.map((delivery) => ({ ...delivery, sequenceId: 'seq-gone' }));
    await store.fires.commitFires([{ fire, deliveries: ofDeleted }]).flushed;
    expect(await removeSequences()).toBe(0);
  });

  it('is kept until a checkpoint lies behind its deletion, because a replay may fire for it', async () => {
    await deleteSequence();
    expect(await removeSequences()).toBe(0);
    await checkpointAt(store, 100);
    expect(await removeSequences()).toBe(1);
  });
});

describe('the oldest fire', () => {
  it('is that of all OUs', async () => {
    expect(store.history.oldestFireMs()).toBeNull();
    const at = (ou: string, firedAtMicros: number) =>
      entry(`${ou}-${firedAtMicros}`, [], { ou, firedAtMicros });
    await store.fires.commitFires([at('a', 9_000_000), at('b', 7_000_000), at('b', 8_000_000)]).flushed;
    expect(store.history.oldestFireMs()).toBe(7000);
  });
});

describe('the memory of the clock', () => {
  it('outlives a restart', async () => {
    expect(store.history.clockMemory()).toBeNull();
    await store.history.rememberClock({ seenMs: 5, trustedFromMs: 6 });
    await store.environment.close();
    store = openHistory(dir.path);
    expect(store.history.clockMemory()).toEqual({ seenMs: 5, trustedFromMs: 6 });
  });
});

/** The rows of a table, as the text of their keys; the library gives a key of one part back without its list. */
const keysOf = ({ environment }: Opened, table: string) =>
  [...environment.table(table).getKeys()].map((key) => JSON.stringify([key].flat()));

describe('after any fires, attempts, replays and removals', () => {
  const states = fc.constantFrom(...DELIVERY_STATES, ...FINAL_STATES, ...FINAL_STATES);
  const fires = fc.record({
    ou: fc.constantFrom('a', 'a2', 'b'),
    sequenceId: fc.constantFrom('seq-1', 'seq-2'),
    leadId: fc.constantFrom('ada', 'grace'),
    firedAtMs: fc.integer({ min: 0, max: 5 }),
    position: fc.integer({ min: 1, max: 5 }),
    deliveries: fc.array(fc.tuple(states, fc.integer({ min: 0, max: 5 })), { maxLength: 3 }),
  });
  const action = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('fires'), fires: fc.array(fires, { maxLength: 5 }) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('attempt'),
        target: fc.nat(),
        state: states,
        atMs: fc.integer({ min: 0, max: 5 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('replay'), target: fc.nat() }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('removal'),
        // For the most part so that much goes.
        untilMs: fc.oneof(fc.constant(6), fc.integer({ min: 0, max: 6 })),
        checkpoint: fc.oneof(fc.constant(5), fc.integer({ min: 0, max: 5 })),
      }),
    },
  );
  const limits = fc.record({
    lookedAtMax: fc.integer({ min: 1, max: 4 }),
    rowsRemovedMax: fc.integer({ min: 1, max: 6 }),
    durationMsMax: fc.constant(Number.POSITIVE_INFINITY),
  });

  /** A fire as the model holds it, with each delivery and how many attempts are recorded. */
  interface Known {
    readonly fire: Fire;
    readonly deliveries: { row: Delivery; attempts: number }[];
  }

  function expectSame(opened: Opened, model: ReadonlyMap<string, Known>): void {
    const known = [...model.values()];
    const rows = known.flatMap(({ deliveries }) => deliveries);
    for (const ou of ['a', 'a2', 'b']) {
      for (const sequenceId of [undefined, 'seq-1', 'seq-2']) {
        const isListed = (row: { ou: string; sequenceId: string }) =>
          row.ou === ou && (sequenceId === undefined || row.sequenceId === sequenceId);
        for (const leadId of [undefined, 'ada', 'grace']) {
          const { fires: listed, total } = opened.fires.listFires(ou, {
            sequenceId,
            leadId,
            page: 1,
            limit: 99,
          });
          const expected = known
            .map(({ fire }) => fire)
            .filter((fire) => isListed(fire) && (leadId === undefined || fire.leadId === leadId))
            .sort((one, two) => two.firedAtMicros - one.firedAtMicros || (one.id < two.id ? 1 : -1));
          expect({ listed, total }).toEqual({ listed: expected, total: expected.length });
        }
        for (const status of [undefined, ...DELIVERY_STATES]) {
          const query = { sequenceId, status, page: 1, limit: 99 };
          const { deliveries, total } = opened.deliveries.listDeliveries(ou, query);
          const expected = rows
            .map(({ row }) => row)
            .filter((row) => isListed(row) && (status === undefined || row.state === status))
            .sort((one, two) => two.createdAtMs - one.createdAtMs || (one.id < two.id ? 1 : -1));
          expect({ deliveries, total }).toEqual({ deliveries: expected, total: expected.length });
        }
      }
    }
    const inStateCount = (...wanted: DeliveryState[]) =>
      rows.filter(({ row }) => wanted.includes(row.state)).length;
    const counts = Object.fromEntries(DELIVERY_STATES.map((state) => [state, inStateCount(state)]));
    expect(opened.deliveries.countByState()).toEqual(counts);
    // Whatever a table holds beyond these is a row that nothing leads to any more.
    expect(keysOf(opened, 'fires').sort()).toEqual(
      [...model.keys()].map((id) => JSON.stringify([id])).sort(),
    );
    expect(keysOf(opened, 'fire_index')).toHaveLength(4 * known.length);
    expect(keysOf(opened, 'deliveries').sort()).toEqual(
      rows.map(({ row }) => JSON.stringify([row.id])).sort(),
    );
    expect(keysOf(opened, 'delivery_index')).toHaveLength(4 * rows.length);
    expect(keysOf(opened, 'delivery_queue')).toHaveLength(inStateCount('pending', 'retrying'));
    expect(keysOf(opened, 'delivery_hold')).toHaveLength(inStateCount('held'));
    expect(keysOf(opened, 'delivery_attempts').sort()).toEqual(
      rows
        .flatMap(({ row, attempts }) =>
          // The last attempt is in the row of its delivery.
          Array.from({ length: Math.max(0, attempts - 1) }, (_, index) =>
            JSON.stringify([row.id, index + 1]),
          ),
        )
        .sort(),
    );
    for (const { row, attempts } of rows) {
      const numbers = opened.deliveries.delivery(row.ou, row.id)?.attempts.map(({ number }) => number);
      expect(numbers).toEqual(Array.from({ length: attempts }, (_, index) => index + 1));
    }
  }

  it('lists, totals, counters and tables hold what a plain model holds, and no row more', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 16 }), limits, async (actions, stepLimits) => {
        const directory = aDataDir();
        const opened = openHistory(directory.path, stepLimits);
        const model = new Map<string, Known>();
        let made = 0;
        for (const step of actions) {
          if (step.kind === 'fires') {
            const entries = step.fires.map(({ ou, sequenceId, leadId, firedAtMs, position, deliveries }) => {
              made += 1;
              const id = `fire-${made}`;
              const firedAtMicros = firedAtMs * 1000;
              const fire = aFire({ id, ou, sequenceId, leadId, firedAtMicros, streamSequence: position });
              const rows = deliveries.map(([state, updatedAtMs], index) =>
                aDelivery({
                  id: `del-${id}-${index}`,
                  fireId: id,
                  ou,
                  sequenceId,
                  updatedAtMs,
                  ...inState(state),
                }),
              );
              return { fire, deliveries: rows };
            });
            await opened.fires.commitFires(entries).committed;
            for (const { fire, deliveries } of entries) {
              model.set(fire.id, { fire, deliveries: deliveries.map((row) => ({ row, attempts: 0 })) });
            }
          } else if (step.kind === 'attempt') {
            const rows = [...model.values()].flatMap(({ deliveries }) => deliveries);
            const target = rows[step.target % Math.max(1, rows.length)];
            if (target === undefined) continue;
            target.attempts += 1;
            target.row = { ...target.row, ...inState(step.state), updatedAtMs: step.atMs };
            await opened.deliveries.recordAttempts([
              { delivery: target.row, attempt: attempt(target.attempts) },
            ]);
          } else if (step.kind === 'replay') {
            const known = [...model.values()][step.target % Math.max(1, model.size)];
            if (known === undefined) continue;
            const deliveries = known.deliveries.map(({ row }) => row);
            await opened.fires.commitFires([{ fire: known.fire, deliveries }]).committed;
          } else {
            await checkpointAt(opened, step.checkpoint);
            await removeOld(opened, step.untilMs);
            for (const [id, { fire, deliveries }] of model) {
              const isOver = deliveries.every(
                ({ row }) => FINAL_STATES.includes(row.state) && row.updatedAtMs < step.untilMs,
              );
              const isOld = fire.firedAtMicros < step.untilMs * 1000;
              if (isOver && isOld && fire.streamSequence <= step.checkpoint) model.delete(id);
            }
          }
        }
        expectSame(opened, model);
        await opened.environment.close();
        directory.remove();
      }),
      { numRuns: 60 },
    );
    // Each case opens a store of its own, which takes its time on a busy disk.
  }, 120_000);
});
