import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startNats, type TestServer, waitFor } from '../../support/nats.ts';
import {
  allFires,
  positionOf,
  type RunningProgram,
  startProgram,
  temporaryDataDir,
} from '../../support/program.ts';

describe('a stream that was deleted and created anew while the program was down', () => {
  const dataDir = temporaryDataDir();
  let nats: TestServer;
  let program: RunningProgram;
  let sequenceId: string;
  let publish: (id: string, type: string) => Promise<void>;

  beforeAll(async () => {
    nats = await startNats();
    program = await startProgram({ dataDir: dataDir.path, env: { NATS_URL: nats.url } });
    const client = await nats.connect();
    publish = async (id, type) => {
      client.publish('events.default', JSON.stringify({ id, lead_id: 'ada', event_type: type }));
      await client.flush();
    };
    const body = { name: 'two steps', event_types: ['first', 'second'], window_seconds: 3600, ordered: true };
    sequenceId = (await program.call<{ id: string }>('POST', '/sequences', body)).id;
    for (let index = 0; index < 5; index++) await publish(`old-${index}`, 'first');
    await waitFor('the events to be applied', async () => (await positionOf(program)) === 5);
    expect(await program.stop()).toBe(0);
    const manager = await client.jetstreamManager();
    await manager.streams.delete('EVENTS');
  });

  afterAll(async () => {
    await program?.stop();
    await nats?.stop();
    dataDir.remove();
  });

  it('is named on /readyz and not read, until an operator accepts it', async () => {
    program = await startProgram({ dataDir: dataDir.path, env: { NATS_URL: nats.url }, ready: false });
    const reasons = await waitFor('the verdict', async () => {
      const answer = await fetch(`${program.url}/readyz`);
      const { reasons } = (await answer.json()) as { reasons: string[] };
      return answer.status === 503 && reasons.some((reason) => reason.startsWith('recreated:'))
        ? reasons
        : undefined;
    });
    expect(reasons.join()).toContain('ON_STREAM_MISMATCH=accept');
    await publish('new-0', 'second');
    expect(await allFires(program, sequenceId)).toEqual([]);
    expect(await program.stop()).toBe(0);
  });

  it('is read from its start once accepted; leads keep what they held, and later starts go on by themselves', async () => {
    const env = { NATS_URL: nats.url, ON_STREAM_MISMATCH: 'accept' };
    program = await startProgram({ dataDir: dataDir.path, env });
    const [fire] = await waitFor('the fire', async () => {
      const fires = await allFires(program, sequenceId);
      return fires.length === 1 ? fires : undefined;
    });
    expect(fire?.events.map(({ id }) => id)).toEqual(['old-4', 'new-0']);
    await program.kill();
    program = await startProgram({ dataDir: dataDir.path, env: { NATS_URL: nats.url } });
    await publish('new-1', 'first');
    await publish('new-2', 'second');
    await waitFor('the second fire', async () => (await allFires(program, sequenceId)).length === 2);
    expect(await positionOf(program)).toBe(8);
  });
});

describe('a stream that lost its end behind the checkpoint, as after a power cut', () => {
  const dataDir = temporaryDataDir();
  const store = join(dataDir.path, 'nats');
  const older = join(dataDir.path, 'nats-before');
  let program: RunningProgram;

  afterAll(async () => {
    await program?.stop();
    dataDir.remove();
  });

  it('is not resumed, because a logged change lies beyond its end', async () => {
    const env = { CHECKPOINT_INTERVAL_MS: '600000' };
    const event = (id: string) => ({ id, lead_id: 'ada', event_type: 'first' });
    program = await startProgram({ dataDir: dataDir.path, env });
    await program.call('POST', '/ingest', { events: [event('1'), event('2')] });
    await waitFor('two events', async () => (await positionOf(program)) === 2);
    expect(await program.stop()).toBe(0);
    cpSync(store, older, { recursive: true });

    program = await startProgram({ dataDir: dataDir.path, env });
    await program.call('POST', '/ingest', { events: [event('3'), event('4')] });
    await waitFor('four events', async () => (await positionOf(program)) === 4);
    await program.call('POST', '/sequences', { name: 's', event_types: ['first'], window_seconds: 60 });
    const server = Number(/"pid":(\d+),"msg":"started nats-server"/.exec(program.log())?.[1]);
    await program.kill();
    process.kill(server, 'SIGKILL');
    rmSync(store, { recursive: true });
    cpSync(older, store, { recursive: true });

    program = await startProgram({ dataDir: dataDir.path, env, ready: false });
    await waitFor('the verdict', async () => {
      const { reasons } = (await (await fetch(`${program.url}/readyz`)).json()) as { reasons: string[] };
      return reasons.some((reason) => reason.startsWith('rolled_back:'));
    });
  });
});
