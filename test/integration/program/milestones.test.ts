import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startNats, type TestServer, waitFor } from '../../support/nats.ts';
import {
  metricOf,
  positionOf,
  type RunningProgram,
  startProgram,
  temporaryDataDir,
} from '../../support/program.ts';
import { type Receiver, startReceiver } from '../../support/receivers.ts';
import { type SmtpSink, startSmtpSink } from '../../support/smtp.ts';

interface MilestoneEvent {
  readonly id: string;
  readonly trigger_id: string;
  readonly lead_id: string;
  readonly score: number;
  readonly delivery: string;
}

// The program is started again and again.
vi.setConfig({ testTimeout: 90_000 });

const dataDir = temporaryDataDir();
let nats: TestServer;
let receiver: Receiver;
let smtp: SmtpSink;
let program: RunningProgram;
let published = 0;

beforeAll(async () => {
  nats = await startNats();
  receiver = await startReceiver();
  smtp = await startSmtpSink();
  await start('600000');
});

afterAll(async () => {
  await program?.stop();
  await receiver?.close();
  await smtp?.close();
  await nats?.stop();
  dataDir.remove();
});

async function start(checkpointIntervalMs: string): Promise<void> {
  program = await startProgram({
    dataDir: dataDir.path,
    env: {
      NATS_URL: nats.url,
      SMTP_URL: smtp.url,
      EMAIL_FROM: 'Alerts <alerts@example.com>',
      CHECKPOINT_INTERVAL_MS: checkpointIntervalMs,
    },
  });
}

/** Publishes an event and waits until it is applied. */
async function publish(lead_id: string, score: number | undefined, fields: object = {}): Promise<void> {
  const client = await nats.connect();
  const event = { id: `e${++published}`, lead_id, event_type: 'visit', score, ...fields };
  await client.jetstream().publish('events.default', JSON.stringify(event));
  await waitFor('the event to be applied', async () => (await positionOf(program)) >= published);
}

async function milestoneEvents(filter = ''): Promise<readonly MilestoneEvent[]> {
  const { events, total } = await program.call<{ events: MilestoneEvent[]; total: number }>(
    'GET',
    `/milestone-events?limit=100${filter}`,
  );
  expect(total).toBe(events.length);
  return events;
}

it('a lead that reaches a score goes out once by webhook and by email, through a restart and a kill', async () => {
  const { id, webhook_secret } = await program.call<{ id: string; webhook_secret: string }>(
    'POST',
    '/triggers',
    {
      name: 'Hot lead',
      score_threshold: 100,
      fire_mode: 'always',
      webhook_url: `${receiver.url}/hot`,
      emails: ['sales@example.com'],
    },
  );
  const created_at = new Date(Date.now() - 60_000).toISOString().replace(/\.\d+Z/, 'Z');
  await publish('ada', 60);
  await publish('ada', 110, { created_at });
  const request = await waitFor('the webhook', () => receiver.requests[0]);
  const body = new Webhook(webhook_secret).verify(request.body, request.headers as Record<string, string>);
  // By time the event at 110 is the first of the lead, and so it is a crossing.
  expect(body).toEqual({
    trigger: { id, name: 'Hot lead', type: 'milestone' },
    lead_id: 'ada',
    score: 110,
    score_threshold: 100,
    event: { id: 'e2', event_type: 'visit', created_at },
  });
  const mail = await waitFor('the email', () => smtp.mails[0]);
  expect(mail.parsed.subject).toBe('Lead ada reached Hot lead');
  expect(mail.parsed.text).toContain('Score: 110 (the threshold is 100)');
  const [first] = await waitFor('both to be recorded', async () => {
    const events = await milestoneEvents();
    return events[0]?.delivery === 'delivered' ? events : undefined;
  });
  expect(first).toMatchObject({ trigger_id: id, lead_id: 'ada', score: 110 });
  expect(request.headers['webhook-id']).toBe(first!.id);
  expect(await metricOf(program, 'milestone_fires_total')).toBe(1);
  expect(await program.call('GET', '/sequence-events')).toMatchObject({ total: 0 });

  // A replay of everything: there was no checkpoint. The score is 60 by now, so 120 is a crossing.
  await program.kill();
  await start('600000');
  await publish('ada', 120);
  await waitFor('the second webhook', () => receiver.requests.length === 2);
  expect((await milestoneEvents()).map(({ score }) => score)).toEqual([120, 110]);
  expect((await milestoneEvents())[1]!.id).toBe(first!.id);

  // A checkpoint on the way down; the score, the trigger and what has fired are read back.
  await program.stop();
  await start('600000');
  await publish('ada', 130);
  expect(await program.call('POST', `/triggers/${id}/simulate`, { lead_id: 'ada' })).toMatchObject({
    lead: { score: 130, is_below: false, would_fire: true },
  });
  await publish('ada', 20);
  await program.kill();
  await start('600000');
  await program.call('PATCH', `/triggers/${id}`, { fire_mode: 'once' });
  await publish('ada', 200);
  await publish('grace', 100);
  await waitFor('the webhook about the other lead', () => receiver.requests.length === 3);
  expect((await milestoneEvents(`&trigger_id=${id}`)).map((event) => [event.lead_id, event.score])).toEqual([
    ['grace', 100],
    ['ada', 120],
    ['ada', 110],
  ]);
  expect(await program.call('POST', `/triggers/${id}/simulate`, { lead_id: 'ada' })).toMatchObject({
    lead: { score: 200, would_fire: false, reason: 'once' },
  });
  const ids = receiver.requests.map(({ headers }) => headers['webhook-id']);
  expect(new Set(ids).size).toBe(3);
});

it('what is tried fires by the same rules and settings as what comes', async () => {
  const now = Date.now();
  const at = (seconds: number) => new Date(now + seconds * 1000).toISOString();
  const event = (id: string, score: number, created_at: string) => {
    return { id, lead_id: 'lin', event_type: 'visit', score, created_at };
  };
  const trigger = { name: 'tried', score_threshold: 10, active: false };
  const events = [
    event('a', 5, at(-100)),
    event('b', 20, at(-50)),
    event('b', 5, at(-45)),
    event('c', 20, at(-40)),
    // Late: it makes a crossing of c.
    event('d', 5, at(-44)),
    // In the future, and older than the lateness allows.
    { ...event('e', 20, at(1_000)), lead_id: 'ahead' },
    { ...event('f', 5, at(0)), lead_id: 'behind' },
    { ...event('g', 20, at(-200_000)), lead_id: 'behind' },
    event('h', 20, at(-30)),
  ];
  const simulate = (fire_mode: string) =>
    program.call<{ fires: { event: { id: string }; late: boolean }[] }>('POST', '/triggers/simulate', {
      trigger: { ...trigger, fire_mode },
      events,
    });
  const answer = await simulate('always');
  expect(answer.fires.map(({ event: { id }, late }) => [id, late])).toEqual([
    ['b', false],
    ['c', true],
  ]);
  expect(answer).toMatchObject({ fire_count: 2, lead_count: 1, scanned_events: 9, lead: null });
  expect((await simulate('once')).fires.map(({ event: { id } }) => id)).toEqual(['b']);
  expect(await milestoneEvents('&lead_id=lin')).toEqual([]);
});

it('a sample goes out marked, and what waits at a paused URL follows the trigger to its new one', async () => {
  const { id } = await program.call<{ id: string }>('POST', '/triggers', {
    name: 'Moves',
    score_threshold: 1_000,
    webhook_url: `${receiver.url}/before`,
  });
  await program.call('POST', `/triggers/${id}/test`);
  const sample = await waitFor('the sample', () => receiver.requests.find(({ path }) => path === '/before'));
  expect(sample.headers['sequence-triggers-sample']).toBe('true');
  expect(JSON.parse(sample.body)).toMatchObject({
    trigger: { id, type: 'milestone' },
    lead_id: 'sample-lead',
    score: 1_000,
    score_threshold: 1_000,
    event: { id: 'sample-event-1' },
  });

  const { destinations } = await program.call<{ destinations: { id: string; url: string }[] }>(
    'GET',
    '/destinations',
  );
  const { id: before } = destinations.find(({ url }) => url === `${receiver.url}/before`)!;
  await program.call('POST', `/destinations/${before}/pause`, { reason: 'moving' });
  await publish('mae', 1_000);
  expect((await milestoneEvents(`&trigger_id=${id}`))[0]?.delivery).toBe('held');
  await program.call('PUT', `/triggers/${id}`, { webhook_url: `${receiver.url}/after` });
  await waitFor('the webhook at the new URL', () => receiver.requests.some(({ path }) => path === '/after'));
});
