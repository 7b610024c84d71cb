import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Sequence } from '../../../src/model/sequence.ts';
import type { Outbox } from '../../../src/outbox/outbox.ts';
import {
  aDataDir,
  aFire,
  anOutbox,
  aSequence,
  fireAll,
  type OutboxSetup,
  openStores,
  type Stores,
  until,
} from '../../support/outbox.ts';
import { type SmtpSink, startSmtpSink } from '../../support/smtp.ts';

let dir: ReturnType<typeof aDataDir>;
let stores: Stores;
let sink: SmtpSink;
let outbox: Outbox | null;

beforeEach(async () => {
  dir = aDataDir();
  stores = openStores(dir.path);
  sink = await startSmtpSink();
  outbox = null;
});

afterEach(async () => {
  await outbox?.drain(0);
  await sink.close();
  await stores.environment.close();
  dir.remove();
});

async function run(sequence: Sequence, setup: Omit<OutboxSetup, 'sequences'> = {}): Promise<Outbox> {
  outbox = anOutbox(stores, { smtpUrl: sink.url, ...setup, sequences: [sequence] });
  await outbox.start();
  return outbox;
}

const counts = () => stores.deliveries.countByState();

describe('an email', () => {
  it('brings the message first, then the details of the lead, as text and as HTML', async () => {
    const sequence = aSequence({
      emails: ['sales@example.com'],
      emailSubject: 'Jetzt anrufen – heiß',
      emailPreheader: 'A lead is <ready>',
      emailMessage: 'Hello team,\n\nplease call within the hour.',
    });
    const fire = aFire({ leadId: 'anna <b>&' });
    await fireAll(stores, await run(sequence), sequence, [fire]);
    await until(() => counts().delivered === 1);
    expect(sink.mails).toHaveLength(1);
    const [mail] = sink.mails;
    expect(mail).toMatchObject({ from: 'triggers@example.com', to: ['sales@example.com'] });
    expect(mail?.parsed.subject).toBe('Jetzt anrufen – heiß');
    expect(mail?.parsed.from?.text).toBe('"Triggers" <triggers@example.com>');
    expect(mail?.parsed.messageId).toMatch(/^<fire-1\.[0-9a-f]{16}@example\.com>$/);
    expect(mail?.parsed.headers.get('auto-submitted')).toBe('auto-generated');
    expect(mail?.parsed.text?.replaceAll('\r\n', '\n').trimEnd()).toBe(
      [
        'Hello team,',
        '',
        'please call within the hour.',
        '',
        'Lead: anna <b>&',
        'Sequence: Trial to paid',
        'Events:',
        '- signup (e1) at 2024-05-01T10:00:00Z',
        '- purchase (e2) at 2024-05-01T10:01:00.25Z',
      ].join('\n'),
    );
    const html = String(mail?.parsed.html);
    const places = ['A lead is &lt;ready&gt;', 'Hello team,<br>', 'anna &lt;b&gt;&amp;', '10:01:00.25Z'];
    const found = places.map((place) => html.indexOf(place));
    expect(found).not.toContain(-1);
    expect(found).toEqual([...found].sort((one, two) => one - two));
    expect(html).toMatch(/<div style="display:none[^>]*>A lead is/);
  });

  it('goes to each recipient on its own', async () => {
    const sequence = aSequence({ emails: ['a@example.com', 'b@example.com'] });
    await fireAll(stores, await run(sequence), sequence, [aFire()]);
    await until(() => counts().delivered === 2);
    expect(sink.mails.map(({ to }) => to).sort()).toEqual([['a@example.com'], ['b@example.com']]);
    expect(sink.mails.map(({ parsed }) => parsed.subject)).toEqual(
      Array.from({ length: 2 }, () => 'Lead lead-1 completed Trial to paid'),
    );
  });

  it('lets neither a lead id nor a recipient write headers or add recipients', async () => {
    const sequence = aSequence({ emails: ['"x, evil@example.org" <a@example.com>', 'b@example.com'] });
    const fire = aFire({ leadId: 'x\r\nBcc: evil@example.org\r\n\r\nbody', sequenceName: 'n\r\nX-Evil: 1' });
    await fireAll(stores, await run(sequence, { overrides: { retryDelaysMs: [0] } }), sequence, [fire]);
    await until(() => counts().delivered + counts().dead === 2);
    expect(sink.mails.length).toBeGreaterThan(0);
    for (const mail of sink.mails) {
      expect(mail.to).not.toContain('evil@example.org');
      expect(mail.parsed.headers.has('bcc')).toBe(false);
      expect(mail.parsed.headers.has('x-evil')).toBe(false);
    }
  });

  it('is given up at once when the server refuses the recipient for good', async () => {
    sink.refuse = () => ({ code: 550, text: 'no such user' });
    const sequence = aSequence({ emails: ['gone@example.com'] });
    await fireAll(stores, await run(sequence), sequence, [aFire()]);
    await until(() => counts().dead === 1);
    const [delivery] = stores.fires.deliveriesOf('acme', 'fire-1');
    expect(delivery).toMatchObject({
      attemptsMade: 1,
      reason: 'refused by the SMTP server: 550 no such user',
    });
    const attempts = stores.deliveries.delivery('acme', delivery?.id ?? '')?.attempts;
    expect(attempts).toMatchObject([
      { outcome: 'failed', status: 550, error: null, response: '550 no such user' },
    ]);
  });

  it('is tried again with the same Message-ID when the server is busy', async () => {
    const busy = { code: 450, text: 'greylisted' };
    const toRecipients = [busy];
    const toMessages = [busy];
    sink.refuse = () => toRecipients.shift() ?? null;
    sink.refuseMessage = () => toMessages.shift() ?? null;
    const sequence = aSequence({ emails: ['a@example.com'] });
    await fireAll(stores, await run(sequence), sequence, [aFire()]);
    await until(() => counts().delivered === 1);
    const [delivery] = stores.fires.deliveriesOf('acme', 'fire-1');
    const attempts = stores.deliveries.delivery('acme', delivery?.id ?? '')?.attempts;
    expect(attempts).toMatchObject([
      { outcome: 'failed', status: 450 },
      { outcome: 'failed', status: 450 },
      { outcome: 'delivered', status: 250 },
    ]);
    expect(sink.mails).toHaveLength(2);
    expect(new Set(sink.mails.map(({ parsed }) => parsed.messageId)).size).toBe(1);
  });

  it('is tried again when the server cannot be reached', async () => {
    await sink.close();
    const sequence = aSequence({ emails: ['a@example.com'] });
    await fireAll(stores, await run(sequence, { overrides: { retryDelaysMs: [0, 1] } }), sequence, [aFire()]);
    await until(() => counts().dead === 1);
    const [delivery] = stores.fires.deliveriesOf('acme', 'fire-1');
    expect(delivery?.attemptsMade).toBe(2);
    expect(delivery?.reason).toMatch(/^attempts exhausted: /);
  });

  it('fails in time when the server never says a word', async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const smtpUrl = `smtp://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const sequence = aSequence({ emails: ['a@example.com'] });
    const setup = { smtpUrl, timeoutMs: 200, overrides: { retryDelaysMs: [0] } };
    await fireAll(stores, await run(sequence, setup), sequence, [aFire()]);
    await until(() => counts().dead === 1);
    expect(stores.fires.deliveriesOf('acme', 'fire-1')[0]?.reason).toContain('timeout');
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));
  });
});

describe('without an SMTP server', () => {
  it('emails are held, and go out after a start with one', async () => {
    const sequence = aSequence({ emails: ['a@example.com'] });
    outbox = anOutbox(stores, { sequences: [sequence] });
    await outbox.start();
    await fireAll(stores, outbox, sequence, [aFire()], false);
    expect(counts()).toMatchObject({ held: 1, pending: 0 });
    await outbox.drain(1000);
    await run(sequence);
    await until(() => counts().delivered === 1);
    expect(counts().held).toBe(0);
    expect(sink.mails.map(({ to }) => to)).toEqual([['a@example.com']]);
  });

  it('emails that were due become held, with the reason, and keep their attempts', async () => {
    sink.refuse = () => ({ code: 451, text: 'busy' });
    const sequence = aSequence({ emails: ['a@example.com'] });
    const first = await run(sequence, { overrides: { retryDelaysMs: [0, 3_600_000, 0] } });
    await fireAll(stores, first, sequence, [aFire()]);
    await until(() => counts().retrying === 1);
    await first.drain(1000);

    outbox = anOutbox(stores, { sequences: [sequence] });
    await outbox.start();
    await until(() => counts().held === 1);
    expect(counts()).toMatchObject({ retrying: 0 });
    expect(stores.fires.deliveriesOf('acme', 'fire-1')[0]?.reason).toContain('SMTP_URL');
    await outbox.drain(1000);

    sink.refuse = () => null;
    await run(sequence);
    await until(() => counts().delivered === 1);
    expect(stores.fires.deliveriesOf('acme', 'fire-1')[0]?.attemptsMade).toBe(2);
  });
});
