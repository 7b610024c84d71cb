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

/** What an address of a refused range is, and who can open it: the end of a sentence for people. */
export function refusedAddressInWords(range: string): string {
  return `${RANGES[range] ?? OTHERWISE}; only the operator can open it, by WEBHOOK_ALLOW_CIDRS`;
}
