import { expect, it } from 'vitest';
import { engineOn, malformed, message, START } from '../../support/engine.ts';
import { aSequence } from '../../support/outbox.ts';
import { SimulatedStore } from '../../support/simulatedStore.ts';

it('a checkpoint waits for what was rejected before it, and only then asks for the states of leads', async () => {
  let store!: () => void;
  const stored = new Promise<void>((resolve) => {
    store = resolve;
  });
  const { engine, catalog, store: disk } = engineOn(new SimulatedStore(), { storeRejected: () => stored });
  engine.load();
  await engine.start(START);
  await catalog.create(aSequence());
  await engine.process([malformed(1), message(2, 'ada')]);
  const checkpoint = engine.checkpoint();
  // The store has all the time it wants.
  await new Promise((resolve) => setImmediate(resolve));
  expect([...disk.leadsBehind(null)]).toEqual([]);
  store();
  await checkpoint;
  expect([...disk.leadsBehind(null)]).toMatchObject([{ leadId: 'ada' }]);
  await engine.drain();
});
