import { describe, expect, it } from 'vitest';
import { Catalog } from '../../../src/engine/catalog.ts';
import { Matcher } from '../../../src/matcher/matcher.ts';
import type { TriggerChange } from '../../../src/model/trigger.ts';
import { recordingLogger } from '../../support/nats.ts';
import { WIDE_LIMITS } from '../../support/oracleSubjects.ts';
import { aMilestone, aSequence, SECRET } from '../../support/outbox.ts';
import { SimulatedStore } from '../../support/simulatedStore.ts';

/** A store whose disk takes nothing until it is told to. */
class SlowStore extends SimulatedStore {
  #release = () => {};
  readonly #released = new Promise<void>((resolve) => {
    this.#release = resolve;
  });

  override async recordChange(...change: Parameters<SimulatedStore['recordChange']>): Promise<void> {
    await this.#released;
    await super.recordChange(...change);
  }

  release(): void {
    this.#release();
  }
}

function openCatalog(store: SimulatedStore, position: number, logger = recordingLogger()): Catalog {
  const catalog = new Catalog({
    matcher: new Matcher(WIDE_LIMITS),
    store,
    backfillStore: store,
    sequencesPerOuMax: 10,
    currentPosition: () => position,
    currentMark: () => null,
    logger,
  });
  catalog.load(0);
  catalog.replayThrough(position);
  return catalog;
}

it('logs each change with the position that it takes effect at, before it is written, and nothing secret', async () => {
  const store = new SimulatedStore();
  const writesWhenLogged: number[] = [];
  const logger = recordingLogger();
  const counting = {
    ...logger,
    info: (fields: object, message: string) => {
      writesWhenLogged.push(store.writeCount);
      logger.info(fields, message);
    },
  };
  const catalog = openCatalog(store, 7, counting);
  await catalog.create(aSequence({ webhookUrl: 'https://example.com/secret-path' }));
  await catalog.update('acme', 'seq-1', (current) => ({ ...current, name: 'renamed', version: 2 }));
  await catalog.update('acme', 'seq-1', (current) => current);
  await catalog.remove('acme', 'seq-1');
  await catalog.remove('acme', 'seq-1');

  const line = { ou: 'acme', sequenceId: 'seq-1', effectivePosition: 7 };
  expect(logger.entries).toEqual(
    [
      { ...line, kind: 'created', version: 1 },
      { ...line, kind: 'updated', version: 2 },
      { ...line, kind: 'deleted', version: 2 },
    ].map((fields) => ({ level: 'info', fields, message: 'a sequence is changed' })),
  );
  expect(writesWhenLogged).toEqual([0, 1, 2]);
  expect(JSON.stringify(logger.entries)).not.toContain(SECRET);
  expect(JSON.stringify(logger.entries)).not.toContain('secret-path');
});

it('makes no change that is refused at the moment it would be made', async () => {
  const store = new SimulatedStore();
  const catalog = openCatalog(store, 7);
  await catalog.create(aSequence());
  const refuse = () => {
    throw new Error('it has another version');
  };
  await expect(catalog.update('acme', 'seq-1', refuse)).rejects.toThrow('another version');
  await expect(catalog.remove('acme', 'seq-1', refuse)).rejects.toThrow('another version');
  expect(catalog.get('acme', 'seq-1')).toMatchObject({ version: 1 });
  expect(store.writeCount).toBe(1);
});

it('logs nothing for a change that a replay makes again', async () => {
  const store = new SimulatedStore();
  await openCatalog(store, 7).create(aSequence());
  const logger = recordingLogger();
  const catalog = openCatalog(store.crashedAfter(1), 7, logger);
  expect(catalog.list('acme')).toHaveLength(1);
  expect(logger.entries).toEqual([]);
});

const named = (name: string) => aSequence({ id: 'seq-1', name });

describe('a change counts from its position on (R16, S9)', () => {
  const step = { types: ['signup'], where: { 'metadata.n': { gte: 1 } }, count: 1 };
  const rich = aSequence({ eventTypes: [step, 'purchase'], exclude: ['refund'], maxGapSeconds: 60 });

  it.each([
    { eventTypes: [{ ...step, types: ['signup', 'trial'] }, 'purchase'] },
    { eventTypes: [{ ...step, where: { 'metadata.n': { gte: 2 } } }, 'purchase'] },
    { eventTypes: [{ ...step, count: 2 }, 'purchase'] },
    { eventTypes: ['signup', 'purchase'] },
    { exclude: [] },
    { exclude: ['refund', 'complaint'] },
    { maxGapSeconds: null },
    { maxGapSeconds: 61 },
  ])('where it says another thing of a match: %j', async (change) => {
    const store = new SimulatedStore();
    await openCatalog(store, 3).create(rich);
    await openCatalog(store, 7).update('acme', 'seq-1', (current) => ({ ...current, ...change }));
    expect(store.allTriggers()[0]?.effectiveFrom).toBe(7);
  });

  it('and not where it says the same in other objects, or speaks of something else', async () => {
    const store = new SimulatedStore();
    await openCatalog(store, 3).create(rich);
    const change = {
      eventTypes: [{ ...step, where: { 'metadata.n': { gte: 1 } } }, 'purchase'],
      name: 'other',
    };
    await openCatalog(store, 7).update('acme', 'seq-1', (current) => ({ ...current, ...change }));
    expect(store.allTriggers()[0]).toMatchObject({ name: 'other', effectiveFrom: 3 });
  });
});

describe('a change of a sequence', () => {
  it('is in force at once, is acknowledged when it is on disk, and keeps its place before later ones', async () => {
    const store = new SlowStore();
    const catalog = openCatalog(store, 5);
    const acknowledged: string[] = [];
    const creating = catalog.create(named('first')).then(() => acknowledged.push('first'));
    const renaming = catalog
      .update('acme', 'seq-1', () => named('second'))
      .then(() => acknowledged.push('second'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(catalog.effectiveSequence('acme', 'seq-1')?.name).toBe('second');
    expect(acknowledged).toEqual([]);
    store.release();
    await Promise.all([creating, renaming]);
    expect(acknowledged).toEqual(['first', 'second']);
    const nameAfter = ({ after }: TriggerChange) => after?.name;
    expect(store.changesSinceCheckpoint().map(nameAfter)).toEqual(['first', 'second']);
  });

  it('is refused, and changes nothing, while the store cannot be written', async () => {
    const store = new SimulatedStore();
    const catalog = openCatalog(store, 5);
    await catalog.create(named('first'));
    store.trouble = 'the disk is full';
    expect(await catalog.update('acme', 'seq-1', () => named('second'))).toEqual({
      ok: false,
      reason: 'unavailable',
    });
    expect(await catalog.remove('acme', 'seq-1')).toEqual({ ok: false, reason: 'unavailable' });
    expect(catalog.get('acme', 'seq-1')?.name).toBe('first');
    store.trouble = null;
    expect((await catalog.remove('acme', 'seq-1')).ok).toBe(true);
  });
});

describe('milestone triggers', () => {
  /** A catalog that moves on by one message with every call. */
  function movingCatalog() {
    let position = 0;
    const logger = recordingLogger();
    const store = new SimulatedStore();
    const catalog = new Catalog({
      matcher: new Matcher(WIDE_LIMITS),
      store,
      backfillStore: store,
      sequencesPerOuMax: 2,
      currentPosition: () => ++position,
      currentMark: () => null,
      logger,
    });
    catalog.load(0);
    catalog.replayThrough(0);
    return { catalog, store, logger };
  }

  it('are neither among the sequences nor found by their methods, and count for themselves', async () => {
    const { catalog } = movingCatalog();
    const { milestones } = catalog;
    await catalog.create(aSequence());
    await catalog.create(aSequence({ id: 'seq-2' }));
    expect((await milestones.create(aMilestone())).ok).toBe(true);
    expect((await milestones.create(aMilestone({ id: 'trg-2' }))).ok).toBe(true);
    expect(await milestones.create(aMilestone({ id: 'trg-3' }))).toEqual({ ok: false, reason: 'limit' });
    expect(await catalog.create(aSequence({ id: 'seq-3' }))).toEqual({ ok: false, reason: 'limit' });
    expect((await milestones.create(aMilestone({ ou: 'other' }))).ok).toBe(true);

    expect(catalog.list('acme').map(({ id }) => id)).toEqual(['seq-1', 'seq-2']);
    expect(milestones.list('acme').map(({ id }) => id)).toEqual(['trg-1', 'trg-2']);
    expect(catalog.triggers('acme')).toHaveLength(4);
    expect(catalog.count).toBe(2);
    expect(catalog.get('acme', 'trg-1')).toBeUndefined();
    expect(milestones.get('acme', 'seq-1')).toBeUndefined();
    expect(await catalog.remove('acme', 'trg-1')).toEqual({ ok: false, reason: 'not_found' });
    expect(await milestones.remove('acme', 'seq-1')).toEqual({ ok: false, reason: 'not_found' });
    expect(catalog.trigger('acme', 'trg-1')).toMatchObject({ kind: 'milestone' });
    expect(catalog.trigger('acme', 'seq-1')).not.toHaveProperty('kind');
  });

  it.each([
    { what: 'a lower threshold', change: { scoreThreshold: 5 }, startsAnew: true },
    { what: 'another event type', change: { eventType: 'buy' }, startsAnew: true },
    { what: 'an activation', change: { active: true }, startsAnew: true },
    { what: 'another name', change: { name: 'renamed' }, startsAnew: false },
    { what: 'another policy', change: { refire: { mode: 'every' } as const }, startsAnew: false },
    { what: 'another URL', change: { webhookUrl: 'https://example.com' }, startsAnew: false },
  ])('M6: with $what count from then on: $startsAnew', async ({ change, startsAnew }) => {
    const { catalog, store } = movingCatalog();
    const { milestones } = catalog;
    await milestones.create(aMilestone({ active: false }));
    const before = milestones.get('acme', 'trg-1')!.effectiveFrom;
    const result = await milestones.update('acme', 'trg-1', (current) => ({ ...current, ...change }));
    const after = milestones.get('acme', 'trg-1')!;
    expect(result).toEqual({ ok: true, trigger: after });
    expect(after.effectiveFrom > before).toBe(startsAnew);
    expect(catalog.effectiveMilestone('acme', 'trg-1')).toEqual(after);
    expect(store.allTriggers()).toEqual([after]);
  });

  it('M6: with a deactivation go on to count from where they did', async () => {
    const { milestones } = movingCatalog().catalog;
    await milestones.create(aMilestone());
    const before = milestones.get('acme', 'trg-1')!.effectiveFrom;
    await milestones.update('acme', 'trg-1', (current) => ({ ...current, active: false }));
    expect(milestones.get('acme', 'trg-1')?.effectiveFrom).toBe(before);
  });

  it('have a line in the log for each change, under their own name', async () => {
    const { catalog, logger } = movingCatalog();
    await catalog.milestones.create(aMilestone());
    await catalog.milestones.remove('acme', 'trg-1');
    expect(logger.entries).toMatchObject([
      { fields: { triggerId: 'trg-1', kind: 'created', version: 1 }, message: 'a trigger is changed' },
      { fields: { triggerId: 'trg-1', kind: 'deleted', version: 1 }, message: 'a trigger is changed' },
    ]);
    expect(JSON.stringify(logger.entries)).not.toContain(SECRET);
  });

  it('are as they were at the checkpoint after a restart, until the replay comes to their changes', async () => {
    const store = new SimulatedStore();
    const first = openCatalog(store, 7);
    await first.milestones.create(aMilestone());
    await first.milestones.update('acme', 'trg-1', (current) => ({ ...current, scoreThreshold: 50 }));
    const matcher = new Matcher(WIDE_LIMITS);
    const crashed = store.crashedAfter(2);
    const second = new Catalog({
      matcher,
      store: crashed,
      backfillStore: crashed,
      sequencesPerOuMax: 10,
      currentPosition: () => 0,
      currentMark: () => null,
      logger: recordingLogger(),
    });
    second.load(0);
    expect(second.effectiveMilestone('acme', 'trg-1')).toBeUndefined();
    expect(second.milestones.get('acme', 'trg-1')?.scoreThreshold).toBe(50);
    expect(await second.milestones.create(aMilestone({ id: 'trg-2' }))).toEqual({
      ok: false,
      reason: 'unavailable',
    });
    second.replayThrough(7);
    expect(second.effectiveMilestone('acme', 'trg-1')?.scoreThreshold).toBe(50);
  });
});
