import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../bench/random.ts';
import { startNats, type TestServer, waitFor } from '../support/nats.ts';
import {
  allFires,
  type DataSet,
  dataSets,
  type FireView,
  positionOf,
  type RunningProgram,
  sequencesOf,
  startProgram,
  temporaryDataDir,
} from '../support/program.ts';
import { type Receiver, startReceiver } from '../support/receivers.ts';

const KILLS = 5;
const CHUNKS = 100;
const CHUNK_PAUSE_MS = 25;
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const sets = dataSets();

// The data lies beside the repository and is not part of it. The sets wait for their restarts side by side.
describe.skipIf(sets === undefined).concurrent.each(sets ?? [])(
  `$file and a program that is killed ${KILLS} times (SEED=${seed})`,
  (set) => {
    const dataDir = temporaryDataDir();
    let nats: TestServer;
    let receiver: Receiver;
    let program: RunningProgram;

    const start = () =>
      startProgram({
        dataDir: dataDir.path,
        env: {
          NATS_URL: nats.url,
          CHECKPOINT_INTERVAL_MS: '150',
          RETRY_SCHEDULE: Array(30).fill('1s').join(','),
        },
        ready: false,
      });

    beforeAll(async () => {
      nats = await startNats();
      receiver = await startReceiver();
      program = await start();
      await waitFor('readiness', async () => (await fetch(`${program.url}/readyz`)).status === 200);
    });

    afterAll(async () => {
      await program?.stop();
      await receiver?.close();
      await nats?.stop();
      dataDir.remove();
    });

    it('ends with the right answers, every fire received, and no fire under two ids', async () => {
      const created = [];
      for (const { body, leads } of sequencesOf(set)) {
        const sequence = { ...body, webhook_url: `${receiver.url}/hook` };
        const { id, name } = await program.call<{ id: string; name: string }>('POST', '/sequences', sequence);
        created.push({ id, name, leads });
      }

      const publishing = publish(set);
      const random = seededRandom(seed);
      for (let kill = 0; kill < KILLS; kill++) {
        await sleep(random() * 500);
        await program.kill();
        await sleep(random() * 100);
        program = await start();
      }
      await publishing;

      await waitFor('the end of the file', async () => (await positionOf(program)) === set.lines.length);
      const undelivered = async (status: string) =>
        (await program.call<{ total: number }>('GET', `/deliveries?status=${status}`)).total;
      await waitFor(
        'every delivery',
        async () => (await undelivered('pending')) + (await undelivered('retrying')) === 0,
      );

      const fires = await allFires(program);
      const leadsOf = (id: string) =>
        new Set(fires.filter(({ sequence_id }) => sequence_id === id).map(({ lead_id }) => lead_id)).size;
      expect(created.map(({ id, name }) => ({ name, leads: leadsOf(id) }))).toEqual(
        created.map(({ name, leads }) => ({ name, leads })),
      );
      expect(fires.map(completionOf).filter(isRepeated)).toEqual([]);
      const bodies = new Map<string, Set<string>>();
      for (const { headers, body } of receiver.requests) {
        const id = String(headers['webhook-id']);
        bodies.set(id, (bodies.get(id) ?? new Set()).add(body));
      }
      expect([...bodies.keys()].sort()).toEqual(fires.map(({ id }) => id).sort());
      expect([...bodies.values()].filter((variants) => variants.size > 1)).toEqual([]);
    }, 120_000);

    async function publish(set: DataSet): Promise<void> {
      const client = await nats.connect();
      const chunkLines = Math.ceil(set.lines.length / CHUNKS);
      for (let from = 0; from < set.lines.length; from += chunkLines) {
        for (const line of set.lines.slice(from, from + chunkLines)) client.publish('events.default', line);
        await client.flush();
        await sleep(CHUNK_PAUSE_MS);
      }
    }
  },
);

/** What makes a completion the same one: its sequence, its lead, and the events that it consumed. */
function completionOf({ sequence_id, lead_id, events }: FireView): string {
  return JSON.stringify([sequence_id, lead_id, events.map(({ id }) => id)]);
}

function isRepeated(item: string, index: number, items: readonly string[]): boolean {
  return items.indexOf(item) !== index;
}
