import { describe, expect, it } from 'vitest';
import type { Fire } from '../../../src/model/fire.ts';
import { emailMessage } from '../../../src/outbox/emailMessage.ts';
import { aFire, aMilestone, aMilestoneFire, aSequence } from '../../support/outbox.ts';

const write = (fire = aFire(), sequence = aSequence()) =>
  emailMessage(fire, sequence, 'sales@example.com', 'example.com');

/** What a reader of the HTML sees, line by line. */
function seen(html: string): string[] {
  return html
    .replace(/<title>.*<\/title>|<div style="display:none.*<\/div>/g, '')
    .replace(/<br>|<\/(?:p|div|td)>/g, '\n')
    .replace(/<[^>]*>/g, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

describe('the email about a fire', () => {
  it('names the lead and the sequence in its subject unless the sequence has one', () => {
    expect(write().subject).toBe('Lead lead-1 completed Trial to paid');
    expect(write(aFire(), aSequence({ emailSubject: 'Call now' })).subject).toBe('Call now');
    expect(write(aFire(), aSequence({ emailSubject: '' })).subject).toBe(
      'Lead lead-1 completed Trial to paid',
    );
  });

  it('names both however long they are, and cuts between characters', () => {
    const { subject } = write(aFire({ leadId: '👩‍👩‍👧'.repeat(30), sequenceName: 'é'.repeat(200) }));
    expect(subject).toBe(`Lead ${'👩‍👩‍👧'.repeat(9)}… completed ${'é'.repeat(79)}…`);
    expect(subject.length).toBeLessThanOrEqual(200);
  });

  it('keeps a lead id from writing headers', () => {
    const { subject } = write(aFire({ leadId: 'x\r\nBcc: all@example.com\u0000\u2028y' }));
    expect(subject).toBe('Lead x Bcc: all@example.com y completed Trial to paid');
  });

  it('keeps ids and names from writing lines of the body', () => {
    const forged = 'x\r\nSequence: another\u2028Events:\u0085';
    const events = [{ id: forged, type: forged, timeMicros: 0 }];
    const { text } = write(aFire({ leadId: forged, sequenceName: forged, events }));
    const line = 'x Sequence: another Events:';
    expect(text.split('\n')).toEqual([
      `Lead: ${line}`,
      `Sequence: ${line}`,
      'Events:',
      `1. ${line}`,
      `   1970-01-01 00:00:00 UTC, id ${line}`,
      '',
    ]);
  });

  it('keeps names from turning the text around them, and from breaking its encoding', () => {
    const { subject, text, html } = write(
      aFire({ leadId: 'a\u202egpj.exe\u2066', sequenceName: 'half \ud83d of one' }),
      aSequence({ emailMessage: 'lone \udc00, bell \u0007, tab \t, end' }),
    );
    expect(subject).toBe('Lead agpj.exe completed half \ufffd of one');
    for (const body of [text, html]) {
      expect(body).not.toMatch(/[\u202a-\u202e\u2066-\u2069]|\p{Cs}/u);
      expect(body).toContain('lone \ufffd, bell , tab \t, end');
    }
    expect(html).toContain('<bdi>agpj.exe</bdi>');
  });

  it('gives the message, the lead, the sequence and the events in the order of the fire', () => {
    const events: Fire['events'] = [
      { id: 'e9', type: 'second_by_time', timeMicros: 1_777_629_660_250_000 },
      { id: 'e1', type: 'first_by_time', timeMicros: 1_777_629_600_000_000 },
    ];
    const { html } = write(
      aFire({ events }),
      aSequence({ emailMessage: 'Hello,\r\n\r\nplease call.\rToday.' }),
    );
    expect(seen(html)).toEqual([
      'Hello,',
      'please call.',
      'Today.',
      'Lead',
      'lead-1',
      'Sequence',
      'Trial to paid',
      'Events',
      '1',
      'second_by_time',
      '2026-05-01 10:01:00 UTC',
      'e9',
      '2',
      'first_by_time',
      '2026-05-01 10:00:00 UTC',
      'e1',
    ]);
    expect(html).toContain('<time datetime="2026-05-01T10:01:00.25Z">');
  });

  it('hides the preheader, and keeps the text behind it out of the list of emails', () => {
    const { html, text } = write(aFire(), aSequence({ emailPreheader: 'A lead is <ready>' }));
    const hidden = /<body[^>]*>\s*<div style="display:none[^"]*">(.*)<\/div>/.exec(html)?.[1] ?? '';
    expect(hidden.startsWith('A lead is &lt;ready&gt;&zwnj;&nbsp;')).toBe(true);
    expect(hidden.match(/&zwnj;&nbsp;/g)?.length).toBeGreaterThan(100);
    expect(text).not.toContain('ready');
    expect(write().html).not.toContain('&zwnj;');
  });

  it('escapes whatever came from outside', () => {
    const evil = `<img src=x onerror="a('b')">&`;
    const event = { id: evil, type: evil, timeMicros: 0 };
    const { html } = write(
      aFire({ leadId: evil, sequenceName: evil, events: [event] }),
      aSequence({ emailSubject: evil, emailMessage: evil, emailPreheader: evil }),
    );
    const escaped = '&lt;img src=x onerror=&quot;a(&#39;b&#39;)&quot;&gt;&amp;';
    expect(html).not.toContain('<img');
    expect(html.split(escaped)).toHaveLength(8);
  });

  it('needs nothing from elsewhere and no style sheet', () => {
    const { html } = write(aFire(), aSequence({ emailMessage: 'Hello' }));
    expect(html).not.toMatch(/<(?:img|link|script|style|a)\b|url\(|https?:|src=/i);
    expect(html).toMatch(/^<!doctype html>\n<html lang="en" dir="ltr">/);
    expect(html).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">');
    expect(html).toContain('<title>Lead lead-1 completed Trial to paid</title>');
  });

  it('has one Message-ID per fire and recipient', () => {
    const id = (fireId: string, recipient: string) =>
      emailMessage(aFire({ id: fireId }), aSequence(), recipient, 'example.com').messageId;
    expect(id('fire-1', 'a@example.com')).toBe(id('fire-1', 'a@example.com'));
    expect(id('fire-1', 'a@example.com')).toMatch(/^<fire-1\.[0-9a-f]{16}@example\.com>$/);
    const different = [id('fire-1', 'b@example.com'), id('fire-2', 'a@example.com')];
    expect(different).not.toContain(id('fire-1', 'a@example.com'));
  });

  it('has one List-Id per sequence, whatever it is called and whoever it belongs to', () => {
    const id = (change: Partial<Fire>) =>
      /<[^>]+>$/.exec(JSON.stringify(write(aFire(change)).headers['List-Id']).replace(/"}$/, ''))?.[0];
    expect(id({})).toBe('<seq-1.acme.example.com>');
    expect(id({ sequenceName: 'another', leadId: 'lead-2' })).toBe(id({}));
    expect(id({ sequenceId: 'seq-2' })).toBe('<seq-2.acme.example.com>');
    // Lists are told apart without regard to capitals, OUs with.
    const others = ['Acme', 'ACME', 'käse', 'a_b', '-a', 'a'.repeat(64)].map((ou) => id({ ou }));
    for (const other of others) expect(other).toMatch(/^<seq-1\.x-[0-9a-f]{16}\.example\.com>$/);
    expect(new Set(others).size).toBe(others.length);
  });

  it('marks a sample, and nothing else', () => {
    expect(write(aFire({ isSample: true })).headers).toHaveProperty('X-Sequence-Triggers-Sample', 'true');
    expect(write().headers).not.toHaveProperty('X-Sequence-Triggers-Sample');
    expect(write().text).not.toContain('sample');
    expect(write().html).not.toContain('sample');
  });
});

describe('the email about a lead that reached a score', () => {
  const event = { id: '<e1>', type: 'sign & up', timeMicros: 1_714_557_660_250_000 };
  const fire = aMilestoneFire({ eventTypes: [event.type], events: [event] });
  const write = (milestone = aMilestone()) =>
    emailMessage(fire, milestone, 'sales@example.com', 'example.com');

  it('names the lead, the trigger, the score and the event', () => {
    const { subject, text, html } = write();
    expect(subject).toBe('Lead lead-1 reached Hot lead');
    expect(text.split('\n')).toEqual([
      'Lead: lead-1',
      'Trigger: Hot lead',
      'Score: 120 (the threshold is 100)',
      'Event:',
      '1. sign & up',
      '   2024-05-01 10:01:00 UTC, id <e1>',
      '',
    ]);
    expect(seen(html)).toEqual([
      'Lead',
      'lead-1',
      'Trigger',
      'Hot lead',
      'Score',
      '120 (the threshold is 100)',
      'Event',
      '1',
      'sign &amp; up',
      '2024-05-01 10:01:00 UTC',
      '&lt;e1&gt;',
    ]);
  });

  it('has the words of the customer first, and his subject', () => {
    const { subject, text } = write(aMilestone({ emailSubject: 'Now', emailMessage: 'Call them.' }));
    expect(subject).toBe('Now');
    expect(text.startsWith('Call them.\n\nLead: lead-1\n')).toBe(true);
  });
});
