import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DELIVERY_STATES, type Delivery } from '../../../src/model/delivery.ts';
import type { Fire } from '../../../src/model/fire.ts';
import { buildCounts } from '../../../src/store/buildCounts.ts';
import { filterPrefix as deliveryPrefix } from '../../../src/store/deliveryRows.ts';
import { filterPrefix } from '../../../src/store/fireRows.ts';
import { DEFAULT_STEP_LIMITS, HistoryStore } from '../../../src/store/history.ts';
import type { ListPlace } from '../../../src/store/pages.ts';
import { ALL_TIMES } from '../../../src/store/rangeCounts.ts';
import { StateStore } from '../../../src/store/states.ts';
import { aDataDir, aDelivery, aFire, openStores, type Stores } from '../../support/outbox.ts';

const HOUR_MICROS = 3_600_000_000;
const RUNNING = new AbortController().signal;
const OUS = ['acme', 'acme2'];
const SEQUENCES = ['seq-1', 'seq-10'];

let dir: ReturnType<typeof aDataDir>;
let stores: Stores;

/** Work on a new store, without counts, whose checkpoint lets every fire be removed. */
async function inNewStore(work: () => Promise<void>): Promise<void> {
  dir = aDataDir();
  stores = openStores(dir.path);
  const stream = { name: 'EVENTS', created: 'then', sequence: 100 };
  const mark = { ...stream, messageArrivalMicros: null, messageDigest: null };
  const checkpoint = { position: 100, clockMicros: 5, silentBefore: [], changes: 0, stream: mark };
  try {
    await new StateStore(stores.environment).putCheckpoint(checkpoint, checkpoint);
    await work();
  } finally {
    await stores.environment.close();
    dir.remove();
  }
}

const allCounts = () => [stores.fires.rows.counts, stores.deliveries.rows.indexCounts];
const isComplete = () => allCounts().every((counts) => counts.isComplete);

const keysIn = (table: string) => [...stores.environment.table(table).getKeys()];

/** Removes what is older, as the keeper of the history does. */
async function removeOlder(untilMs: number): Promise<void> {
  const limits = { ...DEFAULT_STEP_LIMITS, lookedAtMax: 3, durationMsMax: Number.POSITIVE_INFINITY };
  const states = new StateStore(stores.environment);
  const history = new HistoryStore(stores.environment, { ...stores, states }, limits);
  let place = (await history.removeStep(null, untilMs)).next;
  while (place !== null) place = (await history.removeStep(place, untilMs)).next;
}

/** On both sides of hours and days, before the epoch and after it. */
const times = fc
  .tuple(
    fc.constantFrom(-25, -24, -1, 0, 1, 23, 24, 24, 24, 24, 25, 49),
    fc.constantFrom(-1, 0, 1, 1_800_000_000),
  )
  .map(([hours, micros]) => hours * HOUR_MICROS + micros);
const fires = fc.record({
  id: fc.integer({ min: 0, max: 40 }).map((number) => `fire-${number}`),
  ou: fc.constantFrom(...OUS),
  sequenceId: fc.constantFrom(...SEQUENCES),
  leadId: fc.constantFrom('ada', 'grace'),
  firedAtMicros: times,
  isSample: fc.constantFrom(false, false, false, true),
});
const states = fc.constantFrom(...DELIVERY_STATES);
const steps = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('commit'), fires: fc.array(fires), state: states }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('refused'), fires: fc.array(fires) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('move'), target: fc.nat(), state: states }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove'), until: times }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('build'), hours: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('buildAll') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart') }) },
);
type Step = typeof steps extends fc.Arbitrary<infer T> ? T : never;

function entryOf(parts: Partial<Fire>, state: Delivery['state']) {
  const fire = aFire(parts);
  const { id: fireId, ou, sequenceId, firedAtMicros } = fire;
  const createdAtMs = Math.floor(firedAtMicros / 1000);
  const delivery = aDelivery({ id: `del-${fireId}`, fireId, ou, sequenceId, state, createdAtMs });
  return { fire, deliveries: [{ ...delivery, dueAtMs: null, updatedAtMs: createdAtMs }] };
}

/** The library gives a key of one part back as that part. */
function idsIn(table: string): string[] {
  return [...stores.environment.table(table).getKeys()].flat().map(String);
}

async function take(step: Step): Promise<void> {
  const { fires, deliveries, environment } = stores;
  switch (step.kind) {
    case 'commit':
      await fires.commitFires(step.fires.map((parts) => entryOf(parts, step.state))).flushed;
      return;
    case 'refused': {
      const tooLong = entryOf({ id: 'fire-long', ou: 'o'.repeat(3000) }, 'dead');
      const entries = [...step.fires.map((parts) => entryOf(parts, 'dead')), tooLong];
      await expect(fires.commitFires(entries).committed).rejects.toThrow();
      return;
    }
    case 'move': {
      const ids = idsIn('deliveries');
      if (ids.length === 0) return;
      const before = deliveries.rows.read(ids[step.target % ids.length]!)!;
      const delivery = { ...before, state: step.state };
      const attempt = { number: 1, startedAtMs: 1, durationMs: 1, error: null, response: null };
      await deliveries.recordAttempts([
        { delivery, attempt: { ...attempt, outcome: 'failed', status: 500 } },
      ]);
      return;
    }
    case 'remove':
      await removeOlder(step.until / 1000);
      return;
    case 'build':
      for (const counts of allCounts()) {
        if (!counts.isComplete) await environment.write(() => counts.buildStep(step.hours));
      }
      return;
    case 'buildAll':
      await buildCounts(environment, allCounts(), RUNNING);
      return;
    case 'restart':
      await environment.close();
      stores = openStores(dir.path);
  }
}

/** First and last microsecond; they begin and end within hours and between them. */
const RANGES: readonly (readonly [number | undefined, number | undefined])[] = [
  [undefined, undefined],
  [-1, undefined],
  [undefined, 24.5 * HOUR_MICROS],
  [-24 * HOUR_MICROS, 0],
  [-1, 24.5 * HOUR_MICROS],
  [0, -1],
];

/** Every filter and several ranges and pages, against what the rows say one by one. */
function expectRight(): void {
  const { fires, deliveries } = stores;
  const rows = idsIn('fires').map((id) => fires.rows.read(id)!.fire);
  const optional = <T>(values: readonly T[]) => [undefined, ...values];
  for (const ou of OUS) {
    for (const sequenceId of optional(SEQUENCES)) {
      for (const leadId of optional(['ada'])) {
        for (const [fromMicros, toMicros] of RANGES) {
          const expected = rows
            .filter((fire) => fire.ou === ou && !fire.isSample)
            .filter((fire) => sequenceId === undefined || fire.sequenceId === sequenceId)
            .filter((fire) => leadId === undefined || fire.leadId === leadId)
            .filter(({ firedAtMicros }) => fromMicros === undefined || firedAtMicros >= fromMicros)
            .filter(({ firedAtMicros }) => toMicros === undefined || firedAtMicros <= toMicros)
            .sort((one, two) => two.firedAtMicros - one.firedAtMicros || (one.id < two.id ? 1 : -1))
            .map(({ id }) => id);
          const filters = { sequenceId, leadId, fromMicros, toMicros };
          for (const page of [1, 2, 3, 9]) {
            const { fires: listed, total } = fires.listFires(ou, { ...filters, page, limit: 2 });
            const ids = listed.map(({ id }) => id);
            expect({ filters, page, total, ids }).toEqual({
              filters,
              page,
              total: expected.length,
              ids: expected.slice((page - 1) * 2, page * 2),
            });
          }
        }
      }
      for (const status of optional(DELIVERY_STATES)) {
        const prefix = deliveryPrefix(ou, sequenceId, status);
        const ids = [...deliveries.rows.index.getKeys({ start: prefix, end: [...prefix, ALL_TIMES.end] })]
          .map((key) => String(key.at(-1)))
          .reverse();
        const { total, deliveries: listed } = deliveries.listDeliveries(ou, {
          sequenceId,
          status,
          page: 2,
          limit: 2,
        });
        expect({ status, total, listed: listed.map(({ id }) => id) }).toEqual({
          status,
          total: ids.length,
          listed: ids.slice(2, 4),
        });
      }
    }
  }
}

describe('the totals of lists', () => {
  it('are what counting gives, after any commits, changes, removals and restarts, before and while counts are built', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { maxLength: 12 }), (script) =>
        inNewStore(async () => {
          for (const step of script) await take(step);
          expectRight();
          await take({ kind: 'buildAll' });
          expect(isComplete()).toBe(true);
          expectRight();
        }),
      ),
      { numRuns: 40 },
    );
  }, 120_000);

  it('are added up from the counts once those are built, and come from the entries before', () =>
    inNewStore(async () => {
      const { fires, deliveries, environment } = stores;
      await fires.commitFires([entryOf({ id: 'fire-1' }, 'dead')]).flushed;
      // Entries beside the counts show which of the two is asked.
      const stray = aFire().firedAtMicros - 2 * HOUR_MICROS;
      for (const prefix of [
        filterPrefix('acme', undefined, undefined),
        filterPrefix('acme', 'seq-1', undefined),
      ]) {
        await environment.table('fire_index').put([...prefix, stray, 'stray'], Buffer.from([1]));
      }
      const total = (query: object) => fires.listFires('acme', { ...query, page: 1, limit: 1 }).total;
      const counted = () => [total({}), total({ sequenceId: 'seq-1' }), total({ leadId: 'lead-1' })];
      expect(counted()).toEqual([2, 2, 1]);
      await environment.write(() => fires.rows.counts.buildStep(1));
      await environment
        .table('fire_index')
        .remove([...filterPrefix('acme', undefined, undefined), stray, 'stray']);
      expect(counted()).toEqual([1, 2, 1]);
      await take({ kind: 'buildAll' });
      await environment
        .table('fire_index')
        .remove([...filterPrefix('acme', 'seq-1', undefined), stray, 'stray']);
      expect(counted()).toEqual([2, 2, 1]);
      // What lies within an hour that the range cuts is looked at entry by entry.
      expect(total({ fromMicros: stray })).toBe(1);
      expect(deliveries.listDeliveries('acme', { page: 1, limit: 1 }).total).toBe(1);
    }));

  it('are counted in steps that can be broken off, and go on where they were after a restart', () =>
    inNewStore(async () => {
      const parts = [0, 1, 2].map((n) => ({ id: `fire-${n}`, firedAtMicros: n * HOUR_MICROS }));
      await stores.fires.commitFires(parts.map((each) => entryOf(each, 'dead'))).flushed;
      await buildCounts(stores.environment, allCounts(), AbortSignal.abort());
      expect(keysIn('fire_counts')).toEqual([]);
      await take({ kind: 'build', hours: 2 });
      await take({ kind: 'restart' });
      expect(isComplete()).toBe(false);
      const counted = stores.environment.table('fire_counts').get(['acme', 'all', 0]);
      await stores.environment.table('fire_index').remove(['acme', 'all', 0, 'fire-0']);
      await take({ kind: 'buildAll' });
      // The first hour was not looked at again, and the third was.
      expect(counted).toBeDefined();
      expect(stores.fires.listFires('acme', { page: 1, limit: 1 }).total).toBe(3);
    }));

  it('count a fire once that arrives in the hour at which building goes on', () =>
    inNewStore(async () => {
      const commitAt = (hour: number) => {
        const parts = { id: `fire-${hour}`, firedAtMicros: hour * HOUR_MICROS };
        return stores.fires.commitFires([entryOf(parts, 'dead')]).flushed;
      };
      await commitAt(0);
      await take({ kind: 'build', hours: 1 });
      await commitAt(1);
      await take({ kind: 'buildAll' });
      expect(stores.fires.listFires('acme', { page: 1, limit: 1 }).total).toBe(2);
    }));

  it('take no room for days of which everything was removed', () =>
    inNewStore(async () => {
      await take({ kind: 'buildAll' });
      await stores.fires.commitFires([entryOf({ id: 'fire-1' }, 'dead')]).flushed;
      expect(keysIn('fire_counts')).toHaveLength(2);
      expect(keysIn('delivery_index_counts')).toHaveLength(3);
      await removeOlder(Number.MAX_SAFE_INTEGER / 1000);
      expect([...keysIn('fire_counts'), ...keysIn('delivery_index_counts')]).toEqual([]);
    }));
});

describe('a walk by places', () => {
  it('meets everything that stood at its beginning and stays once, whatever comes and goes', async () => {
    const walk = fc.record({
      before: fc.array(fires, { minLength: 1 }),
      // After each page.
      meanwhile: fc.array(fc.record({ fires: fc.array(fires, { maxLength: 5 }), until: fc.option(times) })),
      limit: fc.integer({ min: 1, max: 5 }),
      isBuilt: fc.boolean(),
      filters: fc.record({
        sequenceId: fc.option(fc.constantFrom(...SEQUENCES), { nil: undefined }),
        leadId: fc.option(fc.constant('ada'), { nil: undefined }),
        toMicros: fc.option(times, { nil: undefined }),
      }),
    });
    await fc.assert(
      fc.asyncProperty(walk, ({ before, meanwhile, limit, isBuilt, filters }) =>
        inNewStore(async () => {
          if (isBuilt) await take({ kind: 'buildAll' });
          await take({ kind: 'commit', fires: before, state: 'dead' });
          const everything = () =>
            stores.fires.listFires('acme', { ...filters, page: 1, limit: 1000 }).fires.map(({ id }) => id);
          const stood = everything();
          const ever = new Set(before.map(({ id }) => id));
          // A fire that was removed does not come back: what a replay could derive again is kept.
          const isReturning = ({ id }: { readonly id: string }) =>
            ever.has(id) && !OUS.some((ou) => stores.fires.fire(ou, id) !== undefined);
          const met: string[] = [];
          let after: ListPlace | null = null;
          let turn = 0;
          do {
            const page: ReturnType<Stores['fires']['readFires']> = stores.fires.readFires(
              'acme',
              filters,
              after,
              limit,
            );
            met.push(...page.fires.map(({ fire }) => fire.id));
            after = page.next;
            const { fires: arriving = [], until = null } = meanwhile[turn] ?? {};
            const coming = arriving.filter((fire) => !isReturning(fire));
            for (const { id } of coming) ever.add(id);
            await take({ kind: 'commit', fires: coming, state: 'dead' });
            if (until !== null) await removeOlder(until / 1000);
            turn += 1;
          } while (after !== null);
          expect(new Set(met).size).toBe(met.length);
          const stayed = new Set(everything());
          expect(stood.filter((id) => stayed.has(id) && !met.includes(id))).toEqual([]);
        }),
      ),
      { numRuns: 40 },
    );
  }, 120_000);

  it('stays within the range that is asked for, wherever the place is from', () =>
    inNewStore(async () => {
      const parts = [1, 2, 3].map((n) => ({ id: `fire-${n}`, ou: 'acme', firedAtMicros: n }));
      await take({ kind: 'buildAll' });
      await stores.fires.commitFires(parts.map((each) => entryOf(each, 'dead'))).flushed;
      const idsBehind = (time: number, filters: object) =>
        stores.fires
          .readFires('acme', filters, { time, id: `fire-${time}` }, 10)
          .fires.map(({ fire }) => fire.id);
      expect(idsBehind(3, { toMicros: 1 })).toEqual(['fire-1']);
      expect(idsBehind(3, { toMicros: 2, fromMicros: 2 })).toEqual(['fire-2']);
      expect(idsBehind(2, { toMicros: 2 })).toEqual(['fire-1']);
      expect(idsBehind(2, { fromMicros: 2 })).toEqual([]);
      expect(idsBehind(1, { fromMicros: 2 })).toEqual([]);
    }));
});
