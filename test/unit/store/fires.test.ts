import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Fire } from '../../../src/model/fire.ts';
import { HistoryStore } from '../../../src/store/history.ts';
import { StateStore } from '../../../src/store/states.ts';
import {
  aDataDir,
  aDelivery,
  aFire,
  aMilestone,
  aMilestoneFire,
  openStores,
  type Stores,
} from '../../support/outbox.ts';

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

const entry = (id: string, change: Partial<Fire> = {}) => ({
  fire: aFire({ id, ...change }),
  deliveries: [aDelivery({ id: `del-${id}`, fireId: id, ou: change.ou ?? 'acme' })],
});

/** The place of the entry before the given one, where there is that one. */
function placeOf(sorted: readonly Fire[], index: number) {
  const last = sorted[index - 1];
  return last === undefined || sorted.length <= index ? null : { time: last.firedAtMicros, id: last.id };
}

/** What is due at any time in the lane of the usual delivery. */
function dueRows() {
  const { deliveries } = stores;
  return deliveries.due(deliveries.laneOf(aDelivery()), Number.MAX_SAFE_INTEGER, new Set(), 10).rows;
}

function reach(sequence: number) {
  const stream = { name: 'EVENTS', created: 'then', sequence };
  return { position: sequence, stream: { ...stream, messageArrivalMicros: null, messageDigest: null } };
}

describe('committing fires', () => {
  it('stores fire and deliveries together, and tells which deliveries are new', async () => {
    const { committed, flushed } = stores.fires.commitFires([entry('fire-1')]);
    await committed;
    expect(stores.fires.fire('acme', 'fire-1')).toEqual(aFire({ id: 'fire-1' }));
    expect(stores.fires.deliveriesOf('acme', 'fire-1')).toEqual(entry('fire-1').deliveries);
    expect(await flushed).toEqual(entry('fire-1').deliveries);
  });

  it('that cannot be written fails the store before a lead state that was asked for behind it', async () => {
    const states = new StateStore(stores.environment);
    const fire = aFire({ id: 'fire-1' });
    Object.defineProperty(fire, 'events', {
      get: () => {
        throw new Error('a defect');
      },
    });
    const { committed, flushed } = stores.fires.commitFires([{ fire, deliveries: [] }], reach(1));
    const rows = [{ ou: 'acme', leadId: 'ada', state: Uint8Array.of(1) }];
    const failed = [committed, flushed, states.putLeads(rows, reach(1))].map((write) =>
      expect(write).rejects.toThrow('a defect'),
    );
    await Promise.all(failed);
    expect([...states.leadsBehind(null)]).toEqual([]);
    expect(states.highWater()).toBeNull();
  });

  it('notes with them how far into the stream they reach, which never goes back', async () => {
    await stores.fires.commitFires([entry('fire-1')], reach(30)).flushed;
    await stores.fires.commitFires([entry('fire-2')], reach(25)).flushed;
    expect(new StateStore(stores.environment).highWater()).toEqual(reach(30));
  });

  it('skips a fire that stands already, in the same call, in the same turn and later', async () => {
    const twice = stores.fires.commitFires([entry('fire-1'), entry('fire-1')]);
    const sameTurn = stores.fires.commitFires([entry('fire-1'), entry('fire-2')]);
    expect((await twice.flushed).map(({ id }) => id)).toEqual(['del-fire-1']);
    expect((await sameTurn.flushed).map(({ id }) => id)).toEqual(['del-fire-2']);
    const [picked] = dueRows();
    if (picked?.kind !== 'delivery') throw new Error('nothing is due');
    const { delivery } = picked;
    const attempt = { number: 1, startedAtMs: 1, durationMs: 1, error: null, response: null };
    const done = { ...delivery, state: 'delivered', dueAtMs: null, attemptsMade: 1 } as const;
    const success = { ...attempt, outcome: 'delivered', status: 200 } as const;
    await stores.deliveries.recordAttempts([{ delivery: done, attempt: success }]);

    expect(await stores.fires.commitFires([entry('fire-1'), entry('fire-2')]).flushed).toEqual([]);
    expect(stores.fires.listFires('acme', { page: 1, limit: 10 }).total).toBe(2);
    expect(stores.deliveries.countByState()).toMatchObject({ pending: 1, delivered: 1 });
    expect(stores.deliveries.delivery('acme', delivery.id)?.delivery).toEqual(done);
  });

  it('stores nothing of a call in which anything fails', async () => {
    const tooLong = entry('fire-2', { ou: 'o'.repeat(3000) });
    const { committed, flushed } = stores.fires.commitFires([entry('fire-1'), tooLong]);
    await expect(committed).rejects.toThrow();
    await expect(flushed).rejects.toThrow();
    expect(stores.fires.fire('acme', 'fire-1')).toBeUndefined();
    expect(stores.fires.listFires('acme', { page: 1, limit: 10 }).total).toBe(0);
    expect(stores.deliveries.lanes()).toEqual([]);
    expect(stores.deliveries.countByState().pending).toBe(0);
  });

  it('lets nothing be picked before it is on disk', async () => {
    const flush: { release: () => void } = { release: () => {} };
    const gate = new Promise<void>((resolve) => {
      flush.release = resolve;
    });
    await stores.environment.close();
    stores = openStores(dir.path, (environment) => ({ ...environment, flushed: () => gate }));
    const { committed, flushed } = stores.fires.commitFires([entry('fire-1')]);
    await committed;
    expect(stores.deliveries.lanes()).toHaveLength(1);
    expect(dueRows()).toEqual([]);
    flush.release();
    await flushed;
    expect(dueRows()).toMatchObject([{ kind: 'delivery' }]);
  });

  it('does not hide a delivery that is on disk when its fire is committed again', async () => {
    await stores.fires.commitFires([entry('fire-1')]).flushed;
    const replay = stores.fires.commitFires([entry('fire-1')]);
    expect(dueRows()).toMatchObject([{ kind: 'delivery' }]);
    await replay.committed;
    expect(dueRows()).toMatchObject([{ kind: 'delivery' }]);
    await replay.flushed;
  });
});

describe('reading fires', () => {
  it('shows an OU nothing of another', async () => {
    await stores.fires.commitFires([entry('fire-1'), entry('fire-2', { ou: 'other' })]).flushed;
    expect(stores.fires.fire('other', 'fire-1')).toBeUndefined();
    expect(stores.fires.deliveriesOf('other', 'fire-1')).toEqual([]);
    expect(stores.fires.listFires('other', { page: 1, limit: 10 }).fires.map(({ id }) => id)).toEqual([
      'fire-2',
    ]);
    expect(stores.fires.listFires('othe', { page: 1, limit: 10 })).toEqual({
      fires: [],
      total: 0,
      next: null,
    });
  });

  it('lists exactly what every combination of filters lets through, newest first, page by page', async () => {
    const ous = fc.constantFrom('acme', 'acme2');
    const leads = fc.constantFrom(
      'lead',
      'lead\u0000',
      'l\u0001',
      '',
      'x'.repeat(256),
      `${'y'.repeat(80)}\u0000z`,
    );
    const sequences = fc.constantFrom('seq-1', 'seq-2');
    const times = fc.integer({ min: -3, max: 3 });
    const fireParts = fc.tuple(ous, leads, sequences, times);
    const maybe = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined });
    const query = fc.record({
      sequenceId: maybe(sequences),
      leadId: maybe(leads),
      fromMicros: maybe(times),
      toMicros: maybe(times),
      page: fc.integer({ min: 1, max: 3 }),
      limit: fc.integer({ min: 1, max: 4 }),
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fireParts, { maxLength: 12 }), ous, query, async (parts, ou, filters) => {
        run += 1;
        const fires = parts.map(([fireOu, leadId, sequenceId, firedAtMicros], index) =>
          aFire({ id: `fire-${run}-${index}`, ou: `${fireOu}-${run}`, leadId, sequenceId, firedAtMicros }),
        );
        await stores.fires.commitFires(fires.map((fire) => ({ fire, deliveries: [] }))).committed;
        const expected = fires
          .filter((fire) => fire.ou === `${ou}-${run}`)
          .filter((fire) => filters.sequenceId === undefined || fire.sequenceId === filters.sequenceId)
          .filter((fire) => filters.leadId === undefined || fire.leadId === filters.leadId)
          .filter((fire) => fire.firedAtMicros >= (filters.fromMicros ?? -9))
          .filter((fire) => fire.firedAtMicros <= (filters.toMicros ?? 9))
          .sort((one, two) => two.firedAtMicros - one.firedAtMicros || (one.id < two.id ? 1 : -1));
        const first = (filters.page - 1) * filters.limit;
        expect(stores.fires.listFires(`${ou}-${run}`, filters)).toEqual({
          fires: expected.slice(first, first + filters.limit),
          total: expected.length,
          next: placeOf(expected, first + filters.limit),
        });
      }),
      { numRuns: 200 },
    );
  });
});

describe('fires of milestone triggers', () => {
  const crossing = (id: string, change: Partial<Fire> = {}) => ({
    fire: aMilestoneFire({ id, ...change }),
    deliveries: [aDelivery({ id: `del-${id}`, fireId: id, sequenceId: change.sequenceId ?? 'trg-1' })],
  });
  const idsOf = (query: Partial<Parameters<Stores['fires']['listFires']>[1]>) => {
    const { fires, total } = stores.fires.listFires('acme', { page: 1, limit: 10, ...query });
    expect(total).toBe(fires.length);
    return fires.map(({ id }) => id);
  };

  it('are stored whole, and listed apart from those of sequences by the same filters', async () => {
    await stores.fires.commitFires([
      entry('fire-s'),
      crossing('fire-1', { firedAtMicros: 1 }),
      crossing('fire-2', { firedAtMicros: 2, leadId: 'ada' }),
      crossing('fire-3', { firedAtMicros: 3, sequenceId: 'trg-2' }),
      crossing('fire-x', { isSample: true }),
    ]).flushed;
    expect(stores.fires.fire('acme', 'fire-1')).toEqual(aMilestoneFire({ id: 'fire-1', firedAtMicros: 1 }));
    expect(stores.fires.fire('other', 'fire-1')).toBeUndefined();
    expect(idsOf({})).toEqual(['fire-s']);
    expect(idsOf({ kind: 'milestone' })).toEqual(['fire-3', 'fire-2', 'fire-1']);
    expect(idsOf({ kind: 'milestone', sequenceId: 'trg-1' })).toEqual(['fire-2', 'fire-1']);
    expect(idsOf({ kind: 'milestone', leadId: 'ada' })).toEqual(['fire-2']);
    expect(idsOf({ kind: 'milestone', fromMicros: 2, toMicros: 2 })).toEqual(['fire-2']);
    expect(idsOf({ sequenceId: 'trg-1' })).toEqual([]);
    expect(stores.deliveries.listDeliveries('acme', { page: 1, limit: 10 }).total).toBe(5);
  });

  it('go with the history as others do, and keep their deleted trigger until then', async () => {
    const old = { streamSequence: 1, firedAtMicros: 5_000 };
    const unsent = aMilestoneFire({ id: 'fire-2', sequenceId: 'trg-2', ...old });
    await stores.fires.commitFires([crossing('fire-1', old), { fire: unsent, deliveries: [] }]).flushed;
    const states = new StateStore(stores.environment);
    const history = new HistoryStore(stores.environment, { ...stores, states });
    for (const milestone of [aMilestone(), aMilestone({ id: 'trg-2' })]) {
      await states.recordChange({ position: 0, before: null, after: milestone }, null);
      await states.recordChange({ position: 0, before: milestone, after: null }, null);
    }
    const stream = {
      name: 'EVENTS',
      created: 'then',
      sequence: 9,
      messageArrivalMicros: 9,
      messageDigest: '',
    };
    const checkpoint = { position: 9, clockMicros: 9, silentBefore: [], changes: 4, stream };
    await states.putCheckpoint(checkpoint, checkpoint);
    expect(history.oldestFireMs()).toBe(5);
    expect((await history.removeSequencesStep(null)).removed).toBe(0);
    expect(states.triggerOf('acme', 'trg-1')).toEqual(aMilestone());

    const [delivery] = stores.deliveries.listDeliveries('acme', { page: 1, limit: 10 }).deliveries;
    await stores.deliveries.giveUp(stores.deliveries.laneOf(delivery!), 10_000, new Set(), 'old', 10);
    const { removed } = await history.removeStep(null, 10_000);
    expect(removed).toEqual({ fires: 2, deliveries: 1, attempts: 0 });
    expect(idsOf({ kind: 'milestone' })).toEqual([]);
    expect((await history.removeSequencesStep(null)).removed).toBe(2);
    expect(states.triggerOf('acme', 'trg-1')).toBeUndefined();
  });
});
