import { describe, expect, it } from 'vitest';
import { engineOn, message, OU, START } from '../../support/engine.ts';
import { aSequence } from '../../support/outbox.ts';
import { SimulatedStore } from '../../support/simulatedStore.ts';

const LOAD_INTERVAL_MS = 1;
const ONE = { leads: 1, bytes: 1 };
const LEADS = ['ada', 'bob', 'eve', 'kim', 'zoe'];
const REACH = {
  position: 5,
  stream: { name: 'EVENTS', created: 'then', sequence: 5, messageArrivalMicros: null, messageDigest: null },
};

/** A started engine that loads a lead at its start and another each time it is let. */
async function begin(store: SimulatedStore) {
  let loadOne = (): void => {};
  const made = engineOn(store, {
    loading: { atStart: ONE, perTurn: ONE, intervalMs: LOAD_INTERVAL_MS },
    clock: {
      nowMs: () => 0,
      every: (intervalMs, run) => {
        if (intervalMs !== LOAD_INTERVAL_MS) return () => {};
        loadOne = run;
        return () => {
          loadOne = () => {};
        };
      },
    },
  });
  made.engine.load();
  made.engine.loadOthers();
  await made.engine.start({ ...START, startSequence: made.engine.streamCursor + 1 });
  return { ...made, loadOne: () => loadOne() };
}

/** A store in which each of the leads has made the first step of a sequence of two. */
async function storeOfLeads(): Promise<SimulatedStore> {
  const store = new SimulatedStore();
  const { engine, catalog } = await begin(store);
  await catalog.create(aSequence());
  await engine.process(LEADS.map((leadId, index) => message(index + 1, leadId, 'signup')));
  await engine.drain();
  return store.crashedAfter(store.writeCount);
}

describe('lead states that a start does not wait for', () => {
  it('are loaded one after the other, while single ones are brought in before their turn', async () => {
    const { engine, matcher, loadOne } = await begin(await storeOfLeads());
    expect(matcher.leadCount).toBe(1);
    engine.bring(OU, 'kim');
    engine.bring(OU, 'kim');
    engine.bring(OU, 'nobody');
    engine.bring('nobody', 'kim');
    expect(matcher.leadCount).toBe(2);
    expect(engine.isLoaded).toBe(false);
    // The last turn finds that there are no others.
    for (let turn = 0; turn < LEADS.length; turn++) loadOne();
    expect(engine.isLoaded).toBe(true);
    expect(matcher.leadCount).toBe(LEADS.length);
    expect(matcher.heldEventCount).toBe(LEADS.length);
  });

  it('are there when an event of theirs comes, which completes what the disk has of them', async () => {
    const store = await storeOfLeads();
    const { engine, groups } = await begin(store);
    await engine.process([message(6, 'zoe', 'purchase'), message(7, 'kim', 'purchase')]);
    expect(groups).toMatchObject([{ fires: 2, held: 2 }]);
    await engine.committed();
    expect([...store.fires.values()].map(({ leadId }) => leadId)).toEqual(['zoe', 'kim']);
  });

  it('are not put back to what the disk had once an event has changed them', async () => {
    const { engine, matcher, loadOne } = await begin(await storeOfLeads());
    await engine.process([message(6, 'zoe', 'purchase')]);
    const changed = matcher.encodeLead(OU, 'zoe');
    for (let turn = 0; turn < LEADS.length; turn++) loadOne();
    expect(engine.isLoaded).toBe(true);
    expect(matcher.encodeLead(OU, 'zoe')).toEqual(changed);
  });

  it('are not removed as silent before all are there, and then are', async () => {
    const { engine, store, loadOne } = await begin(await storeOfLeads());
    await engine.process([message(6, 'new', 'signup', 10_000)]);
    const sweep = async (): Promise<string[]> => {
      // A lead or two at a time.
      for (let count = 0; count < 3 * LEADS.length; count++) await engine.checkpoint();
      return [...store.leadsBehind(null)].map(({ leadId }) => leadId);
    };
    expect(await sweep()).toEqual([...LEADS, 'new'].sort());
    for (let turn = 0; turn < 2 * LEADS.length; turn++) loadOne();
    expect(await sweep()).toEqual(['new']);
  });

  it('stay on disk as they are when the program stops meanwhile', async () => {
    const store = await storeOfLeads();
    const { engine, matcher, loadOne } = await begin(store);
    await engine.process([message(6, 'zoe', 'purchase')]);
    await engine.drain();
    loadOne();
    expect(matcher.leadCount).toBe(2);
    const after = await begin(store.crashedAfter(store.writeCount));
    await after.engine.process([message(7, 'kim', 'purchase')]);
    expect(after.groups).toMatchObject([{ fires: 1 }]);
  });

  it('end the engine with the name of the lead whose state cannot be read, found by its turn or by its event', async () => {
    const store = await storeOfLeads();
    await store.putLeads([{ ou: OU, leadId: 'kim', state: Uint8Array.of(99) }], REACH);
    const problem = /the state of lead "kim" of OU acme cannot be read: .*version 99/;
    const byEvent = await begin(store);
    await expect(byEvent.engine.process([message(6, 'kim', 'purchase')])).rejects.toThrow(problem);
    const byTurn = await begin(store);
    for (let turn = 0; turn < LEADS.length; turn++) byTurn.loadOne();
    expect((await byTurn.engine.failed).message).toMatch(problem);
    expect(() => byTurn.engine.bring(OU, 'kim')).toThrow(problem);
  });
});
