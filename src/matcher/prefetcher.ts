import type { LeadEvent, OuId } from '../model/event.ts';
import { hashOf, type LeadTable, PREFETCHED_MAX } from './leadTable.ts';
import type { Tenants } from './tenants.ts';
import { Text } from './text.ts';

/** Has the processor fetch what the next events will need, many at a time. */
export class Prefetcher {
  private readonly leadTable: LeadTable;
  private readonly tenants: Tenants;
  private readonly leadId: Text;
  private readonly hashes = new Int32Array(PREFETCHED_MAX);

  /** @param hashSeed that of the lead table */
  constructor(leadTable: LeadTable, tenants: Tenants, hashSeed: number) {
    this.leadTable = leadTable;
    this.tenants = tenants;
    this.leadId = new Text(hashSeed);
  }

  /** For the PREFETCHED_MAX events from an index on; null stands for a message without an event. */
  prefetch(events: readonly (LeadEvent | null)[], from: number): void {
    const { hashes } = this;
    const end = Math.min(events.length, from + PREFETCHED_MAX);
    let count = 0;
    let ou: OuId | null = null;
    let tenantNumber = 0;
    for (let index = from; index < end; index++) {
      const event = events[index]!;
      if (event === null) continue;
      // Neighbours are mostly of one OU.
      if (event.ou !== ou) {
        ou = event.ou;
        tenantNumber = this.tenants.get(ou)?.number ?? 0;
      }
      hashes[count++] = hashOf(tenantNumber, this.leadId.set(event.leadId));
    }
    this.leadTable.prefetch(hashes, count);
  }
}
