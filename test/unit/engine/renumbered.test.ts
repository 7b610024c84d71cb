import { describe, expect, it } from 'vitest';
import { engineOn, message, START } from '../../support/engine.ts';
import { aSequence } from '../../support/outbox.ts';
import { SimulatedStore } from '../../support/simulatedStore.ts';

const RECREATED = { ...START, streamCreated: 'later', renumbered: true };

/** A running engine that has one sequence. */
async function running(store = new SimulatedStore()) {
  const made = engineOn(store);
  made.engine.load();
  await made.engine.start(START);
  await made.catalog.create(aSequence());
  return made;
}

describe('an engine whose stream numbers anew', () => {
  it('gives fires positions above all earlier ones, by which the checkpoint tells what a replay derives again', async () => {
    const store = new SimulatedStore();
    const before = engineOn(store);
    before.engine.load();
    await before.engine.start(START);
    await before.catalog.create(aSequence({ eventTypes: ['signup'] }));
    await before.engine.process([message(1, 'ada'), message(2, 'ada')]);
    await before.engine.drain();

    const { engine } = engineOn(store);
    engine.load();
    await engine.start(RECREATED);
    await engine.process([message(1, 'bob')]);
    expect([...store.fires.values()].map(({ streamSequence }) => streamSequence)).toEqual([1, 2, 3]);
    expect(store.checkpoint()?.position).toBe(2);
    await engine.drain();
  });

  it('goes on above every lead state, also those that are ahead of the checkpoint: no new event counts as applied', async () => {
    const { engine, store } = await running();
    await engine.process([message(1, 'ada'), message(2, 'bob')]);
    await Promise.all([engine.checkpoint(), engine.process([message(3, 'ada')])]);
    expect(store.checkpoint()?.position).toBe(2);

    const after = engineOn(store.crashedAfter(store.writeCount));
    after.engine.load();
    expect(after.engine.committedPosition).toBe(2);
    await after.engine.start(RECREATED);
    expect(after.engine.position).toBe(3);
    await after.engine.process([message(1, 'ada', 'purchase')]);
    expect(after.groups.at(-1)).toMatchObject({ held: 1, replayed: 0, fires: 1 });
    expect(after.engine.position).toBe(4);
    expect(after.engine.streamCursor).toBe(1);
  });

  it('while it runs takes the new place after the checkpoint under way, and writes one of its own', async () => {
    const { engine, groups, store } = await running();
    await engine.process([message(1, 'ada'), message(2, 'bob')]);
    const before = engine.checkpoint();
    await engine.start(RECREATED);
    await before;
    expect(store.checkpoint()).toMatchObject({ position: 2, stream: { created: 'later', sequence: 0 } });
    expect(store.highWater()?.stream).toMatchObject({ created: 'later', sequence: 0 });
    await engine.process([message(1, 'ada', 'purchase')]);
    expect(groups.at(-1)).toMatchObject({ held: 1, fires: 1 });
    expect(engine.mark()).toMatchObject({ created: 'later', sequence: 1 });
    await engine.drain();
    expect(store.checkpoint()).toMatchObject({ position: 3, stream: { created: 'later', sequence: 1 } });
  });

  it('does not know the message before its new place', async () => {
    const { engine } = await running();
    await engine.process([message(1, 'ada')]);
    expect(engine.mark()).toMatchObject({ sequence: 1, messageDigest: 'digest of ada-signup-1' });
    await engine.start(RECREATED);
    expect(engine.mark()).toMatchObject({ sequence: 0, messageDigest: null, messageArrivalMicros: null });
    await engine.drain();
  });
});

describe('an engine whose stream has lost messages', () => {
  it('goes on behind the gap under the numbers of the stream, and does not know the message before it', async () => {
    const { engine, store } = await running();
    await engine.process([message(1, 'ada')]);
    await engine.start({ ...START, startSequence: 10 });
    expect(engine.position).toBe(9);
    expect(engine.mark()).toMatchObject({ sequence: 9, messageDigest: null });
    expect(store.checkpoint()).toMatchObject({ position: 9, stream: { sequence: 9 } });
    await engine.process([message(10, 'ada', 'purchase')]);
    expect(engine.position).toBe(10);
    await engine.drain();
  });
});

describe('a checkpoint in the midst of a replay', () => {
  it('keeps the logged changes that lie behind it, so that another replay makes them at their positions', async () => {
    const { engine, catalog, store } = await running();
    await engine.process([message(1, 'ada'), message(2, 'ada', 'unlisted until now')]);
    await catalog.create(aSequence({ id: 'seq-2', eventTypes: ['unlisted until now'] }));

    const again = engineOn(store.crashedAfter(store.writeCount));
    again.engine.load();
    await again.engine.start(START);
    await again.engine.process([message(1, 'ada')]);
    await again.engine.checkpoint();
    await again.engine.drain();

    const third = engineOn(again.store);
    third.engine.load();
    expect(third.engine.position).toBe(1);
    expect(third.catalog.isReplaying).toBe(true);
    await third.engine.start({ ...START, startSequence: 2 });
    await third.engine.process([message(2, 'ada', 'unlisted until now')]);
    expect(third.groups.at(-1)).toMatchObject({ held: 0, unlisted: 1 });
    expect(third.catalog.isReplaying).toBe(false);
  });
});
