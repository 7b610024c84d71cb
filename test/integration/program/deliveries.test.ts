import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startNats, type TestServer, waitFor } from '../../support/nats.ts';
import { allFires, type RunningProgram, startProgram, temporaryDataDir } from '../../support/program.ts';
import { answerWith, type Receiver, startReceiver } from '../../support/receivers.ts';

interface Delivery {
  readonly id: string;
  readonly state: string;
  readonly reason: string | null;
  readonly destination: string;
  readonly attempts: number;
}
interface Destination {
  readonly id: string;
  readonly url: string | null;
  readonly paused: { readonly reason: string } | null;
  readonly held: number;
}

let dataDir: ReturnType<typeof temporaryDataDir>;
let nats: TestServer;
let receiver: Receiver;
let program: RunningProgram;
let published: number;

beforeEach(async () => {
  dataDir = temporaryDataDir();
  nats = await startNats();
  receiver = await startReceiver();
  published = 0;
});

afterEach(async () => {
  await program.kill();
  await receiver.close();
  await nats.stop();
  dataDir.remove();
});

async function start(env: Record<string, string> = {}): Promise<void> {
  program = await startProgram({
    dataDir: dataDir.path,
    env: { NATS_URL: nats.url, RETRY_SCHEDULE: '0s,200ms,200ms', ...env },
  });
}

async function createSequence(change: object = {}): Promise<{ id: string; webhook_secret: string }> {
  const body = { name: 'Buyers', event_types: ['buy'], window_seconds: 60, ...change };
  return program.call('POST', '/sequences', { webhook_url: `${receiver.url}/hook`, ...body });
}

async function fire(count = 1): Promise<void> {
  const client = await nats.connect();
  for (let number = 0; number < count; number += 1) {
    published += 1;
    const event = { id: `e-${published}`, lead_id: `lead-${published}`, event_type: 'buy' };
    client.publish('events.default', JSON.stringify(event));
  }
  await client.flush();
}

async function deliveries(status: string): Promise<{ deliveries: Delivery[]; total: number }> {
  return program.call('GET', `/deliveries?status=${status}&limit=100`);
}

const inState = (status: string, total: number) =>
  waitFor(`${total} deliveries that are ${status}`, async () => (await deliveries(status)).total === total);

async function destination(): Promise<Destination> {
  const { destinations } = await program.call<{ destinations: Destination[] }>('GET', '/destinations');
  return program.call('GET', `/destinations/${destinations[0]!.id}`);
}

describe('a receiver that is gone', () => {
  it('is paused, visibly, and gets what was held once someone resumes it, also after a restart', async () => {
    await start();
    await createSequence();
    receiver.answer = answerWith(410);
    await fire(3);
    await inState('held', 3);
    const paused = await destination();
    expect(paused).toMatchObject({ url: `${receiver.url}/hook`, held: 3 });
    expect(paused.paused?.reason).toContain('410');
    await program.stop();
    await start();
    receiver.answer = answerWith(200);
    await fire();
    await inState('held', 4);
    await program.call('POST', `/destinations/${paused.id}/resume`);
    await inState('delivered', 4);
    expect((await destination()).paused).toBeNull();
  });

  it('hands what was held to the new URL when the sequence gets one', async () => {
    await start();
    const { id } = await createSequence({ webhook_url: `${receiver.url}/old` });
    receiver.answer = (request, response) => {
      response.writeHead(200, request.path === '/old' ? { 'webhook-delivery': 'disable' } : {}).end();
    };
    await fire();
    await inState('delivered', 1);
    await fire(2);
    await inState('held', 2);
    await program.call('PATCH', `/sequences/${id}`, { webhook_url: `${receiver.url}/new` });
    await inState('delivered', 3);
    expect(receiver.requests.map(({ path }) => path)).toEqual(['/old', '/new', '/new']);
  });

  it('can be paused by hand, and slowed down', async () => {
    await start();
    await createSequence();
    const { id } = await destination();
    await program.call('POST', `/destinations/${id}/pause`, { reason: 'moving house' });
    await fire(2);
    await inState('held', 2);
    expect((await deliveries('held')).deliveries[0]).toMatchObject({ reason: 'moving house' });
    await program.call('PATCH', `/destinations/${id}`, { rate_per_second: 50 });
    await program.call('POST', `/destinations/${id}/resume`);
    await inState('delivered', 2);
    expect(await destination()).toMatchObject({ paused: null, rate_per_second: 50 });
  });
});

describe('delivering again', () => {
  it('begins the schedule anew, singly and by time range, with the same ids and bodies', async () => {
    await start();
    const { id } = await createSequence();
    receiver.answer = answerWith(500);
    await fire(12);
    await inState('dead', 12);
    receiver.answer = answerWith(200);
    const [one] = (await deliveries('dead')).deliveries;
    await program.call('POST', `/deliveries/${one!.id}/redeliver`);
    await inState('delivered', 1);
    const detail = await program.call<{ attempts: { number: number }[] }>('GET', `/deliveries/${one!.id}`);
    expect(detail.attempts.map(({ number }) => number)).toEqual([1, 2, 3, 4]);

    const range = { from: '2020-01-01T00:00:00Z', to: '2100-01-01T00:00:00Z', rate_per_second: 1000 };
    const answer = await program.call('POST', `/sequences/${id}/redeliver`, range);
    expect(answer).toMatchObject({ queued: 11, after: null });
    await inState('delivered', 12);
    const bodies = new Map<unknown, Set<string>>();
    for (const { headers, body } of receiver.requests) {
      const seen = bodies.get(headers['webhook-id']) ?? new Set();
      bodies.set(headers['webhook-id'], seen.add(body));
    }
    expect(bodies.size).toBe(12);
    expect([...bodies.values()].every(({ size }) => size === 1)).toBe(true);
  });

  it('works for a sequence that was deleted, and knows nothing of those of others', async () => {
    await start();
    const { id } = await createSequence();
    receiver.answer = answerWith(500);
    await fire();
    await inState('dead', 1);
    await program.call('DELETE', `/sequences/${id}`);
    receiver.answer = answerWith(200);
    const range = { from: '2020-01-01T00:00:00Z', to: '2100-01-01T00:00:00Z' };
    await program.call('POST', `/sequences/${id}/redeliver`, range);
    await inState('delivered', 1);
    await expect(program.call('POST', '/sequences/seq-unknown/redeliver', range)).rejects.toThrow('404');
  });
});

describe('a sample', () => {
  it('goes the way of a fire, signed, marked, with its attempts to be seen, and leaves no fire behind', async () => {
    await start();
    const { id, webhook_secret } = await createSequence({ event_types: ['view', 'buy'], ordered: true });
    const { fire_id, deliveries: made } = await program.call<{ fire_id: string; deliveries: Delivery[] }>(
      'POST',
      `/sequences/${id}/test`,
    );
    await waitFor('the sample', () => receiver.requests.length === 1);
    const [{ headers, body }] = receiver.requests as [Receiver['requests'][number]];
    const verified = new Webhook(webhook_secret).verify(body, headers as Record<string, string>);
    expect(verified).toMatchObject({ lead_id: 'sample-lead', sequence: ['view', 'buy'] });
    expect(Object.keys(verified as object)).toEqual(['trigger', 'lead_id', 'sequence', 'events']);
    expect(headers['webhook-id']).toBe(fire_id);
    expect(headers['sequence-triggers-sample']).toBe('true');
    await inState('delivered', 1);
    const detail = await program.call<{ attempts: object[] }>('GET', `/deliveries/${made[0]!.id}`);
    expect(detail.attempts).toMatchObject([{ outcome: 'delivered', status: 200 }]);
    expect(await allFires(program)).toEqual([]);
  });
});

describe('the metrics', () => {
  it('tell attempts apart by host, and not by path', async () => {
    await start();
    await createSequence();
    await fire();
    const { host } = new URL(receiver.url);
    const line = `sequence_triggers_delivery_attempts_total{channel="webhook",outcome="delivered",host="${host}"} 1`;
    // The attempt is counted some time after its outcome can be seen.
    const metrics = await waitFor('the attempt to be counted', async () => {
      const text = await (await fetch(`${program.url}/metrics`)).text();
      return text.includes(line) && text;
    });
    expect(metrics).not.toContain('/hook');
  });
});
