import { afterEach, beforeEach, expect, it } from 'vitest';
import { PARTITIONS, partitionOf } from '../../../src/model/partition.ts';
import { openEnvironment } from '../../../src/store/environment.ts';
import { StateStore } from '../../../src/store/states.ts';
import { waitFor } from '../../support/nats.ts';
import {
  createTwoSteps,
  type RunningProgram,
  startProgram,
  temporaryDataDir,
} from '../../support/program.ts';
import { type Receiver, startReceiver } from '../../support/receivers.ts';

/** Many more than a start waits for. */
const LEADS = 250_000;
const ROWS_PER_WRITE = 10_000;
const TEST_MS_MAX = 120_000;
const leadIds = Array.from({ length: LEADS }, (_, index) => `lead-${index}`);
/** Those that lie at the end of the store, and so are loaded last. */
const [one, two, three, four] = leadIds.filter((leadId) => partitionOf(leadId) === PARTITIONS - 1) as [
  string,
  string,
  string,
  string,
];

let dataDir: ReturnType<typeof temporaryDataDir>;
let receiver: Receiver;
let program: RunningProgram | undefined;

beforeEach(async () => {
  dataDir = temporaryDataDir();
  receiver = await startReceiver();
});

afterEach(async () => {
  await program?.stop();
  await receiver.close();
  dataDir.remove();
});

const publish = (running: RunningProgram, leadId: string, type: string) =>
  running.call('POST', '/ingest', { id: `${leadId}-${type}`, lead_id: leadId, event_type: type, score: 40 });

const progressOf = (running: RunningProgram, id: string) =>
  running.call<{ leads: number }>('GET', `/sequences/${id}/progress`);

/** A store in which all leads have made the first step of two; gives the id of the sequence. */
async function storeOfLeads(): Promise<string> {
  const first = await startProgram({ dataDir: dataDir.path });
  await createTwoSteps(first, receiver.url);
  const { sequences } = await first.call<{ sequences: { id: string }[] }>('GET', '/sequences');
  const { id } = sequences[0]!;
  await publish(first, 'lead-0', 'a');
  await waitFor('the first lead', async () => (await progressOf(first, id)).leads === 1);
  await first.stop();
  const environment = openEnvironment(dataDir.path);
  const states = new StateStore(environment);
  const state = Buffer.from(states.leadState('default', 'lead-0')!);
  const reach = states.highWater()!;
  for (let from = 1; from < LEADS; from += ROWS_PER_WRITE) {
    const count = Math.min(ROWS_PER_WRITE, LEADS - from);
    const rows = leadIds.slice(from, from + count).map((leadId) => ({ ou: 'default', leadId, state }));
    await states.putLeads(rows, reach);
  }
  await environment.close();
  return id;
}

it(
  'fires for leads, and answers for them, before all of a large store are loaded, and counts them when they are',
  async () => {
    const id = await storeOfLeads();
    // Answers come before NATS is there, and the others are loaded behind that.
    program = await startProgram({ dataDir: dataDir.path, ready: false });
    const { call, log } = program;
    await expect(progressOf(program, id)).rejects.toThrow(/503.*the lead states are being loaded/s);
    const held = await call<{ held: unknown[] }>('GET', `/sequences/${id}/leads/${one}`);
    expect(held.held).toMatchObject([{ step: 1, event_type: 'a' }]);
    const simulated = await call<{ scanned_events: number }>('POST', `/sequences/${id}/simulate`, {
      lead_id: two,
    });
    expect(simulated.scanned_events).toBe(1);
    const trigger = { name: 'warm', score_threshold: 50 };
    const scored = await call('POST', '/triggers/simulate', { trigger, lead_id: three });
    expect(scored).toMatchObject({ lead: { lead_id: three, score: 40 } });
    expect(log()).not.toContain('all lead states are loaded');

    await waitFor('the feed', async () => (await fetch(`${program?.url}/readyz`)).ok || undefined);
    await publish(program, four, 'b');
    await waitFor('the fire', () => receiver.requests.length === 1 || undefined);
    await waitFor('all leads', () => log().includes('all lead states are loaded') || undefined);
    expect((await progressOf(program, id)).leads).toBe(LEADS);
  },
  TEST_MS_MAX,
);
