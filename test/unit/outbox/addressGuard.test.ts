import ipaddr from 'ipaddr.js';
import { describe, expect, it } from 'vitest';
import { checkWebhookUrl, parseCidrs, refusedRange } from '../../../src/outbox/addressGuard.ts';
import { refusedAddressInWords } from '../../../src/outbox/refusedAddress.ts';

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
    ['http://[2002:7f00:1::]/', '6to4'],
    ['http://[2002:5db8:d822::]/', '6to4'],
    ['http://[::ffff:0:93.184.216.34]/', 'rfc6145'],
    ['http://[::93.184.216.34]/', 'reserved'],
    ['http://[fec0::1]/', 'deprecatedSiteLocal'],
    ['http://[::ffff:7f00:1]/', 'loopback'],
    ['http://[0:0:0:0:0:0:0:1]/', 'loopback'],
    ['http://１２７.０.０.１/', 'loopback'],
    ['http://127。0。0。1/', 'loopback'],
    ['http://127．0｡0。1/', 'loopback'],
    ['http://1２7.1/', 'loopback'],
    ['http://017700000001/', 'loopback'],
    ['http://127.0x1/', 'loopback'],
    ['http://192.0.0.192/', 'reserved'],
    ['http://localhost/', 'loopback'],
    ['http://LOCALHOST./', 'loopback'],
    ['http://ｌｏｃａｌｈｏｓｔ/', 'loopback'],
    ['http://any.localhost/', 'loopback'],
    ['http://[2001:0:1::1]/', 'teredo'],
    ['http://[4000::1]/', 'reserved'],
  ])('refuses %s as %s', (url, range) => {
    const check = checkWebhookUrl(url, NOTHING_ALLOWED);
    expect(check).toMatchObject({ ok: false, reason: 'address_refused' });
    expect(check.ok ? '' : check.message).toContain(`is ${refusedAddressInWords(range)}`);
    const host = new URL(url).hostname.replace(/^\[(.*)\]$/, '$1');
    if (!host.includes('localhost')) expect(refusedRange(host, NOTHING_ALLOWED)).toBe(range);
  });

  it.each([
    'https://example.com/hook?x=1',
    'http://example.com:8080',
    'http://93.184.216.34/',
    'http://[2606:4700::1111]/',
    'http://[::ffff:93.184.216.34]/',
    'http://[64:ff9b::93.184.216.34]/',
    'http://localhost.example/',
    'http://notlocalhost/',
    'http://127.0.0.1.example/',
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

  it('lets localhost through where one of its addresses is allowed', () => {
    expect(checkWebhookUrl('http://localhost/', parseCidrs(['127.0.0.0/8']))).toMatchObject({ ok: true });
    expect(checkWebhookUrl('http://localhost/', parseCidrs(['::1/128']))).toMatchObject({ ok: true });
    expect(checkWebhookUrl('http://localhost/', parseCidrs(['127.0.0.2/32']))).toMatchObject({ ok: false });
  });

  it('lets an allowed IPv4 range through in no form of IPv6 but the mapped one and NAT64', () => {
    const allowed = parseCidrs(['127.0.0.0/8']);
    expect(refusedRange('64:ff9b::127.0.0.1', allowed)).toBeNull();
    expect(refusedRange('2002:7f00:1::', allowed)).toBe('6to4');
    expect(refusedRange('::ffff:0:127.0.0.1', allowed)).toBe('rfc6145');
    expect(refusedRange('::127.0.0.1', allowed)).toBe('reserved');
    expect(refusedRange('::93.184.216.34', NOTHING_ALLOWED)).toBe('reserved');
  });

  it('names the entry that is not a range', () => {
    expect(() => parseCidrs(['10.0.0.0/8', '10.0.0.0/99'])).toThrow('"10.0.0.0/99" is not an address range');
  });
});

/**
 * The special-purpose address registries of IANA (RFC 6890), read as of 2026, with multicast and site-local beside them:
 * https://www.iana.org/assignments/iana-ipv4-special-registry/ and
 * https://www.iana.org/assignments/iana-ipv6-special-registry/
 */
const SPECIAL = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12'],
  ...['192.0.0.0/24', '192.0.2.0/24', '192.31.196.0/24', '192.52.193.0/24', '192.88.99.0/24'],
  ...['192.168.0.0/16', '192.175.48.0/24', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['224.0.0.0/4', '240.0.0.0/4', '255.255.255.255/32'],
  ...['::/128', '::1/128', '::/96', '::ffff:0:0:0/96', '64:ff9b:1::/48', '100::/64', '100:0:0:1::/64'],
  ...['2001::/23', '2001::/32', '2001:1::1/128', '2001:1::2/128', '2001:1::3/128', '2001:2::/48'],
  ...['2001:3::/32', '2001:4:112::/48', '2001:10::/28', '2001:20::/28', '2001:30::/28', '2001:db8::/32'],
  ...['2002::/16', '2620:4f:8000::/48', '3fff::/20', '5f00::/16', 'fc00::/7', 'fe80::/10', 'fec0::/10'],
  'ff00::/8',
];

/** The nearest public addresses on both sides of the ranges above. */
const PUBLIC_NEIGHBOURS = [
  ...['1.0.0.0', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '126.255.255.255'],
  ...['128.0.0.0', '169.253.255.255', '169.255.0.0', '172.15.255.255', '172.32.0.0', '191.255.255.255'],
  ...['192.0.1.0', '192.0.1.255', '192.0.3.0', '192.31.195.255', '192.31.197.0', '192.52.192.255'],
  ...['192.52.194.0', '192.88.98.255', '192.88.100.0', '192.167.255.255', '192.169.0.0', '192.175.47.255'],
  ...['192.175.49.0', '198.17.255.255', '198.20.0.0', '198.51.99.255', '198.51.101.0', '203.0.112.255'],
  ...['203.0.114.0', '223.255.255.255'],
  ...['2000::', '2001:200::', '2001:db7:ffff::', '2001:db9::', '2001:ffff::', '2003::', '2620:4f:7fff::'],
  ...['2620:4f:8001::', '3ffe:ffff::', '3fff:1000::', '3fff:ffff::'],
];

describe('the special-purpose address ranges', () => {
  it.each(SPECIAL)('%s is refused from its first to its last address', (range) => {
    const kind = range.includes(':') ? ipaddr.IPv6 : ipaddr.IPv4;
    const first = kind.networkAddressFromCIDR(range).toString();
    const last = kind.broadcastAddressFromCIDR(range).toString();
    for (const address of [first, last]) {
      expect(refusedRange(address, NOTHING_ALLOWED), address).not.toBeNull();
      if (range.includes(':')) continue;
      expect(refusedRange(`::ffff:${address}`, NOTHING_ALLOWED), `mapped ${address}`).not.toBeNull();
      expect(refusedRange(`64:ff9b::${address}`, NOTHING_ALLOWED), `NAT64 ${address}`).not.toBeNull();
    }
  });

  it.each(PUBLIC_NEIGHBOURS)('%s beside them is let through', (address) => {
    expect(refusedRange(address, NOTHING_ALLOWED)).toBeNull();
  });
});
