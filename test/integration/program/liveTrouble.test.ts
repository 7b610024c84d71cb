import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type NatsError, nkeys } from 'nats';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { expectAllAppliedOnce } from '../../support/appliedOnce.ts';
import { temporaryDirectory, waitFor } from '../../support/nats.ts';
import { allFires, readinessOf, startProgram } from '../../support/program.ts';
import { startProxy, type TestProxy } from '../../support/proxy.ts';
import { Stage } from '../../support/stage.ts';

// Each waits for several things in a row, and a trouble takes seconds to be noticed.
vi.setConfig({ testTimeout: 90_000 });

let stage: Stage;
let proxy: TestProxy | undefined;

afterEach(async () => {
  await stage.close();
  await proxy?.close();
  proxy = undefined;
});

describe('a server that is not there', () => {
  it('at the start is waited for, and /readyz names it', async () => {
    stage = await Stage.open();
    await stage.nats.kill();
    await stage.start({}, { ready: false });
    await stage.waitForTrouble(/^cannot connect to NATS at 127\.0\.0\.1:\d+: .*CONNECTION_REFUSED/);
    expect(await stage.ingest('ada', 'first')).toMatchObject({ status: 503 });
    await stage.nats.start();
    await stage.waitForReadiness();
    await stage.createSequence();
    await stage.publishBoth('ada');
    await expectAllAppliedOnce(stage, ['ada']);
  });

  it('because it was killed is connected to again once it is back', async () => {
    stage = await Stage.open();
    await stage.start();
    await stage.publishBoth('before');
    await stage.publish('during', 'first');
    await stage.nats.kill();
    await stage.waitForTrouble(/^disconnected from NATS/);
    const refused = await stage.ingest('during', 'second');
    expect(refused).toMatchObject({ status: 503 });
    expect(refused.text).toContain('disconnected from NATS');
    await stage.nats.start();
    await stage.waitForReadiness();
    expect(await stage.ingest('during', 'second')).toMatchObject({ status: 202 });
    await stage.publishBoth('after');
    await expectAllAppliedOnce(stage, ['before', 'during', 'after']);
    expect(await stage.storedMessages()).toBe(6);
  });

  it('because the embedded one was killed is started again, and the feed goes on', async () => {
    stage = await Stage.open();
    const program = await startProgram({ dataDir: stage.dataDir.path });
    try {
      const sequence = { name: 's', event_types: ['first', 'second'], window_seconds: 3600, ordered: true };
      await program.call('POST', '/sequences', sequence);
      const post = (type: string) =>
        program.call('POST', '/ingest', { id: `ada-${type}`, lead_id: 'ada', event_type: type });
      await post('first');
      const pid = Number(/"pid":(\d+),"msg":"started nats-server"/.exec(program.log())?.[1]);
      process.kill(pid, 'SIGKILL');
      await waitFor('the trouble', async () => {
        const { status, reasons } = await readinessOf(program);
        return status === 503 && /nats-server died|disconnected from NATS/.test(reasons);
      });
      await waitFor('readiness', async () => (await readinessOf(program)).status === 200);
      await post('second');
      await waitFor('the fire', async () => (await allFires(program)).length === 1);
    } finally {
      expect(await program.stop()).toBe(0);
    }
  });
});

describe('a consumer that is deleted', () => {
  it('is created again, and no event is lost or taken twice', async () => {
    stage = await Stage.open();
    await stage.start();
    await stage.publishBoth('before');
    const [consumer] = await stage.manager.consumers.list('EVENTS').next();
    await Promise.all([
      stage.manager.consumers.delete('EVENTS', consumer?.name ?? ''),
      stage.publishBoth('during'),
    ]);
    await stage.publishBoth('after');
    await expectAllAppliedOnce(stage, ['before', 'during', 'after']);
    expect(stage.program.log()).toContain('consumer_deleted');
  });
});

describe('credentials that are revoked', () => {
  const tester = 'tester:tester-password';
  const users = (...pairs: string[]) => {
    const entries = pairs.map((pair) => {
      const [user, password] = pair.split(':');
      return `{ user: ${user}, password: ${password} }`;
    });
    return [`authorization { users: [ ${entries.join(', ')} ] }`];
  };
  const client = { user: 'tester', pass: 'tester-password' };

  async function refusals(count: number): Promise<void> {
    const before = proxy?.linesEver ?? 0;
    await waitFor('refused attempts', () => (proxy?.linesEver ?? 0) >= before + count);
  }

  it('are named on /readyz for as long as it takes, and work again once they are restored', async () => {
    const both = users(tester, 'program:secret');
    stage = await Stage.open({ lines: both, client });
    proxy = await startProxy(stage.nats.port);
    stage.connectVia(`nats://program:secret@127.0.0.1:${proxy.port}`);
    await stage.start();
    await stage.publishBoth('before');
    await stage.waitForFire('before');
    await stage.nats.reload(users(tester));
    await stage.waitForTrouble(/^NATS refuses the credentials: AUTHORIZATION_VIOLATION$/);
    await stage.publishBoth('during');
    expect(await stage.ingest('refused', 'first')).toMatchObject({ status: 503 });
    // The client of NATS would give up after the second of these.
    await refusals(5);
    await stage.waitForTrouble(/^NATS refuses the credentials/);
    await stage.nats.reload(both);
    await stage.waitForReadiness();
    await stage.publishBoth('after');
    await expectAllAppliedOnce(stage, ['before', 'during', 'after']);
    expect(stage.program.log()).not.toContain('secret@');
  });

  it('can be changed in NATS_CREDS_FILE under the running program, also by way of a file that holds nothing', async () => {
    const [first, second] = [nkeys.createUser(), nkeys.createUser()];
    const allow = (key: typeof first) => [
      'authorization { users: [',
      '{ user: tester, password: tester-password },',
      `{ nkey: ${key.getPublicKey()} }`,
      '] }',
    ];
    const directory = await temporaryDirectory('credentials');
    const file = join(directory, 'user.creds');
    const store = (key: typeof first) =>
      writeFile(
        file,
        [
          '-----BEGIN NATS USER JWT-----',
          'of-no-importance-to-a-server-that-knows-its-keys',
          '------END NATS USER JWT------',
          '-----BEGIN USER NKEY SEED-----',
          new TextDecoder().decode(key.getSeed()),
          '------END USER NKEY SEED------',
          '',
        ].join('\n'),
      );
    try {
      await store(first);
      stage = await Stage.open({ lines: allow(first), client });
      await stage.start({ NATS_CREDS_FILE: file });
      await stage.publishBoth('before');
      await stage.waitForFire('before');
      await writeFile(file, '');
      await stage.nats.reload(allow(second));
      await stage.waitForTrouble(/^NATS refuses the credentials/);
      await stage.publishBoth('during');
      await store(second);
      await stage.waitForReadiness();
      await stage.publishBoth('after');
      await expectAllAppliedOnce(stage, ['before', 'during', 'after']);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

describe('a server without room', () => {
  it('refuses events, which is said; what is in the stream is read, and what is rejected waits, visibly', async () => {
    stage = await Stage.open({ storageMax: 4 * 2 ** 20 });
    await stage.manager.streams.add({ name: 'EVENTS', subjects: ['events.>'] });
    const rejected = { name: 'EVENTS_REJECTED', subjects: ['rejected.>'], max_bytes: 2 ** 20 };
    await stage.manager.streams.add(rejected);
    await stage.start();
    await stage.publish('ada', 'first');
    await stage.client.jetstream().publish('events.default', 'not json');
    await waitFor('the rejection', async () => {
      const { total } = await stage.program.call<{ total: number }>('GET', '/rejected-events');
      return total === 1;
    });
    expect(await stage.program.stop()).toBe(0);

    await stage.client.jetstream().publish('events.default', 'not json either');
    await stage.manager.streams.add({ name: 'FILLER', subjects: ['filler'] });
    const fill = async (): Promise<string> => {
      for (;;) {
        const failure = await stage.client
          .jetstream()
          .publish('filler', new Uint8Array(200_000))
          .then(
            () => undefined,
            (error: NatsError) => error.api_error?.description,
          );
        if (failure !== undefined) return failure;
      }
    };
    expect(await fill()).toMatch(/insufficient|resource/);

    await stage.start({}, { ready: false });
    await stage.waitForTrouble(/1 rejected events wait to be stored in EVENTS_REJECTED: /);
    const refused = await stage.ingest('ada', 'second');
    expect(refused.status).toBe(503);
    expect(refused.text).toMatch(/JetStream refused an event: .*(insufficient|resource)/);
    await stage.manager.streams.delete('FILLER');
    await stage.waitForReadiness();
    expect(await stage.ingest('ada', 'second')).toMatchObject({ status: 202 });
    await stage.waitForFire('ada');
    const { total } = await stage.program.call<{ total: number }>('GET', '/rejected-events');
    expect(total).toBe(2);
  });
});
