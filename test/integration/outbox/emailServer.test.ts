import { execFile } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { domainToASCII, fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { EmailSender, type EmailSenderOptions } from '../../../src/outbox/emailSender.ts';
import type { SendResult } from '../../../src/outbox/sender.ts';
import { aDelivery, aFire, aSequence, until } from '../../support/outbox.ts';
import {
  type Certificate,
  makeCertificate,
  type ScriptedReply,
  type SmtpSinkOptions,
  startScriptedSmtp,
  startSmtpSink,
} from '../../support/smtp.ts';

/** Percent-encoded it differs from what is meant, and nothing else on the line looks like it. */
const PASSWORD = 's3cr%t:p@ss/wörd';
const USER = 'mailer@example.com';
const COMPILED_SENDER = new URL('../../../dist/src/outbox/emailSender.js', import.meta.url).href;

/** Longer than a test waits for anything: what ends within one was not ended by the timeout. */
const LONG_MS = 60_000;

const undo: Array<() => Promise<void>> = [];
let certificate: Certificate;

beforeAll(() => {
  certificate = makeCertificate();
});
afterAll(() => certificate.remove());
afterEach(async () => {
  for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
});

async function sink(options: SmtpSinkOptions = {}) {
  const started = await startSmtpSink(options);
  undo.push(() => started.close());
  return started;
}

async function scripted(script: (verb: string, line: string) => ScriptedReply | undefined) {
  const started = await startScriptedSmtp(script);
  undo.push(() => started.close());
  return started;
}

function senderTo(smtpUrl: string, options: Partial<EmailSenderOptions> = {}): EmailSender {
  const sender = new EmailSender({ smtpUrl, from: 'triggers@example.com', timeoutMs: 15_000, ...options });
  undo.push(() => sender.close());
  return sender;
}

/** The URL of a server with a login; `requireTLS=false` as a parameter lets it go without TLS. */
function withLogin(url: string, password = PASSWORD, parameters = ''): string {
  return `${url.replace('://', `://${encodeURIComponent(USER)}:${encodeURIComponent(password)}@`)}${parameters}`;
}

const outgoing = {
  delivery: aDelivery({ channel: 'email', destination: 'a@example.com' }),
  fire: aFire(),
  sequence: aSequence(),
  nowMs: 0,
};
const send = (sender: EmailSender, signal = new AbortController().signal): Promise<SendResult> =>
  sender.send(outgoing, signal);

/** In ASCII, as it goes over the line; the parser of the tests shows some domains decoded. */
const domainOf = (address = ''): string => domainToASCII(address.split('@').at(-1) ?? '');

describe('a reply of the SMTP server', () => {
  it.each([
    ['greeting', '421 4.3.2 too busy', 'tried again', 'destination'],
    ['greeting', '554 5.7.1 no service for you', 'tried again', 'destination'],
    ['MAIL', '451 4.3.0 try later', 'tried again', 'destination'],
    ['MAIL', '550 5.1.8 unknown sender', 'tried again', 'destination'],
    ['MAIL', '530 5.7.0 log in first', 'tried again', 'destination'],
    ['MAIL', '552 5.3.4 message too big', 'given up', 'message'],
    ['RCPT', '421 4.7.0 closing', 'tried again', 'destination'],
    ['RCPT', '450 4.2.0 greylisted', 'tried again', 'message'],
    ['RCPT', '550 5.1.1 no such user', 'given up', 'message'],
    ['RCPT', '530 5.7.0 log in first', 'tried again', 'destination'],
    ['DATA', '451 4.3.0 not now', 'tried again', 'message'],
    ['DATA', '503 5.5.1 out of order', 'tried again', 'destination'],
    ['.', '421 4.3.2 going down', 'tried again', 'destination'],
    ['.', '451 4.7.1 scanner is away', 'tried again', 'message'],
    ['.', '552 5.3.4 message too big', 'given up', 'message'],
    ['.', '554-5.6.0 this\r\n554 5.6.0 is spam', 'given up', 'message'],
  ])('at %s, %j: it is %s, and concerns the %s', async (step, reply, end, concerns) => {
    const server = await scripted((verb) => (verb === step ? reply : undefined));
    const result = await send(senderTo(server.url));
    expect(result).toMatchObject({
      outcome: 'failed',
      status: Number(reply.slice(0, 3)),
      error: null,
      response: reply.replaceAll('\r\n', '\n'),
      permanent: end === 'given up',
      concerns,
    });
    expect(result).toHaveProperty('detail', expect.stringContaining(reply.replaceAll('\r\n', ' ')));
  });

  it('to one recipient leaves the next email alone', async () => {
    const server = await scripted((verb, line) =>
      verb === 'RCPT' && line.includes('gone@') ? '550 5.1.1 no such user' : undefined,
    );
    const sender = senderTo(server.url);
    const delivery = aDelivery({ channel: 'email', destination: 'gone@example.com' });
    expect(await sender.send({ ...outgoing, delivery }, new AbortController().signal)).toMatchObject({
      permanent: true,
    });
    expect(await send(sender)).toEqual({
      outcome: 'delivered',
      status: 250,
      response: '250 2.0.0 taken',
      pauseReason: null,
    });
  });
});

describe('a connection to the SMTP server', () => {
  it.each([['greeting'], ['EHLO'], ['RCPT'], ['DATA'], ['.']])(
    'that hangs at %s ends with the attempt and counts against the server',
    async (step) => {
      const server = await scripted((verb) => (verb === step ? 'hang' : undefined));
      const result = await send(senderTo(server.url, { timeoutMs: 300 }));
      expect(result).toMatchObject({ error: 'timeout', permanent: false, concerns: 'destination' });
      await until(() => server.connections.open === 0);
    },
  );

  it.each([['greeting'], ['MAIL'], ['DATA'], ['.']])(
    'that breaks at %s is a failure to be tried again, and the next email takes another',
    async (step) => {
      let breaks = true;
      const server = await scripted((verb) => (breaks && verb === step ? 'close' : undefined));
      const sender = senderTo(server.url);
      const result = await send(sender);
      expect(result).toMatchObject({ status: null, permanent: false, concerns: 'destination' });
      expect(result).toHaveProperty('error', expect.stringMatching(/^connection_(reset|failed)$/));
      breaks = false;
      expect(await send(sender)).toMatchObject({ outcome: 'delivered' });
    },
  );

  it('that is refused says so', async () => {
    const server = await sink();
    await server.close();
    expect(await send(senderTo(server.url))).toMatchObject({
      error: 'connection_refused',
      concerns: 'destination',
      permanent: false,
    });
  });

  it('is shared: a burst opens four at most, and they close when there is nothing more to send', async () => {
    const server = await sink();
    const sender = senderTo(server.url, { idleMs: 50, timeoutMs: LONG_MS });
    const results = await Promise.all(Array.from({ length: 20 }, () => send(sender)));
    expect(results.every(({ outcome }) => outcome === 'delivered')).toBe(true);
    expect(server.mails).toHaveLength(20);
    expect(server.connections.openMax).toBe(4);
    await until(() => server.connections.open === 0);
  });

  it('that the server left while it was idle costs no attempt', async () => {
    const first = await startSmtpSink();
    const sender = senderTo(first.url);
    await Promise.all(Array.from({ length: 4 }, () => send(sender)));
    expect(first.connections.open).toBe(4);
    await first.close();
    const second = await sink({ port: first.port });
    const results = await Promise.all(Array.from({ length: 4 }, () => send(sender)));
    expect(results.map(({ outcome }) => outcome)).toEqual(Array(4).fill('delivered'));
    expect(second.mails).toHaveLength(4);
  });

  it('that the server leaves just as an email comes costs no attempt', async () => {
    let emails = 0;
    const server = await scripted((verb) => {
      if (verb === 'MAIL') emails += 1;
      return verb === 'MAIL' && emails === 2 ? 'close' : undefined;
    });
    const sender = senderTo(server.url);
    expect(await send(sender)).toMatchObject({ outcome: 'delivered' });
    expect(await send(sender)).toMatchObject({ outcome: 'delivered' });
    expect(emails).toBe(3);
  });

  it('ends at once with the process, in the middle of an email too', async () => {
    const server = await scripted((verb) => (verb === '.' ? 'hang' : undefined));
    const stop = new AbortController();
    const sender = senderTo(server.url, { timeoutMs: LONG_MS });
    const result = send(sender, stop.signal);
    await until(() => server.commands.includes('.'));
    stop.abort();
    expect(await result).toMatchObject({ error: 'aborted', permanent: false, concerns: 'destination' });
    await sender.close();
    await until(() => server.connections.open === 0);
  });
});

describe('the sender of emails', () => {
  it.each([
    ['plain@example.com', '', 'plain@example.com', 'example.com'],
    ['Alerts <alerts@example.com>', 'Alerts', 'alerts@example.com', 'example.com'],
    ['"Smith, Jo" <jo@example.com>', 'Smith, Jo', 'jo@example.com', 'example.com'],
    ['Smith, Jo @work <jo@example.com>', 'Smith, Jo @work', 'jo@example.com', 'example.com'],
    ['Team: EU (new) <eu@example.com>', 'Team: EU (new)', 'eu@example.com', 'example.com'],
    ['Grüße <hallo@münchen.example>', 'Grüße', 'hallo@xn--mnchen-3ya.example', 'xn--mnchen-3ya.example'],
  ])('is one address, whatever its name holds: %s', async (from, name, address, domain) => {
    const server = await sink();
    expect(await send(senderTo(server.url, { from }))).toMatchObject({ outcome: 'delivered' });
    const [mail] = server.mails;
    expect(domainOf(mail?.from)).toBe(domain);
    const [{ name: nameRead, address: addressRead = '' } = {}, ...others] = mail?.parsed.from?.value ?? [];
    expect(nameRead).toBe(name);
    expect(`${addressRead.split('@')[0]}@${domainOf(addressRead)}`).toBe(address);
    expect(others).toEqual([]);
    expect(mail?.parsed.messageId?.endsWith(`@${domain}>`)).toBe(true);
  });
});

describe('a login at the SMTP server', () => {
  it.each([['PLAIN'], ['LOGIN']] as const)('works with AUTH %s', async (method) => {
    const server = await sink({ login: { user: USER, password: PASSWORD, method } });
    const sender = senderTo(withLogin(server.url, PASSWORD, '?requireTLS=false'));
    expect(await send(sender)).toMatchObject({ outcome: 'delivered' });
    expect(server.mails.map(({ user }) => user)).toEqual([USER]);
  });

  it('with a wrong password is tried again, since it is not the fault of the email', async () => {
    const server = await sink({ login: { user: USER, password: 'another', method: 'PLAIN' } });
    const sender = senderTo(withLogin(server.url, PASSWORD, '?requireTLS=false'));
    expect(await send(sender)).toMatchObject({
      status: 535,
      response: '535 5.7.8 who are you',
      permanent: false,
      concerns: 'destination',
    });
  });

  it('keeps the password out of results, also when the server repeats it', async () => {
    const server = await scripted((verb, line) => (verb === 'AUTH' ? `535 what is "${line}"` : undefined));
    const result = await send(senderTo(withLogin(server.url, PASSWORD, '?requireTLS=false')));
    const sent = Buffer.from(`\0${USER}\0${PASSWORD}`).toString('base64');
    expect(server.commands).toContain(`AUTH PLAIN ${sent}`);
    expect(result).toMatchObject({ status: 535, response: '535 what is "AUTH PLAIN [hidden]"' });
    const shown = JSON.stringify(result);
    for (const form of [PASSWORD, sent, encodeURIComponent(PASSWORD)]) expect(shown).not.toContain(form);
  });

  it('is not tried without TLS, unless the URL says so', async () => {
    const server = await scripted(() => undefined);
    const result = await send(senderTo(withLogin(server.url)));
    expect(result).toMatchObject({ outcome: 'failed', permanent: false, concerns: 'destination' });
    expect(result).toHaveProperty('detail', expect.stringContaining('to STARTTLS: 500'));
    expect(server.commands.map((line) => line.split(' ')[0])).toEqual(['EHLO', 'STARTTLS']);
  });
});

describe('a certificate of the SMTP server', () => {
  const login = { user: USER, password: PASSWORD, method: 'PLAIN' } as const;
  const ways = [
    ['STARTTLS', false],
    ['TLS from the start', true],
  ] as const;

  async function server(fromTheStart: boolean) {
    const started = await sink({ login, tls: { certificate, fromTheStart } });
    const url = withLogin(started.url.replace('smtp:', fromTheStart ? 'smtps:' : 'smtp:'));
    return { mails: started.mails, url };
  }

  it.each(ways)('that nobody vouches for is refused with %s', async (_name, fromTheStart) => {
    const { mails, url } = await server(fromTheStart);
    const result = await send(senderTo(url));
    expect(result).toMatchObject({ error: 'tls', permanent: false, concerns: 'destination' });
    await pause(20);
    expect(mails).toEqual([]);
  });

  it.each(ways)(
    'of a private authority is trusted with %s when NODE_EXTRA_CA_CERTS names it',
    async (_name, fromTheStart) => {
      const { mails, url } = await server(fromTheStart);
      const program = `
      const { EmailSender } = await import(${JSON.stringify(COMPILED_SENDER)});
      const sender = new EmailSender({ smtpUrl: ${JSON.stringify(url)}, from: 'triggers@example.com', timeoutMs: 15000 });
      const result = await sender.send(${JSON.stringify(outgoing)}, new AbortController().signal);
      console.log(JSON.stringify(result));
      await sender.close();`;
      const { stdout, stderr } = await promisify(execFile)(
        process.execPath,
        ['--input-type=module', '--eval', program],
        {
          cwd: fileURLToPath(new URL('../../..', import.meta.url)),
          env: { PATH: process.env.PATH, NODE_EXTRA_CA_CERTS: certificate.certPath },
        },
      );
      expect(stderr).toBe('');
      expect(JSON.parse(stdout)).toMatchObject({ outcome: 'delivered', status: 250 });
      expect(mails).toMatchObject([{ secure: true, user: USER }]);
    },
  );
});
