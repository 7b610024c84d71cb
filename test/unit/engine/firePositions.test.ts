import { describe, expect, it } from 'vitest';
import { Catalog } from '../../../src/engine/catalog.ts';
import { Engine } from '../../../src/engine/engine.ts';
import { Matcher } from '../../../src/matcher/matcher.ts';
import type { FeedMessage } from '../../../src/model/event.ts';
import { aSequence } from '../../support/outbox.ts';
import { SimulatedStore } from '../../support/simulatedStore.ts';

const ARRIVAL_MICROS = 1_700_000_000_000_000;

function anEngine(store: SimulatedStore) {
  const limits = { allowedLatenessMicros: 0, futureSkewMicros: 0, heldEventsMax: 100 };
  const nothing = () => {};
  const logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };
  const matcher = new Matcher(limits);
  const catalog = new Catalog({
    matcher,
    store,
    sequencesPerOuMax: 10,
    currentPosition: () => engine.position,
    currentMark: () => engine.mark(),
    logger,
  });
  const engine: Engine = new Engine({
    matcher,
    catalog,
    store,
    commitFires: store.commitFires,
    storeRejected: () => Promise.resolve(),
    planDeliveries: () => [],
    digestOf: () => 'digest',
    onDeliveriesDurable: nothing,
    metrics: { onGroup: nothing, onCheckpoint: nothing },
    logger,
    checkpointIntervalMs: 1_000_000,
  });
  return { engine, catalog };
}

function completing(streamSequence: number, arrivedAfterMicros: number): FeedMessage {
  const id = `e-${arrivedAfterMicros}`;
  const arrivalMicros = ARRIVAL_MICROS + arrivedAfterMicros;
  const event = { ou: 'acme', leadId: 'ada', id, type: 'signup', timeMicros: arrivalMicros };
  const decoded = { event: { ...event, streamSequence, arrivalMicros } };
  return {
    streamSequence,
    arrivalMicros,
    ou: 'acme',
    subject: 'events.acme',
    data: Buffer.from(id),
    decoded,
  };
}

describe('a stream that was accepted although its numbers begin anew', () => {
  it('gives fires positions above all earlier ones, by which the checkpoint tells what a replay derives again', async () => {
    const store = new SimulatedStore();
    const { engine, catalog } = anEngine(store);
    engine.load();
    const resume = { streamName: 'EVENTS', startSequence: 1 };
    await engine.start({ ...resume, streamCreated: 'then', renumbered: false });
    await catalog.create(aSequence({ eventTypes: ['signup'] }));
    await engine.process([completing(1, 1), completing(2, 2)]);
    await engine.drain();

    const restarted = anEngine(store);
    restarted.engine.load();
    await restarted.engine.start({ ...resume, streamCreated: 'now', renumbered: true });
    await restarted.engine.process([completing(1, 3)]);
    const positions = [...store.fires.values()].map(({ streamSequence }) => streamSequence);
    expect(positions).toEqual([1, 2, 3]);
    expect(store.checkpoint()?.position).toBe(2);
    await restarted.engine.drain();
  });
});
