import { domainToASCII } from 'node:url';
import { createTransport, type Transporter } from 'nodemailer';
import { withDeadline } from './deadline.ts';
import { emailMessage } from './emailMessage.ts';
import { delivered, type Outgoing, type Sender, type SendResult } from './sender.ts';
import { keptResponse, type Redact, redactorOf, smtpFailure } from './smtpFailure.ts';

const CONNECTIONS_MAX = 4;
/** A burst is over; servers do not like to hold a place for those who say nothing. */
const IDLE_MS = 30_000;

export interface EmailSenderOptions {
  /**
   * `smtp://user:password@host:port`, or `smtps://`; parameters are options of nodemailer. With a password, TLS
   * is a must, unless a parameter says `requireTLS=false`.
   */
  readonly smtpUrl: string;
  /** An address, or `Name <address>`. */
  readonly from: string;
  /** For the whole attempt: waiting for a connection, and the exchange. */
  readonly timeoutMs: number;
  /** After this long without an email a connection is closed; 30 s when not given. */
  readonly idleMs?: number;
}

/** Sends one email per delivery over a pool of SMTP connections. */
export class EmailSender implements Sender {
  readonly #transport: Transporter;
  readonly #timeoutMs: number;
  readonly #from: Sendable;
  readonly #domain: string;
  readonly #redact: Redact;

  constructor({ smtpUrl, from, timeoutMs, idleMs = IDLE_MS }: EmailSenderOptions) {
    this.#timeoutMs = timeoutMs;
    this.#from = senderOf(from);
    this.#domain = domainToASCII(this.#from.address.split('@').at(-1) ?? '') || 'sequence-triggers.invalid';
    this.#redact = redactorOf(smtpUrl);
    this.#transport = createTransport({
      url: smtpUrl,
      pool: true,
      maxConnections: CONNECTIONS_MAX,
      // For a message that meets a connection which the server has just left; all else is for our schedule.
      maxRequeues: 1,
      idleTimeout: idleMs,
      requireTLS: new URL(smtpUrl).password !== '',
      dnsTimeout: timeoutMs,
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
  }

  async send(outgoing: Outgoing, signal: AbortSignal): Promise<SendResult> {
    try {
      return await withDeadline(this.#timeoutMs, signal, (either) => this.#submit(outgoing, either));
    } catch (error) {
      return smtpFailure(error, this.#redact);
    }
  }

  async close(): Promise<void> {
    this.#transport.close();
  }

  async #submit({ delivery, fire, sequence }: Outgoing, signal: AbortSignal): Promise<SendResult> {
    const { response = '' } = await this.#transport.sendMail({
      from: this.#from,
      // As an object the address is taken as it is; as text it would be parsed, and could become several.
      to: { name: '', address: delivery.destination },
      ...emailMessage(fire, sequence, delivery.destination, this.#domain),
      signal,
    });
    return delivered(replyCode(response), keptResponse(this.#redact(response)));
  }
}

interface Sendable {
  readonly name: string;
  readonly address: string;
}

/** Read here and not by the transport, to which a colon in the name opens a group, and brackets are a comment. */
function senderOf(from: string): Sendable {
  const { name = '', address = from } = /^(?<name>.*?)\s*<(?<address>[^<>]+)>$/.exec(from)?.groups ?? {};
  return { name: name.replace(/^"(.*)"$/, '$1'), address };
}

function replyCode(response: string): number | null {
  const code = /^\d{3}/.exec(response)?.[0];
  return code === undefined ? null : Number(code);
}
