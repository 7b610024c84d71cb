import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';

export interface ReceivedEmail {
  readonly to: readonly string[];
  readonly subject: string;
}

/** An SMTP server on 127.0.0.1 that delivers nothing and reports every email. */
export interface Mailbox {
  /** For SMTP_URL. */
  readonly url: string;
  close(): Promise<void>;
}

const EMAIL_BYTES_MAX = 2 ** 20;

/** Starts a mailbox on any free port. */
export async function startMailbox(onEmail: (email: ReceivedEmail) => void): Promise<Mailbox> {
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    size: EMAIL_BYTES_MAX,
    logger: false,
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const to = session.envelope.rcptTo.map((recipient) => recipient.address);
        onEmail({ to, subject: subjectOf(Buffer.concat(chunks).toString('utf8')) });
        done();
      });
    },
  });
  // A client that hangs up in the middle is no concern of a sink.
  server.on('error', () => undefined);
  await new Promise<void>((resolve, reject) => {
    server.server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve());
  });
  return {
    url: `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** The subject of a raw email, with folded lines joined and encoded words (RFC 2047) decoded. */
export function subjectOf(email: string): string {
  const head = email.split(/\r?\n\r?\n/, 1)[0] ?? '';
  const subject = /^subject:[ \t]*(.*(?:\r?\n[ \t].*)*)/im.exec(head)?.[1] ?? '';
  const unfolded = subject.replace(/\r?\n[ \t]+/g, ' ');
  return unfolded
    .replace(/\?=\s+=\?/g, '?==?')
    .replace(/=\?utf-8\?([bq])\?([^?]*)\?=/gi, (_word, encoding: string, encoded: string) =>
      encoding.toLowerCase() === 'b' ? Buffer.from(encoded, 'base64').toString('utf8') : decodeQ(encoded),
    );
}

function decodeQ(encoded: string): string {
  const binary = encoded
    .replaceAll('_', ' ')
    .replace(/=([0-9a-f]{2})/gi, (_escape, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(binary, 'latin1').toString('utf8');
}
