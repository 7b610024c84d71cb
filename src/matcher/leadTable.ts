import { Arena, NOWHERE } from './arena.ts';
import { EVENT_CELL_BYTES, ID_CELL_BYTES } from './eventBlock.ts';
import { LEAD_CELL_BYTES, Lead, leadCells, NO_TENANT } from './lead.ts';
import { INDEXED_LENGTH_MIN, LeadLog } from './leadLog.ts';
import { MARK_CELL_BYTES, Marks } from './marks.ts';
import type { Text } from './text.ts';

/** The table grows in so many parts, each by itself, so that no growth takes a noticeable pause. */
export const LEAD_PARTS = 256;
const PART_SLOTS_MIN = 4;
/** More would push the first out of the processor's caches again before they are used. */
export const PREFETCHED_MAX = 32;
const LOAD_MAX = 0.6;
/** 2^32 divided by the golden ratio: spreads tenants' numbers over all bits (Knuth's multiplicative hashing). */
const SPREAD = 0x9e3779b1;

/**
 * All leads of all tenants: a hash table with linear probing from (tenant, lead id) to the lead's record, and
 * the memory that records, logs and marks lie in. A slot is two integers, hash and address.
 *
 * Looking a lead up takes one cache miss for the slot and one for the record, which has the id in it.
 */
export class LeadTable {
  private readonly records = new Arena(LEAD_CELL_BYTES);
  private readonly lead: Lead;
  private readonly parts: Int32Array[] = [];
  private readonly counts = new Int32Array(LEAD_PARTS);
  private sizeValue = 0;
  private readonly prefetched = new Int32Array(PREFETCHED_MAX);
  /** Keeps reads without another purpose from being left out. */
  protected touched = 0;

  /** @param indexedLengthMin from which length on a log is indexed, at most INDEXED_LENGTH_MIN; it changes no result. */
  constructor(indexedLengthMin = INDEXED_LENGTH_MIN) {
    // Logs and marks share the cells: what one gives back the other can use.
    const cells = new Arena(Math.max(EVENT_CELL_BYTES, MARK_CELL_BYTES));
    const indexedFrom = Math.min(indexedLengthMin, INDEXED_LENGTH_MIN);
    const log = new LeadLog(cells, new Arena(ID_CELL_BYTES), indexedFrom);
    this.lead = new Lead(this.records, log, new Marks(cells));
    for (let part = 0; part < LEAD_PARTS; part++) this.parts.push(new Int32Array(PART_SLOTS_MIN * 2));
  }

  /** Number of leads. */
  get size(): number {
    return this.sizeValue;
  }

  /** The lead, or undefined; valid until another is found, opened or added. */
  find(tenant: number, id: Text): Lead | undefined {
    const hash = hashOf(tenant, id);
    const slots = this.parts[hash & (LEAD_PARTS - 1)]!;
    const mask = slots.length - 1;
    for (let at = slotOf(hash, mask); ; at = (at + 2) & mask) {
      const address = slots[at + 1]!;
      if (address === NOWHERE) return undefined;
      if (slots[at] !== hash) continue;
      this.lead.open(address);
      if (this.lead.is(tenant, id)) return this.lead;
    }
  }

  /**
   * Reads what finding these leads and evaluating their logs will read, one kind of thing after the other, so
   * that the processor fetches many from memory at once instead of waiting for each (group prefetching: Chen,
   * Ailamaki, Gibbons and Mowry, "Improving Hash Join Performance through Prefetching", 2004). Changes nothing.
   *
   * @param hashes of the leads, as `hashOf` gives them.
   */
  prefetch(hashes: Int32Array, count: number): void {
    const { prefetched } = this;
    for (let index = 0; index < count; index++) prefetched[index] = this.addressOf(hashes[index]!);
    this.touchLeads(prefetched, 0, count);
  }

  /** The same for leads whose addresses are known, those from one index up to another. */
  touchLeads(addresses: Int32Array, from: number, end: number): void {
    const { lead } = this;
    let sum = 0;
    for (let index = from; index < end; index++) sum += lead.touch(addresses[index]!);
    for (let index = from; index < end; index++) sum += lead.touchLog(addresses[index]!);
    this.touched = sum;
  }

  /** The lead whose record lies at an address, or undefined when it was removed. */
  open(address: number): Lead | undefined {
    this.lead.open(address);
    return this.lead.tenant === NO_TENANT ? undefined : this.lead;
  }

  /** Adds a lead that is not there yet. */
  add(tenant: number, id: Text, heldEventsMax: number): Lead {
    const hash = hashOf(tenant, id);
    const part = hash & (LEAD_PARTS - 1);
    if (++this.counts[part]! * 2 > this.parts[part]!.length * LOAD_MAX) this.grow(part);
    const address = this.records.allocate(leadCells(id.length));
    put(this.parts[part]!, hash, address);
    this.sizeValue++;
    this.lead.create(address, tenant, id, heldEventsMax);
    return this.lead;
  }

  /** Removes a lead that is there; `id` is its id. */
  remove(lead: Lead, id: Text): void {
    const hash = hashOf(lead.tenant, id);
    const part = hash & (LEAD_PARTS - 1);
    take(this.parts[part]!, hash, lead.address);
    this.counts[part]!--;
    this.sizeValue--;
    lead.dispose();
    this.records.free(lead.address, leadCells(id.length));
  }

  /**
   * The addresses of all leads, in no meaningful order. Leads may be added and removed meanwhile; of such
   * changes it may miss some leads and meet some again.
   */
  *addresses(): Generator<number> {
    for (let part = 0; part < LEAD_PARTS; part++) {
      for (let at = 0; at < this.parts[part]!.length; ) {
        const address = this.parts[part]![at + 1]!;
        if (address !== NOWHERE) yield address;
        // When the lead was removed, another may have moved into its slot.
        if (this.parts[part]![at + 1] === address) at += 2;
      }
    }
  }

  /** The addresses of the leads of one of the LEAD_PARTS parts as they are now; a lead stays in its part. */
  addressesOf(part: number): Int32Array {
    const slots = this.parts[part]!;
    const addresses = new Int32Array(this.counts[part]!);
    let count = 0;
    for (let at = 1; at < slots.length; at += 2) {
      if (slots[at] !== NOWHERE) addresses[count++] = slots[at]!;
    }
    return addresses;
  }

  /** The address in the first slot with a hash, most likely that of the lead; NOWHERE when there is none. */
  private addressOf(hash: number): number {
    const slots = this.parts[hash & (LEAD_PARTS - 1)]!;
    const mask = slots.length - 1;
    let at = slotOf(hash, mask);
    while (slots[at] !== hash && slots[at + 1] !== NOWHERE) at = (at + 2) & mask;
    return slots[at + 1]!;
  }

  private grow(part: number): void {
    const slots = this.parts[part]!;
    const grown = new Int32Array(slots.length * 2);
    for (let at = 0; at < slots.length; at += 2) {
      if (slots[at + 1] !== NOWHERE) put(grown, slots[at]!, slots[at + 1]!);
    }
    this.parts[part] = grown;
  }
}

/** What leads are found by. */
export function hashOf(tenant: number, id: Text): number {
  const hash = id.hash ^ Math.imul(tenant + 1, SPREAD);
  return hash ^ (hash >>> 15);
}

/** Where the search for a hash begins: the bits above those that choose the part; slots are two integers wide. */
function slotOf(hash: number, mask: number): number {
  return ((hash >>> 8) << 1) & mask;
}

function put(slots: Int32Array, hash: number, address: number): void {
  const mask = slots.length - 1;
  let at = slotOf(hash, mask);
  while (slots[at + 1] !== NOWHERE) at = (at + 2) & mask;
  slots[at] = hash;
  slots[at + 1] = address;
}

/** Removes an address, and closes the gap as Knuth's algorithm R (6.4) does, so that no search stops too early. */
function take(slots: Int32Array, hash: number, address: number): void {
  const mask = slots.length - 1;
  let gap = slotOf(hash, mask);
  while (slots[gap + 1] !== address) gap = (gap + 2) & mask;
  for (let at = (gap + 2) & mask; slots[at + 1] !== NOWHERE; at = (at + 2) & mask) {
    const home = slotOf(slots[at]!, mask);
    if (((at - home) & mask) < ((at - gap) & mask)) continue;
    slots[gap] = slots[at]!;
    slots[gap + 1] = slots[at + 1]!;
    gap = at;
  }
  slots[gap + 1] = NOWHERE;
}
