import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { refusedAddressInWords } from './refusedAddress.ts';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Tells all addresses of a host name. */
export type Lookup = (
  hostname: string,
  options: LookupOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: readonly LookupAddress[]) => void,
) => void;

export const systemLookup: Lookup = (hostname, options, callback) =>
  lookup(hostname, { ...options, all: true }, callback);

/** A range of addresses that webhooks may reach although it is not public. */
export interface Cidr {
  readonly address: Address;
  readonly prefixLength: number;
}

export type UrlCheck =
  | { readonly ok: true; readonly url: URL }
  | {
      readonly ok: false;
      readonly reason: 'not_a_url' | 'scheme_refused' | 'credentials_refused' | 'address_refused';
      /** One sentence for the person who entered the URL. */
      readonly message: string;
    };

/** Public addresses by their range, yet the metadata service of a cloud answers there. */
const METADATA_ADDRESSES = new Set(['168.63.129.16']);
/** RFC 4291, section 2.5.5.1, as resolvers write it; ipaddr.js would take it for the mapped form. */
const IPV4_COMPATIBLE = /^::\d+\./;
/** RFC 6761, section 6.3. A proxy would resolve them to itself. */
const LOCALHOST = /^(?:.+\.)?localhost\.?$/;
const LOOPBACK_ADDRESSES = ['127.0.0.1', '::1'];
const GLOBAL_UNICAST = ipaddr.IPv6.parse('2000::');
const GLOBAL_UNICAST_PREFIX = 3;

/**
 * IPv6 ranges of 96 bits whose traffic ends at the IPv4 address in the last 32: mapped addresses, and NAT64, which
 * hosts without IPv4 need. Others that carry one (6to4, Teredo, translated, compatible) are refused as a whole.
 */
const EMBEDDINGS = [ipaddr.IPv6.parse('::ffff:0:0'), ipaddr.IPv6.parse('64:ff9b::')];
const EMBEDDING_PREFIX = 96;
const EMBEDDED_BYTES = 4;

/** Reads a list such as `["127.0.0.0/8", "fd00::/8"]`. Throws an error that names the first bad entry. */
export function parseCidrs(texts: readonly string[]): Cidr[] {
  return texts.map((text) => {
    if (!ipaddr.isValidCIDR(text)) {
      throw new Error(`"${text}" is not an address range; write it like 10.0.0.0/8 or fd00::/8`);
    }
    const [address, prefixLength] = ipaddr.parseCIDR(text);
    return { address, prefixLength };
  });
}

/**
 * Whether a webhook may go to this URL, as far as its text tells: http or https, no credentials, and no
 * address that leads into a private or special network. What a host name resolves to is checked by
 * `guardedLookup` whenever a connection is made.
 */
export function checkWebhookUrl(text: string, allowedCidrs: readonly Cidr[]): UrlCheck {
  if (!URL.canParse(text))
    return refuse('not_a_url', 'it is not a URL; write it like https://example.com/hook');
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return refuse(
      'scheme_refused',
      `its scheme is "${url.protocol.slice(0, -1)}"; http and https are allowed`,
    );
  }
  if (url.username !== '' || url.password !== '') {
    return refuse('credentials_refused', 'it contains a user name or a password; none are allowed in it');
  }
  // The parser has turned 0x7f.1, 2130706433, 127.1 and the like into four decimal numbers already.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const refusal = refusedHost(host, allowedCidrs);
  if (refusal !== null)
    return refuse('address_refused', `its host ${host} is ${refusedAddressInWords(refusal)}`);
  return { ok: true, url };
}

/** The same for a host as it stands in a URL. A name that means this machine by itself counts as its addresses. */
function refusedHost(host: string, allowedCidrs: readonly Cidr[]): string | null {
  if (ipaddr.isValid(host)) return refusedRange(host, allowedCidrs);
  if (!LOCALHOST.test(host)) return null;
  const refusals = LOOPBACK_ADDRESSES.map((address) => refusedRange(address, allowedCidrs));
  return refusals.includes(null) ? null : 'loopback';
}

/** Why an address may not be reached, as a word such as `private` or `loopback`; null when it may. */
export function refusedRange(text: string, allowedCidrs: readonly Cidr[]): string | null {
  if (IPV4_COMPATIBLE.test(text)) return 'reserved';
  const address = ipaddr.parse(text);
  const effective = effectiveAddress(address);
  if (allowedCidrs.some((cidr) => contains(cidr, address) || contains(cidr, effective))) return null;
  if (METADATA_ADDRESSES.has(effective.toString())) return 'metadata';
  const range = effective.range();
  if (range !== 'unicast') return range;
  const reachable = effective.kind() === 'ipv4' || effective.match(GLOBAL_UNICAST, GLOBAL_UNICAST_PREFIX);
  return reachable ? null : 'reserved';
}

/** The error of a connection that was refused before it was made. */
export class AddressRefusedError extends Error {
  readonly code = 'ADDRESS_REFUSED';
}

/**
 * A resolver for `net.connect` that fails when any address of the name is refused. The connection then goes
 * to an address that was checked, so a name cannot change its meaning in between.
 */
export function guardedLookup(allowedCidrs: readonly Cidr[], resolve: Lookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, options, (error, addresses) => {
      const first = addresses?.[0];
      if (error !== null || first === undefined) {
        callback(error ?? noAddressError(hostname), '');
        return;
      }
      for (const { address } of addresses) {
        const refusal = refusedRange(address, allowedCidrs);
        if (refusal === null) continue;
        const words = refusedAddressInWords(refusal);
        callback(new AddressRefusedError(`${hostname} resolves to ${address}, which is ${words}`), '');
        return;
      }
      if (options.all) callback(null, [...addresses]);
      else callback(null, first.address, first.family);
    });
  };
}

function noAddressError(hostname: string): Error {
  return Object.assign(new Error(`${hostname} has no address`), { code: 'ENOTFOUND' });
}

function refuse(reason: Extract<UrlCheck, { ok: false }>['reason'], message: string): UrlCheck {
  return { ok: false, reason, message };
}

/** The IPv4 address that traffic to an IPv6 address ends at, where it carries one. */
function effectiveAddress(address: Address): Address {
  if (!isIPv6(address)) return address;
  if (!EMBEDDINGS.some((range) => address.match(range, EMBEDDING_PREFIX))) return address;
  return new ipaddr.IPv4(address.toByteArray().slice(-EMBEDDED_BYTES));
}

function contains(cidr: Cidr, address: Address): boolean {
  return cidr.address.kind() === address.kind() && address.match(cidr.address, cidr.prefixLength);
}

function isIPv6(address: Address): address is ipaddr.IPv6 {
  return address.kind() === 'ipv6';
}
