import type { AddressInfo } from 'node:net';
import { type ParsedMail, simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';

export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly raw: string;
  readonly parsed: ParsedMail;
}

export interface Refusal {
  readonly code: number;
  readonly text: string;
}

export interface SmtpSink {
  readonly url: string;
  readonly mails: ReceivedMail[];
  /** What to say to a recipient: null accepts. */
  refuse: (recipient: string) => Refusal | null;
  /** What to say to a message, which is kept in any case. */
  refuseMessage: () => Refusal | null;
  close(): Promise<void>;
}

/** Starts a real SMTP server on the loopback, without TLS and logins, that keeps what it receives. */
export async function startSmtpSink(): Promise<SmtpSink> {
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
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
        });
        callback(errorOf(sink.refuseMessage()));
      });
    },
  });
  // A client that goes away in the middle of an exchange is no failure of the sink.
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.server.address() as AddressInfo;
  const sink: SmtpSink = {
    url: `smtp://127.0.0.1:${port}`,
    mails: [],
    refuse: () => null,
    refuseMessage: () => null,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
  return sink;
}

function errorOf(refusal: Refusal | null): Error | null {
  return refusal === null ? null : Object.assign(new Error(refusal.text), { responseCode: refusal.code });
}
