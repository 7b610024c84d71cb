import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startNats, type TestServer, waitFor } from '../../support/nats.ts';
import {
  allFires,
  createTwoSteps,
  positionOf,
  type RunningProgram,
  runToEnd,
  startProgram,
  temporaryDataDir,
} from '../../support/program.ts';
import { type Receiver, startReceiver } from '../../support/receivers.ts';

const BACKUP = fileURLToPath(new URL('../../../dist/src/cli/backup.js', import.meta.url));
const LEADS_BEFORE = 80;
const LEADS = 200;
/** Two programs, one after the other, on a machine that may be busy. */
const TEST_MS_MAX = 90_000;

let dataDir: ReturnType<typeof temporaryDataDir>;
let other: ReturnType<typeof temporaryDataDir>;

beforeEach(() => {
  dataDir = temporaryDataDir();
  other = temporaryDataDir();
});

afterEach(() => {
  dataDir.remove();
  other.remove();
});

const backup = (...args: string[]) => runToEnd({ dataDir: dataDir.path }, BACKUP, args);

describe('a backup that is made while the program works', () => {
  let nats: TestServer;
  let receiver: Receiver;
  let program: RunningProgram | undefined;

  beforeEach(async () => {
    nats = await startNats();
    receiver = await startReceiver();
  });

  afterEach(async () => {
    await program?.stop();
    await receiver.close();
    await nats.stop();
  });

  const start = (path: string) =>
    startProgram({ dataDir: path, env: { NATS_URL: nats.url, CHECKPOINT_INTERVAL_MS: '100' } });

  async function publish(from: number, to: number): Promise<void> {
    const stream = (await nats.connect()).jetstream();
    for (let lead = from; lead < to; lead++) {
      for (const type of ['a', 'b']) {
        const event = { id: `${lead}-${type}`, lead_id: `lead-${lead}`, event_type: type };
        await stream.publish('events.default', JSON.stringify(event));
      }
    }
  }

  const sent = () => new Map(receiver.requests.map(({ headers, body }) => [headers['webhook-id'], body]));

  it(
    'is what a start on the same stream goes on from, to the same fires, ids and bodies',
    async () => {
      program = await start(dataDir.path);
      await createTwoSteps(program, receiver.url);
      await publish(0, LEADS_BEFORE);
      const publishing = publish(LEADS_BEFORE, LEADS);
      const target = join(other.path, 'copy');
      const { code, lines } = await backup(target);
      expect(lines).toEqual([
        expect.stringMatching(/^copied position \d+, \d+ bytes in \d+\.\d s, to \/.*\/copy$/),
      ]);
      expect(code).toBe(0);
      expect(readdirSync(target)).toEqual(['lmdb']);
      await publishing;
      await waitFor('the rest', async () => (await positionOf(program!)) === 2 * LEADS);
      await waitFor('the webhooks', () => sent().size === LEADS);
      const fires = await allFires(program);
      const bodies = sent();
      await program.stop();

      receiver.requests.length = 0;
      program = await start(target);
      await waitFor('the end of the stream', async () => (await positionOf(program!)) === 2 * LEADS);
      const restored = await allFires(program);
      const idsOf = (views: typeof fires) => views.map(({ id }) => id).sort();
      expect(idsOf(restored)).toEqual(idsOf(fires));
      await waitFor('its deliveries', async () => {
        const { total } = await program!.call<{ total: number }>('GET', '/deliveries?status=delivered');
        return total === LEADS;
      });
      for (const [id, body] of sent()) expect(body).toBe(bodies.get(id));
    },
    TEST_MS_MAX,
  );
});

describe('a backup', () => {
  it('is refused, in one line, where there is no store, and into a directory that holds something', async () => {
    const absent = await backup(other.path);
    expect(absent).toEqual({ code: 1, lines: [`DATA_DIR ${dataDir.path} holds no store`] });
    mkdirSync(join(dataDir.path, 'lmdb'));
    writeFileSync(join(dataDir.path, 'lmdb', 'data.mdb'), '');
    writeFileSync(join(other.path, 'kept'), '');
    expect(await backup(other.path)).toEqual({ code: 1, lines: [`${other.path} is not empty`] });
    expect(readdirSync(other.path)).toEqual(['kept']);
  });

  it('of a file that is no store leaves nothing behind', async () => {
    mkdirSync(join(dataDir.path, 'lmdb'));
    writeFileSync(join(dataDir.path, 'lmdb', 'data.mdb'), Buffer.alloc(16_384, 7));
    const { code, lines } = await backup(other.path);
    expect(code).toBe(1);
    expect(lines).toEqual([expect.stringMatching(/^the backup failed: /)]);
    expect(readdirSync(other.path)).toEqual([]);
  });

  it.each([[[]], [['one', 'two']], [['--all', 'one']]])('with %j says how it is used', async (args) => {
    const { code, lines } = await backup(...args);
    expect(code).toBe(2);
    expect(lines.join('\n')).toContain('npm run backup -- DIR');
  });
});
