import { afterEach, expect, it, vi } from 'vitest';
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

const dataDir = temporaryDataDir();
let nats: TestServer;
let proxy: TestProxy | undefined;
let program: RunningProgram;

afterEach(async () => {
  await program.stop();
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
