import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { startNats, type TestServer, waitFor } from '../../support/nats.ts';
import {
  allFires,
  positionOf,
  type RunningProgram,
  startProgram,
  temporaryDataDir,
} from '../../support/program.ts';
import { startProxy, type TestProxy } from '../../support/proxy.ts';

/** Far longer than the program takes between two looks whether the replay has ended. */
const ANSWER_DELAY_MS = 100;
const NO_CHECKPOINT = { CHECKPOINT_INTERVAL_MS: '600000' };

// The program is started twice.
vi.setConfig({ testTimeout: 90_000 });

let dataDir: ReturnType<typeof temporaryDataDir>;
let nats: TestServer;
let proxy: TestProxy | undefined;
let program: RunningProgram;

beforeEach(() => {
  dataDir = temporaryDataDir();
});

afterEach(async () => {
  await program.kill();
  await proxy?.close();
  await nats.stop();
  dataDir.remove();
});

async function start(natsUrl: string): Promise<void> {
  program = await startProgram({ dataDir: dataDir.path, env: { ...NO_CHECKPOINT, NATS_URL: natsUrl } });
}

/** Waits until the fourth message is applied. Gives the ids of the events of each fire. */
async function readToEnd(): Promise<string[][]> {
  await waitFor('the fourth message', async () => (await positionOf(program)) === 4);
  return (await allFires(program)).map(({ events }) => events.map(({ id }) => id));
}

it('a replay makes a change behind all that came before it, also where a message was deleted singly and the server is slow to say so', async () => {
  nats = await startNats();
  const client = await nats.connect();
  await start(nats.url);
  const sequence = {
    name: 'once',
    event_types: ['a'],
    window_seconds: 60,
    refire: { mode: 'once_per_lead' },
  };
  const { id } = await program.call<{ id: string }>('POST', '/sequences', sequence);
  for (const [index, type] of ['a', 'a', 'other', 'a'].entries()) {
    const event = { id: `${index + 1}`, lead_id: 'ada', event_type: type };
    await client.jetstream().publish('events.default', JSON.stringify(event));
  }
  expect(await readToEnd()).toEqual([['1']]);
  await program.call('PATCH', `/sequences/${id}`, { refire: { mode: 'every' } });
  await program.kill();
  await (await client.jetstreamManager()).streams.deleteMessage('EVENTS', 3);

  proxy = await startProxy(nats.port, { delayMs: ANSWER_DELAY_MS });
  await start(`nats://127.0.0.1:${proxy.port}`);
  expect(await readToEnd()).toEqual([['1']]);
  expect(program.log()).toContain('the stream no longer holds messages that were not read');
});

it('before a replay has made the change of a sequence, how far its leads are is not told by another version', async () => {
  nats = await startNats();
  await start(nats.url);
  const sequence = { name: 'one', event_types: ['a', 'b'], window_seconds: 60, ordered: true };
  const { id } = await program.call<{ id: string }>('POST', '/sequences', sequence);
  const unchanged = await program.call<{ id: string }>('POST', '/sequences', sequence);
  const ingest = async (position: number) => {
    await program.call('POST', '/ingest', { id: `${position}`, lead_id: 'ada', event_type: 'a' });
    await waitFor('the message', async () => (await positionOf(program)) === position);
  };
  await ingest(1);
  // This writes a checkpoint; the next message and the change come behind it.
  await program.stop();
  await start(nats.url);
  await ingest(2);
  await program.call('PATCH', `/sequences/${id}`, { event_types: ['a', 'c', 'd'] });
  await program.kill();
  await nats.kill();

  program = await startProgram({ dataDir: dataDir.path, env: { NATS_URL: nats.url }, ready: false });
  const paths = ['progress', 'leads/ada'];
  for (const path of paths) {
    await expect(program.call('GET', `/sequences/${id}/${path}`)).rejects.toThrow(
      /503 .*this version of the sequence is not in force yet/,
    );
    await program.call('GET', `/sequences/${unchanged.id}/${path}`);
  }
  await nats.start();
  const [progress, lead] = await Promise.all(
    paths.map((path) =>
      waitFor(path, () => program.call<object>('GET', `/sequences/${id}/${path}`).catch(() => undefined)),
    ),
  );
  expect(progress).toMatchObject({ steps: ['a', 'c', 'd'].map((type) => ({ event_type: type })) });
  expect(lead).toMatchObject({ missing: ['c', 'd'] });
});
