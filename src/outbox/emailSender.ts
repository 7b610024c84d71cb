import { createTransport, type Transporter } from 'nodemailer';
import { withDeadline } from './deadline.ts';
import { emailMessage } from './emailMessage.ts';
import {
  delivered,
  noAnswer,
  type Outgoing,
  type Sender,
  type SendFailure,
  type SendResult,
} from './sender.ts';
import { transportError } from './transportError.ts';

const CONNECTIONS_MAX = 4;
const RESPONSE_KEPT_CHARS_MAX = 1024;
/** The errors in which a 5xx reply is about this message or its recipient, and not about our login. */
const REFUSALS = new Set(['EENVELOPE', 'EMESSAGE']);

export interface EmailSenderOptions {
  /** `smtp://user:password@host:port`, or `smtps://`. */
  readonly smtpUrl: string;
  /** An address, or `Name <address>`. */
  readonly from: string;
  /** For the whole attempt: waiting for a connection, and the exchange. */
  readonly timeoutMs: number;
}

/**
 * Sends one email per delivery over a pool of SMTP connections. A 5xx reply to the sender, the recipient or
 * the message is final; everything else is tried again.
 */
export class EmailSender implements Sender {
  readonly #transport: Transporter;
  readonly #options: EmailSenderOptions;
  readonly #domain: string;

  constructor(options: EmailSenderOptions) {
    const { smtpUrl, timeoutMs } = options;
    this.#options = options;
    this.#domain = /@([\p{L}\p{N}.-]+)/u.exec(options.from)?.[1] ?? 'sequence-triggers.invalid';
    this.#transport = createTransport({
      url: smtpUrl,
      pool: true,
      maxConnections: CONNECTIONS_MAX,
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
      return await withDeadline(this.#options.timeoutMs, signal, (either) => this.#submit(outgoing, either));
    } catch (error) {
      return failureOf(error);
    }
  }

  async close(): Promise<void> {
    this.#transport.close();
  }

  async #submit({ delivery, fire, sequence }: Outgoing, signal: AbortSignal): Promise<SendResult> {
    const { messageId, subject, text, html } = emailMessage(
      fire,
      sequence,
      delivery.destination,
      this.#domain,
    );
    const reply = await this.#transport.sendMail({
      from: this.#options.from,
      // As an object the address is taken as it is; as text it would be parsed, and could become several.
      to: { name: '', address: delivery.destination },
      subject,
      text,
      html,
      messageId,
      headers: { 'Auto-Submitted': 'auto-generated' },
      signal,
    });
    const response = kept(reply.response ?? '');
    return delivered(replyCode(response), response);
  }
}

function failureOf(error: unknown): SendFailure {
  const { kind, detail } = transportError(error);
  const response = field(error, 'response');
  const status = field(error, 'responseCode');
  if (typeof status !== 'number' || typeof response !== 'string') return noAnswer(kind, detail);
  const refused = status >= 500 && REFUSALS.has(String(field(error, 'code')));
  return {
    outcome: 'failed',
    status,
    error: null,
    response: kept(response),
    detail: `${refused ? 'refused by' : 'answer of'} the SMTP server: ${kept(response)}`,
    retryAfterMs: null,
    permanent: refused,
    concerns: refused ? 'message' : 'destination',
    pauseReason: null,
  };
}

function field(error: unknown, name: string): unknown {
  return error instanceof Error ? (error as Error & Record<string, unknown>)[name] : undefined;
}

function replyCode(response: string): number | null {
  const code = /^\d{3}/.exec(response)?.[0];
  return code === undefined ? null : Number(code);
}

function kept(response: string): string {
  return response.slice(0, RESPONSE_KEPT_CHARS_MAX);
}
