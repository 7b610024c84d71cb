import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startNats, type TestServer, waitFor } from '../../support/nats.ts';
import { allFires, type RunningProgram, startProgram, temporaryDataDir } from '../../support/program.ts';
import { type Receiver, startReceiver } from '../../support/receivers.ts';

const dataDir = temporaryDataDir();
let nats: TestServer;
let receiver: Receiver;
let program: RunningProgram;

const start = () => startProgram({ dataDir: dataDir.path, env: { NATS_URL: nats.url } });

beforeAll(async () => {
  nats = await startNats();
  receiver = await startReceiver();
  program = await start();
});

afterAll(async () => {
  await program?.stop();
  await receiver?.close();
  await nats?.stop();
  dataDir.remove();
});

it('S1 to S5: judges events by their metadata and score, over a restart, and sends what they completed', async () => {
  const { id, webhook_secret } = await program.call<{ id: string; webhook_secret: string }>(
    'POST',
    '/sequences',
    {
      name: 'Large orders',
      event_types: [
        { any_of: ['quote', 'offer'], where: { 'metadata.order.total': { gte: 1000 } } },
        { event_type: 'call', count: 2 },
        { event_type: 'order', where: { score: { gte: 80 }, 'metadata.plan': { in: ['pro', 'team'] } } },
      ],
      exclude: ['complaint'],
      window_seconds: 3600,
      max_gap_seconds: 600,
      ordered: true,
      webhook_url: `${receiver.url}/large`,
    },
  );
  const startMs = Math.floor(Date.now() / 1000) * 1000 - 1_800_000;
  const at = (seconds: number) => new Date(startMs + seconds * 1000).toISOString();
  const ingest = async (events: readonly (readonly [string, string, number, object?])[]) => {
    await program.call('POST', '/ingest', {
      events: events.map(([lead_id, event_type, seconds, more]) => ({
        id: `${event_type}-${seconds}`,
        lead_id,
        event_type,
        created_at: at(seconds),
        ...more,
      })),
    });
  };
  const large = { metadata: { order: { total: 1000 } } };
  const wanted = { metadata: { plan: 'pro' }, score: 80 };
  await ingest([
    ['ada', 'offer', 0, large],
    ['ada', 'call', 100],
    ['small', 'offer', 0, { metadata: { order: { total: 999 } } }],
    ['small', 'call', 100],
    ['small', 'call', 200],
    ['complaining', 'quote', 0, large],
    ['complaining', 'call', 100],
    ['complaining', 'call', 200],
    ['complaining', 'complaint', 250],
    ['slow', 'quote', 0, large],
    ['slow', 'call', 601],
    ['slow', 'call', 700],
    ['cold', 'quote', 0, large],
    ['cold', 'call', 100],
    ['cold', 'call', 200],
    ['cold', 'order', 300, { ...wanted, score: 79 }],
  ]);
  // What events fulfilled is a part of the checkpoint.
  await program.stop();
  program = await start();
  await ingest([
    ['ada', 'call', 200],
    ['ada', 'order', 300, wanted],
    ...['small', 'complaining', 'slow'].map((lead) => [lead, 'order', 300, wanted] as const),
  ]);

  const request = await waitFor('the webhook', () => receiver.requests.find(({ path }) => path === '/large'));
  const body = new Webhook(webhook_secret).verify(request.body, request.headers as Record<string, string>);
  expect(body).toMatchObject({
    lead_id: 'ada',
    sequence: ['quote|offer', 'call', 'call', 'order'],
    events: [{ id: 'offer-0' }, { id: 'call-100' }, { id: 'call-200' }, { id: 'order-300' }],
  });
  // Whoever comes last shows that all before were looked at.
  await ingest([
    ['last', 'quote', 0, large],
    ['last', 'call', 600],
    ['last', 'call', 1200],
    ['last', 'order', 1800, wanted],
  ]);
  await waitFor('the last lead', async () => (await allFires(program, id)).length >= 2);
  expect((await allFires(program, id)).map(({ lead_id }) => lead_id).sort()).toEqual(['ada', 'last']);
});
