import { headers } from 'nats';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startNats, type TestServer, waitFor } from '../../support/nats.ts';
import { allFires, type RunningProgram, startProgram, temporaryDataDir } from '../../support/program.ts';
import { type Receiver, startReceiver } from '../../support/receivers.ts';
import { type SmtpSink, startSmtpSink } from '../../support/smtp.ts';

interface Created {
  readonly id: string;
  readonly version: number;
  readonly webhook_secret: string;
}

describe('the running program', () => {
  const dataDir = temporaryDataDir();
  let nats: TestServer;
  let receiver: Receiver;
  let smtp: SmtpSink;
  let program: RunningProgram;
  let publish: (event: object | string, subject?: string) => Promise<void>;

  beforeAll(async () => {
    nats = await startNats();
    receiver = await startReceiver();
    smtp = await startSmtpSink();
    program = await startProgram({
      dataDir: dataDir.path,
      env: { NATS_URL: nats.url, SMTP_URL: smtp.url, EMAIL_FROM: 'Alerts <alerts@example.com>' },
    });
    const client = await nats.connect();
    publish = async (event, subject = 'events.default') => {
      client.publish(subject, typeof event === 'string' ? event : JSON.stringify(event));
      await client.flush();
    };
  });

  afterAll(async () => {
    await program?.stop();
    await receiver?.close();
    await smtp?.close();
    await nats?.stop();
    dataDir.remove();
  });

  it('sends one signed webhook and one email for a completed sequence', async () => {
    const { id, webhook_secret } = await program.call<Created>('POST', '/sequences', {
      name: 'Buying signals',
      event_types: ['pricing_page', 'whitepaper', 'demo_request'],
      window_seconds: 3600,
      ordered: true,
      webhook_url: `${receiver.url}/crm`,
      emails: ['sales@example.com'],
      email_message: 'Call them today.',
    });
    const start = Math.floor(Date.now() / 1000) * 1000 - 60_000;
    const at = (seconds: number) => new Date(start + seconds * 1000).toISOString().replace('.000Z', 'Z');
    await publish({ id: 'm-1', lead_id: 'ada', event_type: 'pricing_page', created_at: at(0) });
    await publish({ id: 'm-2', lead_id: 'ada', event_type: 'whitepaper', created_at: at(10) });
    await publish({ id: 'm-3', lead_id: 'ada', event_type: 'demo_request', created_at: at(20) });

    const request = await waitFor('the webhook', () => receiver.requests.find(({ path }) => path === '/crm'));
    const body = new Webhook(webhook_secret).verify(request.body, request.headers as Record<string, string>);
    expect(body).toEqual({
      trigger: { id, name: 'Buying signals', type: 'sequence' },
      lead_id: 'ada',
      sequence: ['pricing_page', 'whitepaper', 'demo_request'],
      events: [
        {
          id: 'm-1',
          event_type: 'pricing_page',
          created_at: at(0),
        },
        {
          id: 'm-2',
          event_type: 'whitepaper',
          created_at: at(10),
        },
        {
          id: 'm-3',
          event_type: 'demo_request',
          created_at: at(20),
        },
      ],
    });

    const mail = await waitFor('the email', () => smtp.mails[0]);
    expect(mail.to).toEqual(['sales@example.com']);
    const text = mail.parsed.text ?? '';
    for (const part of ['Call them today.', 'ada', 'Buying signals', 'pricing_page', 'm-3']) {
      expect(text).toContain(part);
    }
    expect(text.indexOf('Call them today.')).toBeLessThan(text.indexOf('ada'));

    const [fire] = await allFires(program, id);
    expect(request.headers['webhook-id']).toBe(fire?.id);
    await waitFor('both to be recorded', async () =>
      (await allFires(program, id))[0]?.deliveries.every(({ state }) => state === 'delivered'),
    );
    expect(receiver.requests.filter(({ path }) => path === '/crm').length).toBe(1);
    expect(smtp.mails.length).toBe(1);
  });

  it('R16: lets a new sequence look back, fires within its first events, and needs no restart', async () => {
    // Another sequence lists the types, so the earlier step is held.
    const listing = { name: 'lists the types', event_types: ['a', 'b', 'never'], window_seconds: 3600 };
    await program.call('POST', '/sequences', listing);
    await publish({ id: 'l-1', lead_id: 'grace', event_type: 'a' });
    await publish({ id: 'l-2', lead_id: 'grace', event_type: 'b' });
    await waitFor('both to be applied', async () => {
      const metrics = await (await fetch(`${program.url}/metrics`)).text();
      return /^sequence_triggers_stream_lag_messages 0$/m.test(metrics);
    });
    const { id } = await program.call<Created>('POST', '/sequences', {
      name: 'looks back',
      event_types: ['a', 'b'],
      window_seconds: 3600,
      ordered: true,
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await allFires(program, id)).toEqual([]);
    await publish({ id: 'l-3', lead_id: 'grace', event_type: 'b' });
    const fire = await waitFor('the fire', async () => (await allFires(program, id))[0]);
    expect(fire.events.map((event) => event.id)).toEqual(['l-1', 'l-3']);
  });

  it('takes the id of an event from Nats-Msg-Id where the body has none (R14)', async () => {
    const { id } = await program.call<Created>('POST', '/sequences', {
      name: 'by message id',
      event_types: ['by_message_id'],
      window_seconds: 1,
    });
    const client = await nats.connect();
    const header = headers();
    header.set('Nats-Msg-Id', 'from-the-header');
    client.publish('events.default.web', '{"lead_id":"l","event_type":"by_message_id"}', { headers: header });
    const fire = await waitFor('the fire', async () => (await allFires(program, id))[0]);
    expect(fire.events[0]?.id).toBe('from-the-header');
  });

  it('lists what it cannot use, with the reason, and goes on', async () => {
    const { id } = await program.call<Created>('POST', '/sequences', {
      name: 'goes on',
      event_types: ['still_here'],
      window_seconds: 60,
    });
    const now = Date.now();
    const at = (seconds: number) => new Date(now + seconds * 1000).toISOString();
    await publish('not json at all');
    await publish({ lead_id: 'x' });
    await publish({ lead_id: 7, event_type: 'still_here' });
    await publish({ lead_id: 'x', event_type: 'still_here', created_at: '2025-02-30T00:00:00Z' });
    await publish({ lead_id: 'x', event_type: 'still_here', created_at: at(3600) });
    await publish(`{"lead_id":"x","event_type":"still_here","pad":"${'p'.repeat(1_100_000)}"}`);
    await publish({ id: 'n-1', lead_id: 'x', event_type: 'still_here', created_at: at(0) });
    await publish({ id: 'n-2', lead_id: 'x', event_type: 'still_here', created_at: at(-2 * 86_400) });
    await publish({ id: 'n-3', lead_id: 'x', event_type: 'still_here', created_at: at(1) });
    await waitFor('the last to fire', async () => (await allFires(program, id)).length === 2);

    const { events, total } = await program.call<{
      events: { reason: string; detail: string; payload: string }[];
      total: number;
    }>('GET', '/rejected-events');
    expect(total).toBe(7);
    expect(events.map(({ reason }) => reason)).toEqual([
      'too_late',
      'too_large',
      'in_future',
      'invalid_field',
      'invalid_field',
      'missing_field',
      'not_json',
    ]);
    expect(events[3]?.detail).toContain('2025-02-30T00:00:00Z');
    expect(events.at(-1)?.payload).toBe('not json at all');
    const metrics = await (await fetch(`${program.url}/metrics`)).text();
    expect(metrics).toContain('events_rejected_total{reason="too_late"} 1');
  });

  it('forgets nothing in an orderly stop, and exits with 0', async () => {
    const { id } = await program.call<Created>('POST', '/sequences', {
      name: 'over a restart',
      event_types: ['first', 'second'],
      window_seconds: 3600,
      ordered: true,
    });
    await publish({ id: 'r-1', lead_id: 'l', event_type: 'first' });
    await waitFor('the event to be applied', async () => {
      const metrics = await (await fetch(`${program.url}/metrics`)).text();
      return /^sequence_triggers_stream_lag_messages 0$/m.test(metrics);
    });
    expect(await program.stop()).toBe(0);
    program = await startProgram({ dataDir: dataDir.path, env: { NATS_URL: nats.url } });
    await publish({ id: 'r-2', lead_id: 'l', event_type: 'second' });
    const fire = await waitFor('the fire', async () => (await allFires(program, id))[0]);
    expect(fire.events.map((event) => event.id)).toEqual(['r-1', 'r-2']);
  });
});
