import type { UrlCheck } from '../outbox/addressGuard.ts';

/** What addresses are that webhooks may not go to, by the word for their range. */
const RANGES: Readonly<Record<string, string>> = {
  loopback: 'an address of this machine (loopback)',
  private: 'an address of a private network',
  uniqueLocal: 'an address of a private network',
  deprecatedSiteLocal: 'an address of a private network',
  linkLocal: 'an address of the local network alone (link-local), where clouds answer with credentials',
  metadata: 'the metadata service of a cloud',
  carrierGradeNat: "an address of a carrier's internal network (100.64.0.0/10)",
  unspecified: 'no address of any one machine',
  broadcast: 'an address of many machines',
  multicast: 'an address of many machines',
};
const OTHERWISE = 'an address that is reserved for special use';

/** Why a webhook may not go to a URL, for whoever entered it. */
export function refusedUrlInWords({ reason, message }: Extract<UrlCheck, { readonly ok: false }>): string {
  const found = /^its address (\S+) is (\w+),/.exec(message);
  if (reason !== 'address_refused' || found === null) return message;
  const [, address, range] = found;
  return `its host ${address} is ${RANGES[range!] ?? OTHERWISE}; only the operator can open it, by WEBHOOK_ALLOW_CIDRS`;
}
