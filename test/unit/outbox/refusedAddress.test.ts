import { describe, expect, it } from 'vitest';
import { checkWebhookUrl } from '../../../src/outbox/addressGuard.ts';

function wordsFor(url: string): string {
  const check = checkWebhookUrl(url, []);
  if (check.ok) throw new Error(`${url} is not refused`);
  return check.message;
}

describe('a webhook URL that is refused', () => {
  it.each([
    ['http://127.0.0.1:9000/hook', '127.0.0.1', 'of this machine'],
    ['http://localhost/hook', 'localhost', 'of this machine'],
    ['http://10.1.2.3/', '10.1.2.3', 'of a private network'],
    ['http://169.254.169.254/', '169.254.169.254', 'link-local'],
    ['http://[fd00::1]/', 'fd00::1', 'of a private network'],
    ['http://100.64.0.1/', '100.64.0.1', "of a carrier's internal network"],
    ['http://168.63.129.16/', '168.63.129.16', 'metadata service'],
    ['http://[2002:7f00:1::]/', '2002:7f00:1::', 'reserved for special use'],
  ])('for its address says so in plain words, and names the setting: %s', (url, host, words) => {
    const message = wordsFor(url);
    expect(message).toContain(`its host ${host} is `);
    expect(message).toContain(words);
    expect(message).toMatch(/; only the operator can open it, by WEBHOOK_ALLOW_CIDRS$/);
    expect(message).not.toMatch(/linkLocal|uniqueLocal|carrierGradeNat|6to4/);
  });

  it('for anything else says what it is', () => {
    expect(wordsFor('ftp://example.com/')).toBe('its scheme is "ftp"; http and https are allowed');
    expect(wordsFor('http://u:p@10.0.0.1/')).toContain('user name or a password');
  });
});
