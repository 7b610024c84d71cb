import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runLookBack } from '../../../src/composition/lookBackJob.ts';
import { lookBackJob, storeEvents } from '../../support/lookBacks.ts';
import { startNats, type TestServer } from '../../support/nats.ts';

/** Enough for 1,200 groups, each with its rest. */
const EVENTS = 60_000;

describe('a look-back that rests', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startNats();
    await storeEvents(await server.connect(), EVENTS);
  });
  afterAll(() => server.stop());

  it('reads all of it where time allows, and takes nothing while it rests', async () => {
    let resting = 0;
    let rests = 0;
    const { isComplete, outcome, restedMs } = await runLookBack(
      lookBackJob(server.url),
      new AbortController().signal,
      async () => {
        expect(resting).toBe(0);
        resting++;
        rests++;
        await sleep(1);
        resting--;
        return 3;
      },
    );
    expect([isComplete, outcome.scannedEvents, outcome.fireCount]).toEqual([true, EVENTS, EVENTS]);
    expect(rests).toBeGreaterThanOrEqual(EVENTS / 50);
    expect(restedMs).toBe(3 * rests);
  });

  it('says how much it read when its time is over, though garbage was collected meanwhile', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const { isComplete, fraction, outcome, range } = await runLookBack(
      lookBackJob(server.url, { timeLimitMs: 1_000 }),
      new AbortController().signal,
      async () => {
        collect();
        await sleep(50);
        return 50;
      },
    );
    expect(isComplete).toBe(false);
    expect(fraction).toBe(outcome.scannedEvents / EVENTS);
    expect(fraction).toBeLessThan(1);
    expect(range === null).toBe(fraction === 0);
  });
});
