import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limitsFor } from '../../../src/outbox/options.ts';
import type { Outbox } from '../../../src/outbox/outbox.ts';
import { planDeliveries } from '../../../src/outbox/plan.ts';
import { delivered, noAnswer, type Sender } from '../../../src/outbox/sender.ts';
import {
  aDataDir,
  aFire,
  anOutbox,
  aSequence,
  openStores,
  type Stores,
  until,
} from '../../support/outbox.ts';

const DESTINATIONS = 5;
const FIRES_PER_DESTINATION = 400;
const GROUPS = 4;
/** Nothing is due at once, so that every delivery comes with a time of its own at which to look at its lane. */
const FIRST_DELAY_MS = 500;
const LIMITS = limitsFor(8, 2);
/** A lane and its alarm for each destination, and the replaced alarms that are let stand. */
const ENTRIES_MAX = 3 * DESTINATIONS + 64;

let dir: ReturnType<typeof aDataDir>;
let stores: Stores;
let outbox: Outbox;

beforeEach(() => {
  dir = aDataDir();
  stores = openStores(dir.path);
});

afterEach(async () => {
  await outbox.drain(0);
  await stores.environment.close();
  dir.remove();
});

describe('a backlog of thousands of deliveries to a few destinations that are down', () => {
  it('takes memory by the destination, not by the delivery, and is sent within the limit once they are up', async () => {
    let isUp = false;
    let underWay = 0;
    let underWayMax = 0;
    let attempts = 0;
    const sender: Sender = {
      send: async () => {
        attempts += 1;
        underWay += 1;
        underWayMax = Math.max(underWayMax, underWay);
        await new Promise((resolve) => setImmediate(resolve));
        underWay -= 1;
        if (isUp) return delivered(200, '');
        return { ...noAnswer('internal', 'answered 503'), status: 503, error: null, response: '' };
      },
      close: async () => {},
    };
    const sequences = Array.from({ length: DESTINATIONS }, (_, index) =>
      aSequence({ id: `seq-${index}`, webhookUrl: `http://host/${index}` }),
    );
    // Every attempt but the last fails and is made again after a while, as over a long outage.
    const retryDelaysMs = [0, ...Array.from({ length: 200 }, () => 300)];
    outbox = anOutbox(stores, {
      sequences,
      overrides: { webhookSender: sender, limits: LIMITS, retryDelaysMs },
    });
    await outbox.start();
    let entriesMax = 0;
    for (let group = 0; group < GROUPS; group += 1) {
      for (const sequence of sequences) {
        const fires = Array.from({ length: FIRES_PER_DESTINATION / GROUPS }, (_, index) =>
          aFire({ id: `fire-${sequence.id}-${group}-${index}`, sequenceId: sequence.id }),
        );
        const nowMs = Date.now();
        const entries = fires.map((fire, index) => {
          const plan = { emailConfigured: true, nowMs: nowMs - index, firstDelayMs: FIRST_DELAY_MS };
          return { fire, deliveries: planDeliveries(fire, sequence, plan) };
        });
        outbox.wake(await stores.fires.commitFires(entries).flushed);
        entriesMax = Math.max(entriesMax, outbox.entries.lanes + outbox.entries.alarms);
      }
    }
    const total = DESTINATIONS * FIRES_PER_DESTINATION;
    await until(() => {
      entriesMax = Math.max(entriesMax, outbox.entries.lanes + outbox.entries.alarms);
      return attempts > total;
    });
    expect(entriesMax).toBeLessThanOrEqual(ENTRIES_MAX);
    expect(entriesMax).toBeGreaterThanOrEqual(DESTINATIONS);
    expect(stores.deliveries.unflushedCount).toBe(0);
    const { pending, retrying } = stores.deliveries.countByState();
    expect(pending + retrying).toBe(total);

    isUp = true;
    await until(() => stores.deliveries.countByState().delivered === total);
    expect(underWayMax).toBe(LIMITS.attemptsMax);
    await until(() => outbox.inFlight === 0);
    await until(() => outbox.entries.lanes + outbox.entries.alarms === 0);
  });
});
