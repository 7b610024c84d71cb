import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openEnvironment } from '../../../src/store/environment.ts';
import { startNats, type TestServer, waitFor } from '../../support/nats.ts';
import { aDelivery, aFire, openStores } from '../../support/outbox.ts';
import {
  allFires,
  type RunningProgram,
  startProgram,
  TOKEN,
  temporaryDataDir,
} from '../../support/program.ts';
import { type Receiver, startReceiver } from '../../support/receivers.ts';

const MAX_AGE_MS = 1_000;
const MAX_AGE = { HISTORY_MAX_AGE: `${MAX_AGE_MS}ms` };

let dataDir: ReturnType<typeof temporaryDataDir>;
let nats: TestServer;
let receiver: Receiver;
let program: RunningProgram;
let ticking: NodeJS.Timeout;

beforeEach(async () => {
  dataDir = temporaryDataDir();
  nats = await startNats();
  receiver = await startReceiver();
});

afterEach(async () => {
  clearInterval(ticking);
  await program.kill();
  await receiver.close();
  await nats.stop();
  dataDir.remove();
});

/** Publishes events that complete nothing, so that the arrival clock of the stream goes on. */
async function tick(): Promise<void> {
  const client = await nats.connect();
  ticking = setInterval(
    () => client.publish('events.default', '{"lead_id":"clock","event_type":"tick"}'),
    50,
  );
}

async function publish(event: object): Promise<void> {
  const client = await nats.connect();
  client.publish('events.default', JSON.stringify(event));
  await client.flush();
}

async function start(env: Record<string, string> = {}): Promise<void> {
  program = await startProgram({
    dataDir: dataDir.path,
    env: { NATS_URL: nats.url, CHECKPOINT_INTERVAL_MS: '50', ...env },
  });
}

async function createSequence(type: string, change: object): Promise<string> {
  const body = { name: type, event_types: [type], window_seconds: 60, ...change };
  return (await program.call<{ id: string }>('POST', '/sequences', body)).id;
}

const delivered = async () =>
  (await program.call<{ total: number }>('GET', '/deliveries?status=delivered')).total;

/** The ids in a table of the store, once the program has ended. */
async function keysIn(table: string): Promise<string[]> {
  const environment = openEnvironment(dataDir.path);
  const keys = [...environment.table(table).getKeys()].map((key) => JSON.stringify([key].flat()));
  await environment.close();
  return keys;
}

describe('the history of a store of before there were counts of it', () => {
  it('is counted while the program runs, and lists, pages and exports the same before and after', async () => {
    const stores = openStores(dataDir.path);
    const fires = [1, 2, 3].map((n) => aFire({ id: `fire-${n}`, ou: 'default', firedAtMicros: n * 1e12 }));
    const entries = fires.map((fire) => ({
      fire,
      deliveries: [
        aDelivery({ id: `del-${fire.id}`, fireId: fire.id, ou: 'default', state: 'dead', dueAtMs: null }),
      ],
    }));
    await stores.fires.commitFires(entries).flushed;
    await stores.environment.close();
    await start();
    const read = async () => {
      const lists = [
        '/sequence-events?limit=1&page=2',
        '/sequence-events?lead_id=lead-1',
        '/deliveries?status=dead',
      ];
      const answers = await Promise.all(lists.map((list) => program.call<{ total: number }>('GET', list)));
      return answers.map(({ total }) => total);
    };
    expect(await read()).toEqual([3, 3, 3]);
    await program.stop();
    const after = openStores(dataDir.path);
    const counted = [after.fires.rows.counts.isComplete, after.deliveries.rows.indexCounts.isComplete];
    await after.environment.close();
    expect(counted).toEqual([true, true]);
    await start();
    expect(await read()).toEqual([3, 3, 3]);
    const headers = { authorization: `Bearer ${TOKEN}` };
    const text = await (await fetch(`${program.url}/sequence-events/export`, { headers })).text();
    expect(text.split('\r\n').map((row) => row.split(',')[0])).toEqual([
      'id',
      'fire-3',
      'fire-2',
      'fire-1',
      '',
    ]);
  });
});

describe('the history of the running program', () => {
  it('loses what is finished and old, and nothing else, and says so', async () => {
    await start(MAX_AGE);
    const sent = await createSequence('sent', { webhook_url: `${receiver.url}/hook` });
    const held = await createSequence('held', { emails: ['sales@example.com'] });
    await publish({ id: 'e-1', lead_id: 'ada', event_type: 'sent' });
    await publish({ id: 'e-2', lead_id: 'ada', event_type: 'held' });
    await waitFor('the webhook', async () => (await delivered()) === 1);
    await program.call('DELETE', `/sequences/${sent}`);
    await program.call('DELETE', `/sequences/${held}`);
    await tick();
    await waitFor('the removal', async () => (await delivered()) === 0);
    expect((await allFires(program)).map(({ sequence_id }) => sequence_id)).toEqual([held]);
    await waitFor('the removal of the sequence', () => program.log().includes('"sequences":1'));
    const line = program
      .log()
      .split('\n')
      .find((text) => text.includes('"msg":"removed old history"'));
    expect(JSON.parse(line ?? '{}')).toMatchObject({ fires: 1, deliveries: 1, attempts: 1, kept: 1 });
    const metrics = await (await fetch(`${program.url}/metrics`)).text();
    expect(metrics).toContain('sequence_triggers_history_removed_total{table="fires"} 1\n');
    expect(metrics).toMatch(/^sequence_triggers_oldest_fire_age_seconds [1-9]/m);
    await program.stop();
    expect(await keysIn('deleted_sequences')).toEqual([JSON.stringify(['default', held])]);
    expect(await keysIn('delivery_attempts')).toEqual([]);
  });

  it('keeps what a replay would derive again, so that nothing is sent twice after a crash', async () => {
    await start();
    await createSequence('sent', { webhook_url: `${receiver.url}/hook` });
    await publish({ id: 'e-1', lead_id: 'ada', event_type: 'sent' });
    await waitFor('the first webhook', async () => (await delivered()) === 1);
    await program.stop();
    // From here on no checkpoint is written: a replay begins behind the first event.
    await start({ ...MAX_AGE, CHECKPOINT_INTERVAL_MS: '600000' });
    await publish({ id: 'e-2', lead_id: 'ada', event_type: 'sent' });
    await waitFor('the second webhook', async () => (await delivered()) === 2);
    await tick();
    await new Promise((resolve) => setTimeout(resolve, 3 * MAX_AGE_MS));
    clearInterval(ticking);
    await program.kill();
    await start();
    await publish({ id: 'e-3', lead_id: 'ada', event_type: 'sent' });
    await waitFor('the third webhook', () => receiver.requests.length >= 3);
    await waitFor('it to be recorded', async () => (await delivered()) === 3);
    const ids = receiver.requests.map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids).size).toBe(3);
    expect(ids).toHaveLength(3);
  });

  it('is kept for good with an age of 0', async () => {
    await start({ HISTORY_MAX_AGE: '0' });
    await createSequence('sent', { webhook_url: `${receiver.url}/hook` });
    await publish({ id: 'e-1', lead_id: 'ada', event_type: 'sent' });
    await waitFor('the webhook', async () => (await delivered()) === 1);
    await tick();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await delivered()).toBe(1);
    expect(program.log()).not.toContain('removed old history');
  });
});
