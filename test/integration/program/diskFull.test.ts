import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, type TestContext } from 'vitest';
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

/** A program on a disk of its own that has made and delivered the first fires. */
class Scene {
  readonly nats: TestServer;
  readonly disk: SmallDisk;
  readonly receiver: Receiver;
  program!: RunningProgram;

  private constructor(nats: TestServer, disk: SmallDisk, receiver: Receiver) {
    this.nats = nats;
    this.disk = disk;
    this.receiver = receiver;
  }

  static async open({ onTestFinished }: TestContext): Promise<Scene> {
    const scene = new Scene(await startNats(), aSmallDisk(DISK_BYTES), await startReceiver());
    onTestFinished(() => scene.close());
    await scene.start();
    await createTwoSteps(scene.program, scene.receiver.url);
    await scene.publish(0, BEFORE);
    await waitFor('the first webhooks', () => scene.receiver.requests.length === BEFORE);
    await waitFor('their records', async () => (await scene.deliveredCount()) === BEFORE);
    return scene;
  }

  private async close(): Promise<void> {
    this.disk.makeRoom();
    await this.program?.kill();
    await this.receiver.close();
    await this.nats.stop();
    this.disk.remove();
  }

  async start(options: Pick<ProgramOptions, 'env' | 'ready'> = {}): Promise<void> {
    const env = { NATS_URL: this.nats.url, CHECKPOINT_INTERVAL_MS: '100', ...options.env };
    this.program = await startProgram({ ...options, dataDir: this.disk.path, env });
  }

  /** Two events of each lead, which complete the sequence. */
  async publish(from: number, to: number): Promise<void> {
    const stream = (await this.nats.connect()).jetstream();
    for (let lead = from; lead < to; lead++) {
      for (const type of ['a', 'b']) {
        const event = { id: `${lead}-${type}`, lead_id: `lead-${lead}`, event_type: type };
        await stream.publish('events.default', JSON.stringify(event));
      }
    }
  }

  async deliveredCount(): Promise<number> {
    const { total } = await this.program.call<{ total: number }>('GET', '/deliveries?status=delivered');
    return total;
  }

  async readiness(): Promise<{ readonly status: number; readonly text: string }> {
    const answer = await fetch(`${this.program.url}/readyz`);
    return { status: answer.status, text: await answer.text() };
  }

  async waitForTrouble(): Promise<void> {
    await waitFor('the trouble', async () => (await this.readiness()).text.includes('the disk is full'));
  }

  async fillAndPublish(): Promise<void> {
    this.disk.fill();
    await this.publish(BEFORE, BEFORE + DURING);
    await this.waitForTrouble();
  }

  get idsSent(): string[] {
    return this.receiver.requests.map(({ headers }) => String(headers['webhook-id']));
  }

  /** One fire for each lead, each sent under its id, and no webhook under another. */
  async expectEverything(): Promise<void> {
    const leads = BEFORE + DURING;
    await waitFor('all deliveries', async () => (await this.deliveredCount()) === leads);
    const fires = await allFires(this.program);
    expect(new Set(fires.map(({ lead_id }) => lead_id)).size).toBe(leads);
    expect(fires.length).toBe(leads);
    expect(new Set(this.idsSent)).toEqual(new Set(fires.map(({ id }) => id)));
  }
}

// A program that stops gives its writes some seconds, which the tests wait for side by side.
describe
  .skipIf(NO_SMALL_DISK !== null)
  .concurrent(`a program on a full disk (${NO_SMALL_DISK ?? 'mounted'})`, { timeout: TEST_MS_MAX }, () => {
    it('stays up and says so, and goes on by itself when there is room, without losing or repeating a fire', async (context) => {
      const scene = await Scene.open(context);
      await scene.fillAndPublish();
      expect((await scene.readiness()).status).toBe(503);
      const metrics = await (await fetch(`${scene.program.url}/metrics`)).text();
      expect(metrics).toMatch(/^sequence_triggers_store_waits 1$/m);
      const position = await positionOf(scene.program);
      await sleep(1_500);
      expect(scene.program.process.exitCode).toBeNull();
      expect(await positionOf(scene.program)).toBe(position);
      await expect(
        scene.program.call('POST', '/sequences', { name: 'x', event_types: ['a'], window_seconds: 1 }),
      ).rejects.toThrow('503');
      scene.disk.makeRoom();
      await waitFor('readiness', async () => (await scene.readiness()).status === 200);
      await scene.expectEverything();
      expect(scene.idsSent.length).toBe(BEFORE + DURING);
    });

    it('and killed there goes on after a restart with room', async (context) => {
      const scene = await Scene.open(context);
      await scene.fillAndPublish();
      await scene.program.kill();
      scene.disk.makeRoom();
      await scene.start();
      await scene.expectEverything();
    });

    it('ends on a signal, and what it could not write is done after the next start', async (context) => {
      const scene = await Scene.open(context);
      await scene.fillAndPublish();
      expect(await scene.program.stop()).toBe(0);
      scene.disk.makeRoom();
      await scene.start();
      await scene.expectEverything();
    });

    it('ends on a signal also while the start waits for room to take its place in another stream', async (context) => {
      const scene = await Scene.open(context);
      const { nats, disk } = scene;
      await scene.program.stop();
      await (await (await nats.connect()).jetstreamManager()).streams.delete('EVENTS');
      await nats.kill('SIGTERM');
      await scene.start({ env: { ON_STREAM_MISMATCH: 'accept' }, ready: false });
      disk.fill();
      const releasePages = await takeFreePages(disk.path);
      disk.fill();
      await nats.start();
      await scene.waitForTrouble();
      expect(await scene.program.stop()).toBe(0);
      releasePages();
    });

    it('cannot be started, and says so in one line', async (context) => {
      const scene = await Scene.open(context);
      await scene.program.stop();
      scene.disk.fill();
      const { code, lines } = await runToEnd({ dataDir: scene.disk.path, env: { NATS_URL: scene.nats.url } });
      expect(code).toBe(1);
      expect(lines).toEqual([expect.stringMatching(/^sequence-triggers: .*no space left on device/i)]);
      scene.disk.makeRoom();
      await scene.start();
      expect((await allFires(scene.program)).length).toBe(BEFORE);
    });
  });

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
