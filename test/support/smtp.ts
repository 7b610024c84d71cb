import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ParsedMail, simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import { selfSigned } from './certificates.ts';

export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly raw: string;
  readonly parsed: ParsedMail;
  /** Whether it came encrypted, and who had logged in. */
  readonly secure: boolean;
  readonly user: string | null;
}

export interface Refusal {
  readonly code: number;
  readonly text: string;
}

export interface SmtpSinkOptions {
  /** Any free one when not given. */
  readonly port?: number;
  /** Who may log in, and must; nobody when not given. */
  readonly login?: { readonly user: string; readonly password: string; readonly method: 'PLAIN' | 'LOGIN' };
  /** With a certificate the server offers STARTTLS, or speaks TLS from the start. */
  readonly tls?: { readonly certificate: Certificate; readonly fromTheStart: boolean };
}

export interface SmtpSink {
  readonly url: string;
  readonly port: number;
  readonly mails: ReceivedMail[];
  /** Connections that are open now, and the most that were at once. */
  readonly connections: { open: number; openMax: number };
  /** What to say to a recipient: null accepts. */
  refuse: (recipient: string) => Refusal | null;
  /** What to say to a message, which is kept in any case. */
  refuseMessage: () => Refusal | null;
  close(): Promise<void>;
}

/** Starts a real SMTP server on the loopback that keeps what it receives; without options, neither TLS nor logins. */
export async function startSmtpSink({ port = 0, login, tls }: SmtpSinkOptions = {}): Promise<SmtpSink> {
  const disabled = [
    ...(login ? [] : ['AUTH']),
    ...(tls === undefined || tls.fromTheStart ? ['STARTTLS'] : []),
  ];
  const server = new SMTPServer({
    authOptional: login === undefined,
    authMethods: [login?.method ?? 'PLAIN'],
    allowInsecureAuth: true,
    disabledCommands: disabled,
    disableReverseLookup: true,
    // Connections that are still open at the end are cut soon.
    closeTimeout: 100,
    ...(tls === undefined ? {} : { key: tls.certificate.key, cert: tls.certificate.cert }),
    secure: tls?.fromTheStart ?? false,
    onAuth({ username, password }, _session, callback) {
      const fits = username === login?.user && password === login?.password;
      callback(fits ? null : errorOf({ code: 535, text: '5.7.8 who are you' }), { user: username ?? '' });
    },
    onRcptTo({ address }, _session, callback) {
      callback(errorOf(sink.refuse(address)));
    },
    onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', async () => {
        const bytes = Buffer.concat(chunks);
        const { mailFrom, rcptTo } = session.envelope;
        sink.mails.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map((recipient) => recipient.address),
          raw: bytes.toString('utf8'),
          parsed: await simpleParser(bytes),
          secure: session.secure,
          user: typeof session.user === 'string' ? session.user : null,
        });
        callback(errorOf(sink.refuseMessage()));
      });
    },
  });
  // A client that goes away in the middle of an exchange is no failure of the sink.
  server.on('error', () => {});
  const connections = { open: 0, openMax: 0 };
  server.server.on('connection', (socket: Socket) => {
    connections.open += 1;
    connections.openMax = Math.max(connections.openMax, connections.open);
    socket.on('close', () => {
      connections.open -= 1;
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const address = server.server.address() as AddressInfo;
  const sink: SmtpSink = {
    url: `smtp://127.0.0.1:${address.port}`,
    port: address.port,
    mails: [],
    connections,
    refuse: () => null,
    refuseMessage: () => null,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
  return sink;
}

function errorOf(refusal: Refusal | null): Error | null {
  return refusal === null ? null : Object.assign(new Error(refusal.text), { responseCode: refusal.code });
}

/** What a scripted server does: answers with a line, says nothing any more, or ends the connection. */
export type ScriptedReply = string | 'hang' | 'close';

export interface ScriptedSmtp {
  readonly url: string;
  /** Every command line received; `.` is the end of a message. */
  readonly commands: string[];
  readonly connections: { open: number };
  close(): Promise<void>;
}

const USUAL_REPLIES: Readonly<Record<string, string>> = {
  greeting: '220 scripted',
  EHLO: '250-scripted\r\n250 AUTH PLAIN',
  AUTH: '235 2.7.0 welcome',
  MAIL: '250 2.1.0 sender fine',
  RCPT: '250 2.1.5 recipient fine',
  DATA: '354 go on',
  '.': '250 2.0.0 taken',
  RSET: '250 2.0.0 reset',
  QUIT: '221 2.0.0 bye',
};

/**
 * Starts a server that goes through the motions of SMTP, but for what the script says.
 *
 * @param script a reply by `greeting`, the command's verb, or `.` for the end of a message; undefined: the usual
 */
export async function startScriptedSmtp(
  script: (verb: string, line: string) => ScriptedReply | undefined,
): Promise<ScriptedSmtp> {
  const commands: string[] = [];
  const connections = { open: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    connections.open += 1;
    socket.on('error', () => {});
    socket.on('close', () => {
      sockets.delete(socket);
      connections.open -= 1;
    });
    const answer = (verb: string, line = '') => {
      const reply = script(verb, line) ?? USUAL_REPLIES[verb] ?? '500 5.5.1 unknown command';
      if (reply === 'close') socket.destroy();
      else if (reply !== 'hang') socket.write(`${reply}\r\n`);
      return reply;
    };
    let buffered = '';
    let inMessage = false;
    socket.on('data', (chunk) => {
      buffered += chunk.toString('latin1');
      for (let end = buffered.indexOf('\r\n'); end >= 0; end = buffered.indexOf('\r\n')) {
        const line = buffered.slice(0, end);
        buffered = buffered.slice(end + 2);
        if (inMessage && line !== '.') continue;
        commands.push(line);
        const verb = inMessage ? '.' : (line.split(' ')[0] ?? '').toUpperCase();
        inMessage = answer(verb, line).startsWith('354');
      }
    });
    answer('greeting');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    commands,
    connections,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

export interface Certificate {
  readonly key: string;
  readonly cert: string;
  /** Of the certificate, for a client that is to trust it. */
  readonly certPath: string;
  remove(): void;
}

/** Makes a certificate for 127.0.0.1 that nobody but itself has signed. */
export function makeCertificate(): Certificate {
  const directory = mkdtempSync(join(tmpdir(), 'sequence-triggers-certificate-'));
  const certPath = join(directory, 'cert.pem');
  const identity = selfSigned(['127.0.0.1']);
  writeFileSync(certPath, identity.cert);
  return { ...identity, certPath, remove: () => rmSync(directory, { recursive: true, force: true }) };
}
