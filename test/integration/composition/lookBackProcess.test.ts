import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LookBackJob } from '../../../src/composition/lookBackJob.ts';
import { compiled } from '../../support/compiled.ts';
import { startNats, type TestServer, waitFor } from '../../support/nats.ts';
import { childrenOf } from '../../support/processes.ts';

const { LookBackProcess } = await compiled<typeof import('../../../src/composition/lookBackProcess.ts')>(
  'composition/lookBackProcess',
);
const EVENTS = 3;

describe('the process of look-backs', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startNats();
    const client = await server.connect();
    await (await client.jetstreamManager()).streams.add({ name: 'stored', subjects: ['stored.>'] });
    for (let index = 0; index < EVENTS; index++) {
      client.publish('stored.one', JSON.stringify({ id: `e${index}`, lead_id: 'l', event_type: 'view' }));
    }
    await client.flush();
  });
  afterAll(() => server.stop());

  const jobOf = (stream: string, timeLimitMs = 60_000): LookBackJob => ({
    source: { connection: { url: server.url, name: 'look-back' }, stream, eventsSubject: 'stored.>' },
    range: { ou: 'one', sinceMs: 0 },
    setup: {
      definition: {
        ou: 'one',
        id: 'simulated',
        eventTypes: ['view'],
        windowMicros: 60e6,
        ordered: true,
        active: true,
        refire: { mode: 'every' },
        maxFireDelayMicros: null,
        effectiveFrom: 0,
      },
      holdings: [],
      limits: { allowedLatenessMicros: 86_400e6, futureSkewMicros: 300e6, heldEventsMax: 4_096 },
    },
    timeLimitMs,
  });
  const pids = () =>
    childrenOf(process.pid).flatMap(({ pid, command }) => (command.includes('lookBackChild') ? [pid] : []));
  const run = (
    lookBacks: InstanceType<typeof LookBackProcess>,
    job: LookBackJob,
    signal = new AbortController().signal,
  ) => lookBacks.run(job, () => ({ position: 0, sinceMs: 0 }), signal);

  it('is begun by the first look-back, makes the next one too, and ends when there is none for a while', async () => {
    const lookBacks = new LookBackProcess(1_000);
    expect(pids()).toEqual([]);
    const first = await run(lookBacks, jobOf('stored'));
    const begun = pids();
    const second = await run(lookBacks, jobOf('stored'));
    expect(begun).toHaveLength(1);
    expect(pids()).toEqual(begun);
    expect([first, second].map(({ outcome }) => outcome.fireCount)).toEqual([EVENTS, EVENTS]);
    await waitFor('it to end', async () => pids().length === 0);
    expect((await run(lookBacks, jobOf('stored'))).outcome.fireCount).toBe(EVENTS);
    await waitFor('the other to end', async () => pids().length === 0);
  });

  it('is there for the next look-back after one that failed, and after one that was stopped', async () => {
    const lookBacks = new LookBackProcess(1_000);
    await expect(run(lookBacks, jobOf('nowhere'))).rejects.toThrow('there is no stream nowhere');
    const begun = pids();
    const stopped = await run(lookBacks, jobOf('stored'), AbortSignal.abort());
    expect(stopped.isComplete).toBe(false);
    const whole = await run(lookBacks, jobOf('stored'));
    expect([whole.isComplete, whole.outcome.fireCount]).toEqual([true, EVENTS]);
    expect(pids()).toEqual(begun);
    await waitFor('it to end', async () => pids().length === 0);
  });

  it('is begun anew when it ended while nobody needed it', async () => {
    const lookBacks = new LookBackProcess(1_000);
    await run(lookBacks, jobOf('stored'));
    for (const pid of pids()) process.kill(pid, 'SIGKILL');
    await waitFor('it to end', async () => pids().length === 0);
    expect((await run(lookBacks, jobOf('stored'))).outcome.fireCount).toBe(EVENTS);
    await waitFor('the other to end', async () => pids().length === 0);
  });

  it('is begun anew when it was killed, and nobody could know it yet', async () => {
    const lookBacks = new LookBackProcess(1_000);
    await run(lookBacks, jobOf('stored'));
    for (const pid of pids()) process.kill(pid, 'SIGKILL');
    // Within the same turn of the loop, in which no exit is heard of.
    expect((await run(lookBacks, jobOf('stored'))).outcome.fireCount).toBe(EVENTS);
    await waitFor('the other to end', async () => pids().length === 0);
  });
});
