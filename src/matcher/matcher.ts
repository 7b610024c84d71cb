import type { LeadEvent, LeadId, OuId } from '../model/event.ts';
import type { SequenceDefinition, SequenceId } from '../model/sequence.ts';
import { decodeLead, encodeLead } from './codec.ts';
import { evaluate } from './evaluate.ts';
import { forget, isForgotten, type Lead, newLead, retainMarks } from './lead.ts';
import type { MatcherLimits, Outcome } from './outcome.ts';
import { Program } from './program.ts';
import { reduceLog } from './reduce.ts';

/** Names one lead across all OUs. */
export interface LeadKey {
  readonly ou: OuId;
  readonly leadId: LeadId;
}

interface Tenant {
  readonly program: Program;
  readonly leads: Map<LeadId, Lead>;
  /**
   * Leads last heard of before this went silent under a largest window that has been changed since. One
   * number is enough for all past windows: a lead was silent at the end of one of them or never (R15).
   */
  silentBeforeMicros: number;
}

const HELD: Outcome = { kind: 'held', completions: [] };
const DUPLICATE: Outcome = { kind: 'duplicate' };
const REPLAYED: Outcome = { kind: 'replayed' };
const UNLISTED: Outcome = { kind: 'unlisted' };

/**
 * The matching core: every rule of a match, and nothing else. Synchronous and deterministic: what it returns
 * is a function of the calls made so far (R20). It reads no clock and does no I/O; what must happen with a
 * completion is the caller's.
 *
 * The caller applies events in increasing stream sequence, makes changes of sequences at the stream position
 * that `effectiveFrom` names, and restores a crash with `setSequence`, `restoreClock` and `loadLead`.
 */
export class Matcher {
  private readonly limits: MatcherLimits;
  private readonly tenants = new Map<OuId, Tenant>();
  private dirtyLeads: Lead[] = [];
  private sweep: Iterator<[Tenant, Lead]> | null = null;
  private clock = Number.NEGATIVE_INFINITY;
  private appliedMax = 0;
  private leadCountValue = 0;
  private heldEventCountValue = 0;

  constructor(limits: MatcherLimits) {
    this.limits = limits;
  }

  /** The arrival clock: the highest arrival time applied so far, in microseconds; -Infinity before the first. */
  get clockMicros(): number {
    return this.clock;
  }

  /** Per OU with any: leads last heard of before this are silent by now, and count as forgotten (R15). */
  silentBefore(): [OuId, number][] {
    const entries: [OuId, number][] = [];
    for (const [ou, tenant] of this.tenants) {
      const micros = this.silentBeforeMicros(tenant);
      if (micros > Number.NEGATIVE_INFINITY) entries.push([ou, micros]);
    }
    return entries;
  }

  /** Puts the clock and `silentBefore` back; to be called after the sequences of that time were set. */
  restoreClock(clockMicros: number, silentBefore: readonly (readonly [OuId, number])[]): void {
    this.clock = clockMicros;
    for (const [ou, micros] of silentBefore) this.tenant(ou).silentBeforeMicros = micros;
  }

  /** Highest stream sequence that any lead's state contains. */
  get appliedStreamSequenceMax(): number {
    return this.appliedMax;
  }

  get leadCount(): number {
    return this.leadCountValue;
  }

  get heldEventCount(): number {
    return this.heldEventCountValue;
  }

  /** Creates a sequence or replaces the one with its id; horizons stay (R16). */
  setSequence(definition: SequenceDefinition): void {
    this.change(this.tenant(definition.ou), (program) => program.setSequence(definition));
  }

  removeSequence(ou: OuId, id: SequenceId): void {
    this.change(this.tenant(ou), (program) => program.removeSequence(id));
  }

  /**
   * Tells that all sequences that loaded leads may remember are set by now: what they remember of others goes
   * with their next encoding.
   */
  forgetUnknownSequences(): void {
    for (const { program } of this.tenants.values()) program.retireUnknownIds();
  }

  /** Applies one event; its stream sequence is above all those applied before, except in a replay. */
  apply(event: LeadEvent): Outcome {
    if (event.arrivalMicros > this.clock) this.clock = event.arrivalMicros;
    const tenant = this.tenant(event.ou);
    const { program } = tenant;
    const known = tenant.leads.get(event.leadId);
    if (known !== undefined) {
      if (event.streamSequence <= known.appliedStreamSequence) return REPLAYED;
      if (this.isSilent(tenant, known)) this.forgetLead(known);
      if (known.log.hasId(event.id)) return DUPLICATE;
    }
    const { futureSkewMicros, allowedLatenessMicros } = this.limits;
    if (event.timeMicros - event.arrivalMicros > futureSkewMicros) return inFuture(event, futureSkewMicros);
    const lead = known ?? this.createLead(tenant, event);
    if (lead.newestMicros - event.timeMicros > allowedLatenessMicros) {
      return tooLate(event, lead.newestMicros, allowedLatenessMicros);
    }
    const type = program.typeId(event.type);
    const listed = type !== undefined && program.holdMicros(type) >= 0;
    const late = event.timeMicros < lead.newestMicros;
    const lengthBefore = lead.log.length;
    this.accept(lead, event);
    if (listed) {
      lead.log.insert(event.timeMicros, event.streamSequence, type, event.id);
      const expiresMicros = event.timeMicros + program.holdMicros(type) + this.limits.allowedLatenessMicros;
      lead.nothingExpiresUntilMicros = Math.min(lead.nothingExpiresUntilMicros, expiresMicros);
    }
    this.dropExpired(lead, program);
    const completions = listed ? evaluate(lead, program, event, late) : [];
    if (lead.log.length > lead.reduceAboveLength) this.reduce(lead, program);
    this.heldEventCountValue += lead.log.length - lengthBefore;
    if (!listed) return UNLISTED;
    return completions.length === 0 ? HELD : { kind: 'held', completions };
  }

  *leads(): Generator<LeadKey> {
    for (const { leads } of this.tenants.values()) yield* leads.values();
  }

  /** The leads changed since they were last encoded, each once; `encodeLead` makes a lead clean. */
  takeDirty(): readonly LeadKey[] {
    const taken = this.dirtyLeads;
    this.dirtyLeads = [];
    return taken;
  }

  encodeLead(ou: OuId, leadId: LeadId): Uint8Array | undefined {
    const tenant = this.tenants.get(ou);
    const lead = tenant?.leads.get(leadId);
    if (tenant === undefined || lead === undefined) return undefined;
    lead.dirty = false;
    return encodeLead(lead, tenant.program);
  }

  /** Puts a lead back as it was encoded. The sequences may be set before or after. */
  loadLead(ou: OuId, leadId: LeadId, state: Uint8Array): void {
    const { program, leads } = this.tenant(ou);
    const lead = decodeLead(ou, leadId, program, state);
    if (!leads.has(leadId)) this.leadCountValue++;
    this.heldEventCountValue += lead.log.length - (leads.get(leadId)?.log.length ?? 0);
    this.appliedMax = Math.max(this.appliedMax, lead.appliedStreamSequence);
    leads.set(leadId, lead);
  }

  /**
   * Frees the silent ones of the next `leadsMax` leads, going on where the last call stopped, and returns
   * those of which nothing is left. When it runs changes no result: `apply` treats a silent lead as forgotten
   * whether it was swept or not. `silentBefore` is to be what a restart would begin with; a later one could
   * free leads that a replay still has to judge messages by.
   */
  forgetSilent(leadsMax: number, silentBefore: readonly (readonly [OuId, number])[]): readonly LeadKey[] {
    const gone: LeadKey[] = [];
    const silentBeforeByOu = new Map(silentBefore);
    this.sweep ??= this.sweepLeads();
    for (let visited = 0; visited < leadsMax; visited++) {
      const next = this.sweep.next();
      if (next.done === true) {
        this.sweep = null;
        break;
      }
      const [{ program, leads }, lead] = next.value;
      const silentBeforeMicros = silentBeforeByOu.get(lead.ou) ?? Number.NEGATIVE_INFINITY;
      const isSilent = !isForgotten(lead) && lead.lastHeardMicros < silentBeforeMicros;
      if (isSilent) this.forgetLead(lead);
      if (!isForgotten(lead)) continue;
      retainMarks(lead, (key) => program.idOf(key) !== undefined);
      if (lead.marks === null) {
        leads.delete(lead.leadId);
        this.leadCountValue--;
        gone.push(lead);
      } else if (isSilent) {
        this.markDirty(lead);
      }
    }
    return gone;
  }

  private *sweepLeads(): Generator<[Tenant, Lead]> {
    for (const tenant of this.tenants.values()) {
      for (const lead of tenant.leads.values()) yield [tenant, lead];
      // Anybody who may publish can name OUs; one that nobody uses must not stay.
      if (tenant.leads.size === 0 && tenant.program.isEmpty) this.tenants.delete(tenant.program.ou);
    }
  }

  private tenant(ou: OuId): Tenant {
    let tenant = this.tenants.get(ou);
    if (tenant === undefined) {
      tenant = { program: new Program(ou), leads: new Map(), silentBeforeMicros: Number.NEGATIVE_INFINITY };
      this.tenants.set(ou, tenant);
    }
    return tenant;
  }

  private createLead(tenant: Tenant, { ou, leadId }: LeadEvent): Lead {
    const lead = newLead(ou, leadId, this.limits.heldEventsMax);
    tenant.leads.set(leadId, lead);
    this.leadCountValue++;
    return lead;
  }

  /** Changes the program, and notes which leads were silent by the largest window until now. */
  private change(tenant: Tenant, make: (program: Program) => void): void {
    const { program } = tenant;
    const silentBeforeMicros = this.silentBeforeMicros(tenant);
    const windowMicrosMax = program.windowMicrosMax;
    make(program);
    if (program.windowMicrosMax !== windowMicrosMax) tenant.silentBeforeMicros = silentBeforeMicros;
  }

  private isSilent(tenant: Tenant, lead: Lead): boolean {
    return !isForgotten(lead) && lead.lastHeardMicros < this.silentBeforeMicros(tenant);
  }

  private silentBeforeMicros({ program, silentBeforeMicros }: Tenant): number {
    const spanMicros = program.windowMicrosMax + this.limits.allowedLatenessMicros;
    return Math.max(silentBeforeMicros, this.clock - spanMicros);
  }

  private forgetLead(lead: Lead): void {
    this.heldEventCountValue -= lead.log.length;
    forget(lead, this.limits.heldEventsMax);
  }

  /** What every accepted event moves, whether its type is listed or not. */
  private accept(lead: Lead, event: LeadEvent): void {
    lead.newestMicros = Math.max(lead.newestMicros, event.timeMicros);
    lead.appliedStreamSequence = event.streamSequence;
    this.appliedMax = Math.max(this.appliedMax, event.streamSequence);
    lead.lastHeardMicros = this.clock;
    this.markDirty(lead);
  }

  private markDirty(lead: Lead): void {
    if (lead.dirty) return;
    lead.dirty = true;
    this.dirtyLeads.push(lead);
  }

  /** Drops what no match can use any more (R15), and notes until when there is nothing to drop. */
  private dropExpired(lead: Lead, program: Program): void {
    if (lead.spanVersion === program.spanVersion && lead.newestMicros <= lead.nothingExpiresUntilMicros)
      return;
    const { log } = lead;
    const expiresMicros = (position: number) => {
      const holdMicros = program.holdMicros(log.types[position]!);
      if (holdMicros < 0) return Number.NEGATIVE_INFINITY;
      return log.times[position]! + holdMicros + this.limits.allowedLatenessMicros;
    };
    log.retain((position) => lead.newestMicros <= expiresMicros(position));
    let earliestMicros = Number.POSITIVE_INFINITY;
    for (let position = 0; position < log.length; position++) {
      earliestMicros = Math.min(earliestMicros, expiresMicros(position));
    }
    lead.nothingExpiresUntilMicros = earliestMicros;
    lead.spanVersion = program.spanVersion;
  }

  /** A log that stays long after a reduction is left to double before the next, so that the cost is amortized. */
  private reduce(lead: Lead, program: Program): void {
    reduceLog(lead, program);
    lead.reduceAboveLength = Math.max(this.limits.heldEventsMax, lead.log.length * 2);
  }
}

function inFuture(event: LeadEvent, skewMicros: number): Outcome {
  const aheadSeconds = (event.timeMicros - event.arrivalMicros) / 1e6;
  const detail = `created_at lies ${aheadSeconds} s after the arrival of the event; at most ${skewMicros / 1e6} s are allowed`;
  return { kind: 'rejected', rejection: { reason: 'in_future', detail } };
}

function tooLate(event: LeadEvent, newestMicros: number, latenessMicros: number): Outcome {
  const behindSeconds = (newestMicros - event.timeMicros) / 1e6;
  const detail = `created_at lies ${behindSeconds} s before the newest event of the lead; at most ${latenessMicros / 1e6} s are allowed`;
  return { kind: 'rejected', rejection: { reason: 'too_late', detail } };
}
