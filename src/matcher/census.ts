import type { ClassLookup } from './classLookup.ts';
import type { CompiledSequence } from './compiledSequence.ts';
import type { Lead } from './lead.ts';
import { LEAD_PARTS, type LeadTable, PREFETCHED_MAX } from './leadTable.ts';
import { stepReached } from './standing.ts';

/** An OU as a count begins: what tells its leads, and which of them are silent (R15). */
export interface CensusTenant {
  readonly number: number;
  readonly clockMicros: number;
  /** Leads last heard of before this are silent. */
  readonly silentBeforeMicros: number;
}

const SETTLED_MIN = 1 << 12;

/**
 * Counts how far the leads of an OU are in a sequence, exactly as of the moment of its making, in portions between
 * which events are applied.
 *
 * It keeps to that moment by copying on write: a lead that is about to change and was not counted yet is counted
 * first; one that is added later is left out. So nothing has to be counted again, however much happens meanwhile,
 * and a lead that nothing happens to costs one look.
 */
export class Census {
  /** By the number of filled steps, from 0 to all of them: leads that stand there. */
  readonly leadsAtStep: number[];
  /** Leads of which something besides fires is known. */
  leadCount = 0;
  /** Leads that the sequence fired for, as far as they remember. */
  firedCount = 0;
  private readonly leads: LeadTable;
  private readonly tenant: CensusTenant;
  private readonly sequence: CompiledSequence;
  /** As of the beginning too: the sequence may be changed or go meanwhile, and its classes with it. */
  private readonly classes: ClassLookup;
  /** By address: 1 where a lead needs no look any more. */
  private settled = new Uint8Array(SETTLED_MIN);
  private nextPart = 0;
  /** The leads of the part in hand as they lay when it was begun, and where to go on among them. */
  private addresses: Int32Array = new Int32Array(0);
  private nextAddress = 0;
  private readonly outlook = { horizonMicros: 0, horizonStreamSequence: 0, nowMicros: 0 };

  constructor(leads: LeadTable, tenant: CensusTenant, sequence: CompiledSequence, classes: ClassLookup) {
    this.leads = leads;
    this.tenant = tenant;
    this.sequence = sequence;
    this.classes = classes;
    this.leadsAtStep = Array.from({ length: sequence.steps.length + 1 }, () => 0);
  }

  /** What to call each step. */
  get labels(): readonly string[] {
    return this.sequence.labels;
  }

  /** Looks at so many more leads; true: there are no others. */
  count(leadsMax: number): boolean {
    for (let looked = 0; looked < leadsMax; ) {
      if (this.nextAddress === this.addresses.length) {
        if (this.nextPart === LEAD_PARTS) return true;
        this.addresses = this.leads.addressesOf(this.nextPart++);
        this.nextAddress = 0;
        continue;
      }
      if (this.nextAddress % PREFETCHED_MAX === 0) this.prefetch();
      const address = this.addresses[this.nextAddress++]!;
      looked++;
      if (!this.settle(address)) continue;
      // One that was removed since was settled before that.
      this.countLead(this.leads.open(address)!);
    }
    return false;
  }

  /** To be called before anything of a lead changes, its removal included. */
  beforeChange(lead: Lead): void {
    if (this.settle(lead.address)) this.countLead(lead);
  }

  /** To be called for a lead that was not there when the census began. */
  leaveOut(lead: Lead): void {
    this.settle(lead.address);
  }

  private prefetch(): void {
    const { addresses, nextAddress } = this;
    this.leads.touchLeads(addresses, nextAddress, Math.min(addresses.length, nextAddress + PREFETCHED_MAX));
  }

  /** Whether the lead at an address was still to be counted; it is not any more. */
  private settle(address: number): boolean {
    if (address >= this.settled.length) this.grow(address);
    if (this.settled[address] === 1) return false;
    this.settled[address] = 1;
    return true;
  }

  private grow(address: number): void {
    const grown = new Uint8Array(2 ** Math.ceil(Math.log2(address + 1)));
    grown.set(this.settled);
    this.settled = grown;
  }

  private countLead(lead: Lead): void {
    const { tenant, sequence, outlook } = this;
    if (lead.tenant !== tenant.number) return;
    const { marks } = lead;
    const isSilent = lead.lastHeardMicros < tenant.silentBeforeMicros;
    const mark = marks.find(sequence.key);
    if (mark >= 0 && !Number.isNaN(marks.lastFireMicrosAt(mark))) {
      if (!isSilent || marks.outlivesSilenceAt(mark)) this.firedCount++;
    }
    // A lead that was forgotten was last heard of at -Infinity.
    if (isSilent || lead.isForgotten) return;
    this.leadCount++;
    outlook.horizonMicros = mark < 0 ? Number.NEGATIVE_INFINITY : marks.horizonMicrosAt(mark);
    outlook.horizonStreamSequence = mark < 0 ? 0 : marks.horizonStreamSequenceAt(mark);
    outlook.nowMicros = lead.newestMicros + (tenant.clockMicros - lead.lastHeardMicros);
    this.leadsAtStep[stepReached(lead.log, this.classes, sequence, outlook)]!++;
  }
}
