import { describe, expect, it } from 'vitest';
import { checkWebhookUrl, parseCidrs, refusedRange } from '../../../src/outbox/addressGuard.ts';

const NOTHING_ALLOWED = parseCidrs([]);

describe('the address guard', () => {
  it.each([
    ['http://127.0.0.1/', 'loopback'],
    ['http://127.0.0.1./', 'loopback'],
    ['http://127.1/', 'loopback'],
    ['http://0x7f.1/', 'loopback'],
    ['http://0177.0.0.1/', 'loopback'],
    ['http://2130706433/', 'loopback'],
    ['http://0x7f000001/', 'loopback'],
    ['http://①②⑦.0.0.1/', 'loopback'],
    ['http://%31%32%37.0.0.1/', 'loopback'],
    ['http://0/', 'unspecified'],
    ['http://10.1.2.3/', 'private'],
    ['http://172.31.255.255/', 'private'],
    ['http://192.168.0.1:8080/x', 'private'],
    ['http://169.254.169.254/latest/meta-data', 'linkLocal'],
    ['http://168.63.129.16/', 'metadata'],
    ['http://100.64.0.1/', 'carrierGradeNat'],
    ['http://100.100.100.200/', 'carrierGradeNat'],
    ['http://192.0.2.1/', 'reserved'],
    ['http://198.51.100.1/', 'reserved'],
    ['http://203.0.113.1/', 'reserved'],
    ['http://198.18.0.1/', 'reserved'],
    ['http://240.0.0.1/', 'reserved'],
    ['http://224.0.0.1/', 'multicast'],
    ['http://255.255.255.255/', 'broadcast'],
    ['http://[::1]/', 'loopback'],
    ['http://[::]/', 'unspecified'],
    ['http://[fe80::1]/', 'linkLocal'],
    ['http://[fd00:ec2::254]/', 'uniqueLocal'],
    ['http://[ff02::1]/', 'multicast'],
    ['http://[2001:db8::1]/', 'reserved'],
    ['http://[::ffff:127.0.0.1]/', 'loopback'],
    ['http://[::ffff:a9fe:a9fe]/', 'linkLocal'],
    ['http://[::127.0.0.1]/', 'reserved'],
    ['http://[64:ff9b::10.0.0.1]/', 'private'],
    ['http://[64:ff9b:1::10.0.0.1]/', 'rfc6052'],
    ['http://[2002:7f00:1::]/', 'loopback'],
    ['http://[2001:0:1::1]/', 'teredo'],
    ['http://[4000::1]/', 'reserved'],
  ])('refuses %s as %s', (url, range) => {
    const check = checkWebhookUrl(url, NOTHING_ALLOWED);
    expect(check).toMatchObject({ ok: false, reason: 'address_refused' });
    expect(check.ok ? '' : check.message).toContain(`is ${range},`);
  });

  it.each([
    'https://example.com/hook?x=1',
    'http://example.com:8080',
    'http://93.184.216.34/',
    'http://[2606:4700::1111]/',
    'http://[::ffff:93.184.216.34]/',
    'http://[64:ff9b::93.184.216.34]/',
    'http://localhost/',
  ])('lets the text of %s through', (url) => {
    expect(checkWebhookUrl(url, NOTHING_ALLOWED)).toMatchObject({ ok: true });
  });

  it.each([
    ['nonsense', 'not_a_url'],
    ['http://', 'not_a_url'],
    ['http://256.1.1.1/', 'not_a_url'],
    ['ftp://example.com/', 'scheme_refused'],
    ['file:///etc/passwd', 'scheme_refused'],
    ['javascript:alert(1)', 'scheme_refused'],
    ['http://user@example.com/', 'credentials_refused'],
    ['http://:secret@example.com/', 'credentials_refused'],
  ])('refuses %s: %s', (url, reason) => {
    expect(checkWebhookUrl(url, NOTHING_ALLOWED)).toMatchObject({ ok: false, reason });
  });

  it('does not repeat the credentials of a URL', () => {
    const check = checkWebhookUrl('http://user:hunter2@example.com/', NOTHING_ALLOWED);
    expect(JSON.stringify(check)).not.toContain('hunter2');
  });

  it('lets exactly the allowed ranges through', () => {
    const allowed = parseCidrs(['127.0.0.0/8', 'fd00::/8']);
    expect(refusedRange('127.9.9.9', allowed)).toBeNull();
    expect(refusedRange('::ffff:127.0.0.1', allowed)).toBeNull();
    expect(refusedRange('fd12::1', allowed)).toBeNull();
    expect(refusedRange('10.0.0.1', allowed)).toBe('private');
    expect(refusedRange('::1', allowed)).toBe('loopback');
  });

  it('names the entry that is not a range', () => {
    expect(() => parseCidrs(['10.0.0.0/8', '10.0.0.0/99'])).toThrow('"10.0.0.0/99" is not an address range');
  });
});
