import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LookBackAnswer, LookBackOrder } from '../../../src/composition/lookBackChild.ts';
import type { LookBackJob } from '../../../src/composition/lookBackJob.ts';
import { compiled } from '../../support/compiled.ts';
import { lookBackJob, storeEvents } from '../../support/lookBacks.ts';
import { startNats, type TestServer, waitFor } from '../../support/nats.ts';
import { childrenOf, threadsOf } from '../../support/processes.ts';

const { LookBackProcess } = await compiled<typeof import('../../../src/composition/lookBackProcess.ts')>(
  'composition/lookBackProcess',
);
const ENTRY = 'dist/src/composition/lookBackChild.js';
/** Enough for V8 to optimize the code that handles them. */
const EVENTS = 10_000;
const FEED_IDLE_MS = 10_000;

describe('the process of look-backs', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startNats();
    await storeEvents(await server.connect(), EVENTS);
  });
  afterAll(() => server.stop());

  const pids = () =>
    childrenOf(process.pid).flatMap(({ pid, command }) => (command.includes('lookBackChild') ? [pid] : []));
  const run = (
    lookBacks: InstanceType<typeof LookBackProcess>,
    job: LookBackJob,
    signal = new AbortController().signal,
  ) => lookBacks.run(job, () => ({ position: 0, sinceMs: FEED_IDLE_MS }), signal);

  it('is begun by the first look-back, makes the next one too, and ends when there is none for a while', async () => {
    const lookBacks = new LookBackProcess(1_000);
    expect(pids()).toEqual([]);
    const first = await run(lookBacks, lookBackJob(server.url));
    const begun = pids();
    const second = await run(lookBacks, lookBackJob(server.url));
    expect(begun).toHaveLength(1);
    expect(pids()).toEqual(begun);
    expect([first, second].map(({ outcome }) => outcome.fireCount)).toEqual([EVENTS, EVENTS]);
    await waitFor('it to end', async () => pids().length === 0);
    expect((await run(lookBacks, lookBackJob(server.url))).outcome.fireCount).toBe(EVENTS);
    await waitFor('the other to end', async () => pids().length === 0);
  });

  it('is there for the next look-back after one that failed, and after one that was stopped', async () => {
    const lookBacks = new LookBackProcess(1_000);
    await expect(run(lookBacks, lookBackJob(server.url, { stream: 'nowhere' }))).rejects.toThrow(
      'there is no stream nowhere',
    );
    const begun = pids();
    const stopped = await run(lookBacks, lookBackJob(server.url), AbortSignal.abort());
    expect(stopped.isComplete).toBe(false);
    const whole = await run(lookBacks, lookBackJob(server.url));
    expect([whole.isComplete, whole.outcome.fireCount]).toEqual([true, EVENTS]);
    expect(pids()).toEqual(begun);
    await waitFor('it to end', async () => pids().length === 0);
  });

  it('is begun anew when it ended while nobody needed it', async () => {
    const lookBacks = new LookBackProcess(1_000);
    await run(lookBacks, lookBackJob(server.url));
    for (const pid of pids()) process.kill(pid, 'SIGKILL');
    await waitFor('it to end', async () => pids().length === 0);
    expect((await run(lookBacks, lookBackJob(server.url))).outcome.fireCount).toBe(EVENTS);
    await waitFor('the other to end', async () => pids().length === 0);
  });

  it('is begun anew when it was killed, and nobody could know it yet', async () => {
    const lookBacks = new LookBackProcess(1_000);
    await run(lookBacks, lookBackJob(server.url));
    for (const pid of pids()) process.kill(pid, 'SIGKILL');
    // Within the same turn of the loop, in which no exit is heard of.
    expect((await run(lookBacks, lookBackJob(server.url))).outcome.fireCount).toBe(EVENTS);
    await waitFor('the other to end', async () => pids().length === 0);
  });

  it('rests beside a feed that is busy by then, also right behind a look-back beside an idle one', async () => {
    const lookBacks = new LookBackProcess(1_000);
    const never = new AbortController().signal;
    let position = 0;
    const idle = await lookBacks.run(
      lookBackJob(server.url),
      () => ({ position, sinceMs: FEED_IDLE_MS }),
      never,
    );
    const busy = await lookBacks.run(
      lookBackJob(server.url),
      () => ({ position: ++position, sinceMs: 0 }),
      never,
    );
    expect(idle.restedMs).toBe(0);
    expect(busy.restedMs).toBeGreaterThan(0);
    await waitFor('it to end', async () => pids().length === 0);
  });

  it('compiles and collects its garbage on the thread that does the work', async () => {
    const lookBacks = new LookBackProcess(1_000);
    await run(lookBacks, lookBackJob(server.url));
    const [first = 0, ...others] = threadsOf(pids()[0]!).map(({ usedMs }) => usedMs);
    // Some read files: 0.002. With helpers of V8 it is 0.2.
    expect(Math.max(...others) / first).toBeLessThan(0.05);
    await waitFor('it to end', async () => pids().length === 0);
  });

  it('takes an order to stop that comes behind its answer for the look-back that has ended', async () => {
    const child: ChildProcess = fork(ENTRY, { serialization: 'advanced' });
    const tell = (message: LookBackJob | LookBackOrder) => child.send(message);
    const ask = () => {
      tell(lookBackJob(server.url));
      tell('idle');
    };
    const answered = async () => (await once(child, 'message'))[0] as LookBackAnswer;
    ask();
    await answered();
    tell('stop');
    ask();
    expect(await answered()).toMatchObject({
      result: { isComplete: true, outcome: { fireCount: EVENTS } },
    });
    child.disconnect();
    await once(child, 'exit');
  });
});
