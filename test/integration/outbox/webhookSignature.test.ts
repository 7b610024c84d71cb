import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rotateSecret } from '../../../src/api/triggerChanges.ts';
import type { Sequence } from '../../../src/model/sequence.ts';
import type { WebhookSender } from '../../../src/outbox/webhookSender.ts';
import { aFire, aSequence, aWebhookSender, SECRET, sendTo } from '../../support/outbox.ts';
import { type ReceivedRequest, type Receiver, startReceiver } from '../../support/receivers.ts';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

let receiver: Receiver;
let sender: WebhookSender;

beforeEach(async () => {
  receiver = await startReceiver();
  sender = aWebhookSender();
});

afterEach(async () => {
  await sender.close();
  await receiver.close();
});

/** What arrives when this sequence fires. */
async function received(
  sequence: Sequence,
  change: Parameters<typeof sendTo>[2] = {},
): Promise<ReceivedRequest> {
  const result = await sendTo(sender, receiver.url, { sequence, ...change });
  expect(result).toMatchObject({ outcome: 'delivered' });
  return receiver.requests.at(-1) as ReceivedRequest;
}

function verifies(secret: string, { body, headers }: ReceivedRequest): boolean {
  try {
    new Webhook(secret).verify(body, headers as Record<string, string>);
    return true;
  } catch {
    return false;
  }
}

describe('the signature of a webhook', () => {
  it('is over the very bytes that are sent, whatever characters are in them', async () => {
    const fire = aFire({ leadId: 'lead-é-漢-😀-\u2028-\u0000', sequenceName: '"Größe" \\ \ud800' });
    const request = await received(aSequence(), { fire });
    expect(verifies(SECRET, request)).toBe(true);
    expect(Number(request.headers['content-length'])).toBe(Buffer.byteLength(request.body));
    expect(JSON.parse(request.body)).toMatchObject({ lead_id: fire.leadId });
  });

  it('has one id for all attempts and the timestamp of each', async () => {
    const nowMs = Date.now();
    const first = await received(aSequence(), { nowMs: nowMs - 2 * MINUTE_MS });
    const second = await received(aSequence(), { nowMs });
    expect([first, second].map(({ headers }) => headers['webhook-id'])).toEqual(['fire-1', 'fire-1']);
    expect([first, second].map(({ headers }) => headers['webhook-timestamp'])).toEqual([
      String(Math.floor((nowMs - 2 * MINUTE_MS) / 1_000)),
      String(Math.floor(nowMs / 1_000)),
    ]);
    expect(first.body).toBe(second.body);
    for (const request of [first, second]) expect(verifies(SECRET, request)).toBe(true);
    const mixed = {
      ...second,
      headers: { ...second.headers, 'webhook-timestamp': first.headers['webhook-timestamp'] },
    };
    expect(verifies(SECRET, mixed)).toBe(false);
  });

  it('verifies with the new secret at once and with the old one for 24 hours after a rotation', async () => {
    const nowMs = Date.now();
    const within = rotateSecret(aSequence(), nowMs - DAY_MS + 1);
    const after = rotateSecret(aSequence(), nowMs - DAY_MS);
    const requestWithin = await received(within, { nowMs });
    expect(requestWithin.headers['webhook-signature']).toMatch(/^v1,\S+ v1,\S+$/);
    expect(verifies(SECRET, requestWithin)).toBe(true);
    expect(verifies(within.webhookSecret, requestWithin)).toBe(true);
    const requestAfter = await received(after, { nowMs });
    expect(requestAfter.headers['webhook-signature']).toMatch(/^v1,\S+$/);
    expect(verifies(SECRET, requestAfter)).toBe(false);
    expect(verifies(after.webhookSecret, requestAfter)).toBe(true);
  });

  it('is made with 32 random bytes, others at each rotation', () => {
    const secrets = Array.from({ length: 20 }, () => rotateSecret(aSequence(), 0).webhookSecret);
    expect(new Set(secrets).size).toBe(20);
    for (const secret of secrets) {
      expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
      expect(Buffer.from(secret.slice('whsec_'.length), 'base64')).toHaveLength(32);
    }
  });
});
