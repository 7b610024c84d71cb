import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openEnvironment } from '../../../src/store/environment.ts';
import { startNats, type TestServer, waitFor } from '../../support/nats.ts';
import {
  allFires,
  createTwoSteps,
  type ProgramOptions,
  positionOf,
  type RunningProgram,
  runToEnd,
  startProgram,
} from '../../support/program.ts';
import { type Receiver, startReceiver } from '../../support/receivers.ts';
import { aSmallDisk, NO_SMALL_DISK, type SmallDisk } from '../../support/smallDisk.ts';

const DISK_BYTES = 24 * 2 ** 20;
const BEFORE = 20;
const DURING = 40;
/** Two programs, one after the other, on a machine that may be busy. */
const TEST_MS_MAX = 90_000;

describe.skipIf(NO_SMALL_DISK !== null)(
  `a program on a full disk (${NO_SMALL_DISK ?? 'mounted'})`,
  { timeout: TEST_MS_MAX },
  () => {
    let nats: TestServer;
    let disk: SmallDisk;
    let receiver: Receiver;
    let program: RunningProgram;

    beforeEach(async () => {
      nats = await startNats();
      disk = aSmallDisk(DISK_BYTES);
      receiver = await startReceiver();
      program = await start();
      await createTwoSteps(program, receiver.url);
      await publish(0, BEFORE);
      await waitFor('the first webhooks', () => receiver.requests.length === BEFORE);
      await waitFor('their records', async () => (await deliveredCount()) === BEFORE);
    });

    afterEach(async () => {
      disk.makeRoom();
      await program.stop();
      await receiver.close();
      await nats.stop();
      disk.remove();
    });

    const start = (options: Pick<ProgramOptions, 'env' | 'ready'> = {}) =>
      startProgram({
        ...options,
        dataDir: disk.path,
        env: { NATS_URL: nats.url, CHECKPOINT_INTERVAL_MS: '100', ...options.env },
      });

    /** Two events of each lead, which complete the sequence. */
    async function publish(from: number, to: number): Promise<void> {
      const stream = (await nats.connect()).jetstream();
      for (let lead = from; lead < to; lead++) {
        for (const type of ['a', 'b']) {
          const event = { id: `${lead}-${type}`, lead_id: `lead-${lead}`, event_type: type };
          await stream.publish('events.default', JSON.stringify(event));
        }
      }
    }

    async function deliveredCount(): Promise<number> {
      const { total } = await program.call<{ total: number }>('GET', '/deliveries?status=delivered');
      return total;
    }

    const readiness = async () => {
      const answer = await fetch(`${program.url}/readyz`);
      return { status: answer.status, text: await answer.text() };
    };

    async function fillAndPublish(): Promise<void> {
      disk.fill();
      await publish(BEFORE, BEFORE + DURING);
      await waitFor('the trouble', async () => (await readiness()).text.includes('the disk is full'));
    }

    const idsSent = () => receiver.requests.map(({ headers }) => String(headers['webhook-id']));

    /** One fire for each lead, each sent under its id, and no webhook under another. */
    async function expectEverything(): Promise<void> {
      const leads = BEFORE + DURING;
      await waitFor('all deliveries', async () => (await deliveredCount()) === leads);
      const fires = await allFires(program);
      expect(new Set(fires.map(({ lead_id }) => lead_id)).size).toBe(leads);
      expect(fires.length).toBe(leads);
      expect(new Set(idsSent())).toEqual(new Set(fires.map(({ id }) => id)));
    }

    it('stays up and says so, and goes on by itself when there is room, without losing or repeating a fire', async () => {
      await fillAndPublish();
      expect((await readiness()).status).toBe(503);
      const metrics = await (await fetch(`${program.url}/metrics`)).text();
      expect(metrics).toMatch(/^sequence_triggers_store_waits 1$/m);
      const position = await positionOf(program);
      await sleep(1_500);
      expect(program.process.exitCode).toBeNull();
      expect(await positionOf(program)).toBe(position);
      await expect(
        program.call('POST', '/sequences', { name: 'x', event_types: ['a'], window_seconds: 1 }),
      ).rejects.toThrow('503');
      disk.makeRoom();
      await waitFor('readiness', async () => (await readiness()).status === 200);
      await expectEverything();
      expect(idsSent().length).toBe(BEFORE + DURING);
    });

    it('and killed there goes on after a restart with room', async () => {
      await fillAndPublish();
      await program.kill();
      disk.makeRoom();
      program = await start();
      await expectEverything();
    });

    it('ends on a signal, and what it could not write is done after the next start', async () => {
      await fillAndPublish();
      expect(await program.stop()).toBe(0);
      disk.makeRoom();
      program = await start();
      await expectEverything();
    });

    it('ends on a signal also while the start waits for room to take its place in another stream', async () => {
      await program.stop();
      await (await (await nats.connect()).jetstreamManager()).streams.delete('EVENTS');
      await nats.kill('SIGTERM');
      program = await start({ env: { ON_STREAM_MISMATCH: 'accept' }, ready: false });
      disk.fill();
      const releasePages = await takeFreePages(disk.path);
      disk.fill();
      await nats.start();
      await waitFor('the trouble', async () => (await readiness()).text.includes('the disk is full'));
      expect(await program.stop()).toBe(0);
      releasePages();
    });

    it('cannot be started, and says so in one line', async () => {
      await program.stop();
      disk.fill();
      const { code, lines } = await runToEnd({ dataDir: disk.path, env: { NATS_URL: nats.url } });
      expect(code).toBe(1);
      expect(lines).toEqual([expect.stringMatching(/^sequence-triggers: .*no space left on device/i)]);
      disk.makeRoom();
      program = await start();
      expect((await allFires(program)).length).toBe(BEFORE);
    });
  },
);

/** Uses up what is free within the file of the store, and keeps more from becoming free, as a backup does. */
async function takeFreePages(dataDir: string): Promise<() => void> {
  const environment = openEnvironment(dataDir);
  const reading = environment.root.useReadTransaction();
  environment.root.get('anything', { transaction: reading });
  const table = environment.table('meta');
  let isFull = false;
  for (let round = 0; !isFull; round++) {
    const row = Buffer.from(String(round));
    await environment
      .write(() => void table.put(['filler'], row))
      .catch(() => {
        isFull = true;
      });
  }
  return () => reading.done();
}
