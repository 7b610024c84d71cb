import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { natsServerBinary, startNats, type TestServer, waitFor } from '../../support/nats.ts';
import { positionOf, type RunningProgram, startProgram, temporaryDataDir } from '../../support/program.ts';

const SEQUENCE = { name: 'two steps', event_types: ['a', 'b'], window_seconds: 60, ordered: true };
const NO_CHECKPOINT = '600000';

let nats: TestServer;
let dataDir: ReturnType<typeof temporaryDataDir>;
let program: RunningProgram | undefined;

beforeEach(async () => {
  nats = await startNats();
  dataDir = temporaryDataDir();
});

afterEach(async () => {
  await program?.kill();
  await nats.stop();
  dataDir.remove();
});

async function start(env: Record<string, string> = {}, ready = true): Promise<RunningProgram> {
  program = await startProgram({ dataDir: dataDir.path, env: { NATS_URL: nats.url, ...env }, ready });
  return program;
}

async function publish(count: number): Promise<void> {
  const client = await nats.connect();
  for (let index = 0; index < count; index++) {
    await client.jetstream().publish('events.default', JSON.stringify({ lead_id: 'l', event_type: 'a' }));
  }
}

/** Publishes a message with headers as they are given, which no client library would send. */
async function publishRaw(header: string, payload: string): Promise<void> {
  const socket = connectSocket(nats.port, '127.0.0.1');
  await once(socket, 'connect');
  const sizes = `${Buffer.byteLength(header)} ${Buffer.byteLength(header) + Buffer.byteLength(payload)}`;
  socket.write('CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n');
  socket.write(`HPUB events.default ${sizes}\r\n${header}${payload}\r\nPING\r\n`);
  let answer = '';
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString();
  });
  await waitFor('the server to have read it', () => answer.includes('PONG'));
  socket.destroy();
}

describe('a message with headers that cannot be parsed', () => {
  it('is used by its body, and the feed goes on', async () => {
    const running = await start();
    await publishRaw('NATS/1.0\r\nBad Key: x\r\n\r\n', '{"lead_id":"l","event_type":"a"}');
    await publish(1);
    await waitFor('both messages', async () => (await positionOf(running)) === 2);
  });
});

describe('a JetStream that is not there at the start', () => {
  it('is waited for, visibly, and used once it has come', async () => {
    await nats.kill('SIGTERM');
    const bare: ChildProcess = spawn(natsServerBinary(), ['-a', '127.0.0.1', '-p', String(nats.port)], {
      stdio: 'ignore',
    });
    const running = await start({}, false);
    await waitFor('the reason', async () => {
      const { reasons } = (await (await fetch(`${running.url}/readyz`)).json()) as { reasons: string[] };
      return reasons.some((reason) => reason !== 'connecting to NATS');
    });
    bare.kill('SIGTERM');
    await once(bare, 'exit');
    await nats.start();
    await waitFor('readiness', async () => (await fetch(`${running.url}/readyz`)).status === 200);
  });
});

describe('a change of a sequence whose message is gone from the stream after a crash', () => {
  it('is made again, and further changes are taken: the message was deleted singly', async () => {
    const first = await start({ CHECKPOINT_INTERVAL_MS: NO_CHECKPOINT });
    await publish(5);
    await waitFor('the events', async () => (await positionOf(first)) === 5);
    await first.call('POST', '/sequences', SEQUENCE);
    await first.kill();
    const manager = await (await nats.connect()).jetstreamManager();
    await manager.streams.deleteMessage('EVENTS', 5);
    const second = await start();
    await second.call('POST', '/sequences', SEQUENCE);
    expect((await second.call<{ sequences: unknown[] }>('GET', '/sequences')).sequences.length).toBe(2);
  });

  it('is made again, and further changes are taken: a retention gap was accepted', async () => {
    const first = await start();
    await publish(1);
    await waitFor('the event', async () => (await positionOf(first)) === 1);
    await first.stop();
    const second = await start({ CHECKPOINT_INTERVAL_MS: NO_CHECKPOINT });
    await publish(5);
    await waitFor('the events', async () => (await positionOf(second)) === 6);
    await second.call('POST', '/sequences', SEQUENCE);
    await second.kill();
    const manager = await (await nats.connect()).jetstreamManager();
    await manager.streams.purge('EVENTS');
    const third = await start({ ON_STREAM_MISMATCH: 'accept' });
    await third.call('POST', '/sequences', SEQUENCE);
  });
});
