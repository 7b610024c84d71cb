import { describe, expect, it } from 'vitest';
import { emailMessage } from '../../../src/outbox/emailMessage.ts';
import { aFire, aSequence } from '../../support/outbox.ts';

const write = (fire = aFire(), sequence = aSequence()) =>
  emailMessage(fire, sequence, 'sales@example.com', 'example.com');

describe('the email about a fire', () => {
  it('names the lead and the sequence in its subject unless the sequence has one', () => {
    expect(write().subject).toBe('Lead lead-1 completed Trial to paid');
    expect(write(aFire(), aSequence({ emailSubject: 'Call now' })).subject).toBe('Call now');
  });

  it('keeps a lead id from writing headers', () => {
    const { subject } = write(aFire({ leadId: 'x\r\nBcc: all@example.com\u0000\u2028y' }));
    expect(subject).toBe('Lead x Bcc: all@example.com y completed Trial to paid');
  });

  it('escapes whatever came from outside', () => {
    const evil = `<img src=x onerror="a('b')">&`;
    const event = { id: evil, type: evil, timeMicros: 0 };
    const { html } = write(
      aFire({ leadId: evil, sequenceName: evil, events: [event] }),
      aSequence({ emailMessage: evil, emailPreheader: evil }),
    );
    const escaped = '&lt;img src=x onerror=&quot;a(&#39;b&#39;)&quot;&gt;&amp;';
    expect(html).not.toContain('<img');
    expect(html.split(escaped)).toHaveLength(7);
  });

  it('has one Message-ID per fire and recipient', () => {
    const id = (fireId: string, recipient: string) =>
      emailMessage(aFire({ id: fireId }), aSequence(), recipient, 'example.com').messageId;
    expect(id('fire-1', 'a@example.com')).toBe(id('fire-1', 'a@example.com'));
    expect(id('fire-1', 'a@example.com')).toMatch(/^<fire-1\.[0-9a-f]{16}@example\.com>$/);
    const different = [id('fire-1', 'b@example.com'), id('fire-2', 'a@example.com')];
    expect(different).not.toContain(id('fire-1', 'a@example.com'));
  });
});
