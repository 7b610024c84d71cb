import { Agent, type Dispatcher } from 'undici';
import type { Fire } from '../model/fire.ts';
import { formatMicros } from '../model/time.ts';
import { AddressRefusedError, type Cidr, checkWebhookUrl, guardedLookup } from './addressGuard.ts';
import { withDeadline } from './deadline.ts';
import { delivered, noAnswer, type Outgoing, type Sender, type SendResult } from './sender.ts';
import { signatureHeaders, signingSecrets } from './signature.ts';
import { transportError } from './transportError.ts';

const RESPONSE_READ_BYTES_MAX = 16 * 1024;
const RESPONSE_KEPT_BYTES_MAX = 1024;
const RETRY_AFTER_MS_MAX = 24 * 60 * 60 * 1000;
const STATUSES_WITH_RETRY_AFTER = new Set([429, 503]);

export interface WebhookSenderOptions {
  /** Of this program, for the user agent. */
  readonly version: string;
  /** For the whole attempt: name resolution, connection, headers and body. */
  readonly timeoutMs: number;
  readonly allowedCidrs: readonly Cidr[];
}

/** The body of a webhook: exactly these keys. */
export function webhookBody(fire: Fire): string {
  return JSON.stringify({
    trigger: { id: fire.sequenceId, name: fire.sequenceName, type: 'sequence' },
    lead_id: fire.leadId,
    sequence: fire.eventTypes,
    events: fire.events.map((event) => ({
      id: event.id,
      event_type: event.type,
      created_at: formatMicros(event.timeMicros),
    })),
  });
}

/**
 * Posts signed webhooks. An attempt succeeds on a complete 2xx answer, or one that reached the limit of what
 * is read. Redirects are not followed, since they could lead past the address guard.
 */
export class WebhookSender implements Sender {
  readonly #options: WebhookSenderOptions;
  readonly #agent: Agent;

  constructor(options: WebhookSenderOptions) {
    this.#options = options;
    const { timeoutMs, allowedCidrs } = options;
    this.#agent = new Agent({
      connect: { lookup: guardedLookup(allowedCidrs), timeout: timeoutMs },
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    });
  }

  async send(outgoing: Outgoing, signal: AbortSignal): Promise<SendResult> {
    try {
      return await withDeadline(this.#options.timeoutMs, signal, (either) => this.#post(outgoing, either));
    } catch (error) {
      const { kind, detail } = transportError(error);
      return noAnswer(kind, detail);
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #post({ delivery, fire, sequence, nowMs }: Outgoing, signal: AbortSignal): Promise<SendResult> {
    // A lookup is never asked about a literal address, so that is checked here, on every attempt.
    const check = checkWebhookUrl(delivery.destination, this.#options.allowedCidrs);
    if (!check.ok) throw new AddressRefusedError(check.message);
    const body = webhookBody(fire);
    const answer = await this.#agent.request({
      origin: check.url.origin,
      path: check.url.pathname + check.url.search,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': `sequence-triggers/${this.#options.version}`,
        ...signatureHeaders(fire.id, nowMs, body, signingSecrets(sequence, nowMs)),
      },
      body,
      signal,
    });
    const response = await readStart(answer.body);
    return resultOf(answer, response, nowMs);
  }
}

/** What an answer means: any 2xx is a delivery, everything else is to be tried again. */
export function resultOf(
  answer: Pick<Dispatcher.ResponseData, 'statusCode' | 'headers'>,
  response: string,
  nowMs: number,
): SendResult {
  const status = answer.statusCode;
  if (status >= 200 && status < 300) return delivered(status, response);
  const redirect = status >= 300 && status < 400;
  return {
    outcome: 'failed',
    status,
    error: null,
    response,
    detail: `answered ${status}${redirect ? ' (redirects are not followed)' : ''}`,
    retryAfterMs: STATUSES_WITH_RETRY_AFTER.has(status)
      ? parseRetryAfter(answer.headers['retry-after'], nowMs)
      : null,
    permanent: false,
    concerns: 'destination',
    pauseReason: null,
  };
}

/** Reads `Retry-After` as seconds or as an HTTP date, at most 24 hours; null when absent or unreadable. */
export function parseRetryAfter(value: string | string[] | undefined, nowMs: number): number | null {
  if (typeof value !== 'string') return null;
  const text = value.trim();
  const delayMs = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  if (Number.isNaN(delayMs)) return null;
  return Math.min(Math.max(delayMs, 0), RETRY_AFTER_MS_MAX);
}

/** Reads up to the limit, then cuts the connection; returns the start as text. */
async function readStart(body: Dispatcher.ResponseData['body']): Promise<string> {
  const chunks: Uint8Array[] = [];
  let readBytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    readBytes += chunk.length;
    if (readBytes >= RESPONSE_READ_BYTES_MAX) break;
  }
  const kept = Buffer.concat(chunks).subarray(0, RESPONSE_KEPT_BYTES_MAX);
  // In streaming mode the decoder leaves out a character that the cut went through.
  return new TextDecoder().decode(kept, { stream: true });
}
