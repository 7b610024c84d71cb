import { afterAll, describe, expect, it } from 'vitest';
import { parseCidrs } from '../../../src/outbox/addressGuard.ts';
import { BAD_RECEIVERS } from '../../support/badReceivers.ts';
import { anAuthority } from '../../support/certificates.ts';
import { aWebhookSender, sendTo } from '../../support/outbox.ts';
import { startRawReceiver } from '../../support/rawReceiver.ts';

const TIMEOUT_MS = 700;
const authority = anAuthority();
const sender = aWebhookSender({
  timeoutMs: TIMEOUT_MS,
  allowedCidrs: parseCidrs(['127.0.0.1/32']),
  caPem: authority.cert,
});
const CONTROL_CHARACTERS = /[^\P{Cc}\t\r\n]/u;

afterAll(() => sender.close());

describe('a webhook to a receiver that', () => {
  it.each(BAD_RECEIVERS)('$title', async (bad) => {
    const receiver = await startRawReceiver(bad, authority);
    try {
      const messages = bad.messages ?? 1;
      for (let number = 1; number < messages; number++)
        expect(await sendTo(sender, receiver.url)).toMatchObject({ outcome: 'delivered' });
      const result = await sendTo(sender, receiver.url);
      expect(result).toMatchObject(bad.expected);
      expect(result.response ?? '').not.toMatch(CONTROL_CHARACTERS);
      expect(result.response?.length ?? 0).toBeLessThanOrEqual(1_024);
      expect(receiver.requests).toBe(bad.requests ?? messages);
    } finally {
      await receiver.close();
    }
  });
});
