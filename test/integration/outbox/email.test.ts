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
    expect(mail?.parsed.headers.get('x-auto-response-suppress')).toBe('OOF, AutoReply');
    expect(mail?.raw).toMatch(/^List-ID: "Trial to paid" <seq-1\.acme\.example\.com>\r$/m);
    expect(Math.abs((mail?.parsed.date?.getTime() ?? 0) - Date.now())).toBeLessThan(600_000);
    expect(mail?.parsed.text?.replaceAll('\r\n', '\n').trimEnd()).toBe(
      [
        'Hello team,',
        '',
        'please call within the hour.',
        '',
        'Lead: anna <b>&',
        'Sequence: Trial to paid',
        'Events:',
        '1. signup',
        '   2024-05-01 10:00:00 UTC, id e1',
        '2. purchase',
        '   2024-05-01 10:01:00 UTC, id e2',
      ].join('\n'),
    );
    const html = String(mail?.parsed.html);
    const places = [
      'A lead is &lt;ready&gt;',
      'Hello team,</p>',
      'anna &lt;b&gt;&amp;',
      '10:01:00.25Z',
      '10:01:00 UTC',
    ];
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

  it('that one recipient refuses is not sent again to the others', async () => {
    const replies = new Map([
      ['gone@example.com', [{ code: 550, text: '5.1.1 no such user' }]],
      ['slow@example.com', [{ code: 450, text: '4.2.0 greylisted' }]],
    ]);
    sink.refuse = (recipient) => replies.get(recipient)?.shift() ?? null;
    const emails = ['a@example.com', 'gone@example.com', 'slow@example.com', 'z@example.com'];
    const sequence = aSequence({ emails });
    await fireAll(stores, await run(sequence), sequence, [aFire()]);
    await until(() => counts().delivered === 3 && counts().dead === 1);
    const received = sink.mails.map(({ to }) => to.join()).sort();
    expect(received).toEqual(['a@example.com', 'slow@example.com', 'z@example.com']);
    const attempts = stores.fires
      .deliveriesOf('acme', 'fire-1')
      .map(({ destination, state, attemptsMade }) => `${destination} ${state} ${attemptsMade}`);
    expect(attempts.sort()).toEqual([
      'a@example.com delivered 1',
      'gone@example.com dead 1',
      'slow@example.com delivered 2',
      'z@example.com delivered 1',
    ]);
  });

  it('arrives as it was written, whatever is in it', async () => {
    const message = [
      '.',
      '..',
      '.leading dot',
      'From here on',
      '-- ',
      'trailing blanks  ',
      'Grüße, 你好, שלום, 😀',
      `${'long words '.repeat(300)}end`,
      'x'.repeat(5_000),
      '<b>&amp;</b>',
    ].join('\n');
    const sequence = aSequence({ emails: ['a@example.com'], emailMessage: message, emailSubject: 'أهلا 😀' });
    await fireAll(stores, await run(sequence), sequence, [aFire()]);
    await until(() => counts().delivered === 1);
    const [mail] = sink.mails;
    expect(mail?.parsed.subject).toBe('أهلا 😀');
    expect(mail?.parsed.text?.startsWith(`${message}\n\nLead: lead-1\n`)).toBe(true);
    expect(String(mail?.parsed.html)).toContain('<br>\n&lt;b&gt;&amp;amp;&lt;/b&gt;</p>');
    const lines = (mail?.raw ?? '').split('\r\n');
    expect(Math.max(...lines.map((line) => Buffer.byteLength(line)))).toBeLessThanOrEqual(998);
  });

  it.each([
    ['quotes', 'The "best" \\ leads'],
    ['emoji', 'Rockets 🚀🚀'],
    ['a line of its own', 'name\r\nX-Evil: 1'],
    ['two hundred letters', 'ß'.repeat(200)],
    ['half a character', 'odd \ud800 end'],
    ['turns of direction', 'safe\u202egnp.exe'],
  ])('can be filtered by its List-Id when the name of the sequence has %s', async (_what, sequenceName) => {
    const sequence = aSequence({ emails: ['a@example.com'] });
    await fireAll(stores, await run(sequence), sequence, [aFire({ sequenceName })]);
    await until(() => counts().delivered === 1);
    const head = sink.mails[0]?.raw.split('\r\n\r\n')[0] ?? '';
    expect(head).not.toMatch(/^X-Evil/m);
    const value = /^List-ID: ((?:.|\r\n[ \t])*)/im.exec(head)?.[1]?.replace(/\r\n/g, '') ?? '';
    // RFC 2919: a phrase, here a quoted string or encoded words of at most 75 characters, and the id in brackets.
    expect(value).toMatch(
      /^(?:"(?:[^"\\]|\\.)*"|=\?UTF-8\?Q\?[!->@-~]{1,63}\?=(?: =\?UTF-8\?Q\?[!->@-~]{1,63}\?=)*) <seq-1\.acme\.example\.com>$/,
    );
  });

  it('that is a sample says so before anything else', async () => {
    const sequence = aSequence({
      emails: ['a@example.com'],
      emailSubject: 'Call now',
      emailMessage: 'Please call.',
    });
    await fireAll(stores, await run(sequence), sequence, [aFire({ isSample: true })]);
    await until(() => counts().delivered === 1);
    const parsed = sink.mails[0]?.parsed;
    expect(parsed?.subject).toBe('[Test] Call now');
    expect(parsed?.headers.get('x-sequence-triggers-sample')).toBe('true');
    const notice = 'This is a sample, sent to try the delivery. No lead has completed anything.';
    expect(parsed?.text?.startsWith(`${notice}\n\nPlease call.\n\nLead:`)).toBe(true);
    const html = String(parsed?.html);
    expect(html.indexOf(notice)).toBeGreaterThan(0);
    expect(html.indexOf(notice)).toBeLessThan(html.indexOf('Please call.'));
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
