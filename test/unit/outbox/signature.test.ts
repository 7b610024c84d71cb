import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { signatureHeaders, signingSecrets } from '../../../src/outbox/signature.ts';
import { aSequence, SECRET } from '../../support/outbox.ts';

const OLD_SECRET = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;
const BODY = '{"a":"ü"}';

describe('signing', () => {
  it('signs with the current and the previous secret until the previous one expires', () => {
    const previousWebhookSecrets = [{ secret: OLD_SECRET, expiresAtMs: 5000 }];
    const sequence = aSequence({ previousWebhookSecrets });
    expect(signingSecrets(sequence, 4999)).toEqual([SECRET, OLD_SECRET]);
    expect(signingSecrets(sequence, 5000)).toEqual([SECRET]);
  });

  it('is verified by receivers that know either secret, and by no other', () => {
    const headers = signatureHeaders('fire-1', Date.now(), Buffer.from(BODY), [SECRET, OLD_SECRET]);
    expect(new Webhook(SECRET).verify(BODY, headers)).toEqual({ a: 'ü' });
    expect(new Webhook(OLD_SECRET).verify(BODY, headers)).toEqual({ a: 'ü' });
    const stranger = new Webhook(`whsec_${Buffer.alloc(32, 1).toString('base64')}`);
    expect(() => stranger.verify(BODY, headers)).toThrow();
    expect(() => new Webhook(SECRET).verify(`${BODY} `, headers)).toThrow();
  });
});
