import { createHmac } from 'node:crypto';
import type { Sequence } from '../model/sequence.ts';

const SECRET_PREFIX = 'whsec_';

/** The secrets that sign now: the current one, and previous ones until they expire. */
export function signingSecrets(
  sequence: Pick<Sequence, 'webhookSecret' | 'previousWebhookSecrets'>,
  nowMs: number,
): string[] {
  const valid = sequence.previousWebhookSecrets.filter(({ expiresAtMs }) => expiresAtMs > nowMs);
  return [sequence.webhookSecret, ...valid.map(({ secret }) => secret)];
}

/**
 * The headers of Standard Webhooks 1.0.0 (symmetric): an HMAC-SHA256 of `<id>.<timestamp>.<body>` for each
 * secret, separated by spaces.
 *
 * @param body the very bytes that are sent
 * @param secrets `whsec_` and base64
 */
export function signatureHeaders(
  id: string,
  nowMs: number,
  body: Uint8Array,
  secrets: readonly string[],
): Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string> {
  const timestamp = String(Math.floor(nowMs / 1000));
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64');
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')}`;
  });
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}
