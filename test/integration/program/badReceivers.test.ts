import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NatsConnection } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BAD_RECEIVERS, type BadReceiver } from '../../support/badReceivers.ts';
import { anAuthority } from '../../support/certificates.ts';
import { startNats, type TestServer, waitFor } from '../../support/nats.ts';
import { type RunningProgram, startProgram, temporaryDataDir } from '../../support/program.ts';
import { type RunningReceiver, startRawReceiver } from '../../support/rawReceiver.ts';

const FINAL_STATES = ['delivered', 'dead', 'retrying', 'held'];
/** Of receivers that are to answer again after all the others. */
const LAST_ROUND = 'after all the others';

interface Delivery {
  readonly id: string;
  readonly state: string;
  readonly attempts: number;
}
interface Attempt {
  readonly outcome: string;
  readonly status: number | null;
  readonly error: string | null;
  readonly response: string | null;
}

const authority = anAuthority();
const dataDir = temporaryDataDir();
const receivers = new Map<BadReceiver, RunningReceiver>();
let nats: TestServer;
let client: NatsConnection;
let program: RunningProgram;

beforeAll(async () => {
  nats = await startNats();
  client = await nats.connect();
  const caFile = join(dataDir.path, 'authority.pem');
  writeFileSync(caFile, authority.cert);
  program = await startProgram({
    dataDir: join(dataDir.path, 'data'),
    env: {
      NATS_URL: nats.url,
      WEBHOOK_ALLOW_CIDRS: '127.0.0.1/32',
      WEBHOOK_CA_FILE: caFile,
      WEBHOOK_TIMEOUT_MS: '1500',
      RETRY_SCHEDULE: '0s,1h',
    },
  });
  for (const bad of BAD_RECEIVERS) receivers.set(bad, await startRawReceiver(bad, authority));
});

afterAll(async () => {
  await program?.stop();
  for (const receiver of receivers.values()) await receiver.close();
  await nats?.stop();
  dataDir.remove();
});

/** Has a lead fire a sequence of its own that goes to the receiver, and gives what became of the last delivery. */
async function deliverTo(bad: BadReceiver): Promise<{ delivery: Delivery; attempts: Attempt[] }> {
  const type = bad.title.slice(0, 100);
  const { url } = receivers.get(bad)!;
  const sequence = {
    name: bad.title.slice(0, 200),
    event_types: [type],
    window_seconds: 60,
    webhook_url: url,
  };
  const { id } = await program.call<{ id: string }>('POST', '/sequences', sequence);
  const messages = bad.messages ?? 1;
  for (let number = 1; number <= messages; number++) {
    client.publish('events.default', JSON.stringify({ lead_id: `lead-${number}`, event_type: type }));
    await client.flush();
    await waitFor(`message ${number} to a receiver that ${bad.title}`, async () => {
      const made = await deliveriesOf(id);
      return made.length === number && made.every(({ state }) => FINAL_STATES.includes(state));
    });
  }
  const [delivery] = await deliveriesOf(id);
  const { attempts } = await program.call<{ attempts: Attempt[] }>('GET', `/deliveries/${delivery!.id}`);
  return { delivery: delivery!, attempts };
}

/** The newest first. */
async function deliveriesOf(sequenceId: string): Promise<Delivery[]> {
  const path = `/deliveries?sequence_id=${sequenceId}`;
  return (await program.call<{ deliveries: Delivery[] }>('GET', path)).deliveries;
}

/** What the result of the only attempt makes of a delivery with another attempt before it. */
function stateAfter({ expected }: BadReceiver): string {
  if (expected.outcome === 'delivered') return 'delivered';
  if (expected.outcome === 'failed' && expected.permanent === true) return 'dead';
  return typeof expected.pauseReason === 'string' ? 'held' : 'retrying';
}

describe('through the whole program, a webhook to a receiver that', () => {
  it.each(BAD_RECEIVERS)('$title', async (bad) => {
    const { delivery, attempts } = await deliverTo(bad);
    expect(delivery).toMatchObject({ state: stateAfter(bad), attempts: 1 });
    const { outcome, status, error, response } = bad.expected as Attempt;
    expect(attempts).toHaveLength(1);
    expect(attempts[0]).toMatchObject({
      outcome,
      status,
      ...(error === undefined ? {} : { error }),
      ...(response === undefined ? {} : { response }),
    });
    const { pauseReason } = bad.expected;
    // A pause is on disk a little after the outcome that it comes of.
    const reason = async () => (await destinationOf(bad)).paused?.reason ?? null;
    if (pauseReason !== undefined) await expect.poll(reason, { timeout: 10_000 }).toBe(pauseReason);
    expect(receivers.get(bad)!.requests).toBe(bad.requests ?? bad.messages ?? 1);
  });

  it('behaved well all the time reaches it still', async () => {
    const good = BAD_RECEIVERS.find(({ title }) => title === 'answers 201')!;
    const bad = { ...good, title: LAST_ROUND };
    receivers.set(bad, receivers.get(good)!);
    expect((await deliverTo(bad)).delivery).toMatchObject({ state: 'delivered' });
  });
});

async function destinationOf(
  bad: BadReceiver,
): Promise<{ readonly paused: { readonly reason: string } | null }> {
  const { url } = receivers.get(bad)!;
  interface Destination {
    readonly url: string | null;
    readonly paused: { readonly reason: string } | null;
  }
  const { destinations } = await program.call<{ destinations: Destination[] }>(
    'GET',
    '/destinations?limit=100',
  );
  const found = destinations.find((destination) => destination.url === url);
  if (found === undefined) throw new Error(`there is no destination ${url}`);
  return found;
}
