import type { MergePoint } from '../model/backfill.ts';
import type { LeadEvent, LeadId, OuId } from '../model/event.ts';
import type { MilestoneDefinition, MilestoneId } from '../model/milestone.ts';
import type { SequenceDefinition, SequenceId } from '../model/sequence.ts';
import { decodeLead, encodeLead } from './codec.ts';
import { Evaluator } from './evaluator.ts';
import { Insight, type TenantView } from './insight.ts';
import type { Lead } from './lead.ts';
import { LeadTable } from './leadTable.ts';
import { Merger } from './merge.ts';
import { NO_COMPLETIONS, NO_CROSSINGS, type Outcome } from './outcome.ts';
import { Prefetcher } from './prefetcher.ts';
import type { Program } from './program.ts';
import { inFuture, tooLate } from './rejection.ts';
import { Scores } from './scores.ts';
import type { MatcherLimits, MatcherTuning } from './settings.ts';
import { type Tenant, Tenants } from './tenants.ts';
import { Text } from './text.ts';

/** Names one lead across all OUs. */
export interface LeadKey {
  readonly ou: OuId;
  readonly leadId: LeadId;
}

/** Names one lead for as long as it is known; cheaper to keep than its key. */
export type LeadHandle = number;

/** A lead's state on its way to disk. */
export interface EncodedLead extends LeadKey {
  readonly state: Uint8Array;
}

const HELD: Outcome = { kind: 'held', completions: NO_COMPLETIONS };
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
  private readonly tenants = new Tenants();
  private readonly leadTable: LeadTable;
  private readonly leadId: Text;
  private readonly eventId: Text;
  private readonly evaluator = new Evaluator();
  private readonly merger: Merger;
  /** Reads how far leads are. */
  readonly insight: Insight;
  private readonly scores: Scores;
  private readonly prefetcher: Prefetcher;
  private dirtyLeads: LeadHandle[] = [];
  private sweep: Iterator<LeadHandle> | null = null;
  private clock = Number.NEGATIVE_INFINITY;
  private heldEventCountValue = 0;

  constructor(limits: MatcherLimits, { hashSeed = 0, indexedLengthMin }: MatcherTuning = {}) {
    this.limits = limits;
    this.leadTable = new LeadTable(indexedLengthMin);
    this.scores = new Scores(limits.heldEventsMax);
    this.merger = new Merger(limits.allowedLatenessMicros, hashSeed);
    this.leadId = new Text(hashSeed);
    this.eventId = new Text(hashSeed);
    this.prefetcher = new Prefetcher(this.leadTable, this.tenants, hashSeed);
    this.insight = new Insight(this.leadTable, this.scores, hashSeed, (ou) => this.viewOf(ou));
  }

  /** The arrival clock: the highest arrival time applied so far, in microseconds; -Infinity before the first. */
  get clockMicros(): number {
    return this.clock;
  }

  /** Per OU with any: leads last heard of before this are silent by now, and count as forgotten (R15). */
  silentBefore(): [OuId, number][] {
    const entries: [OuId, number][] = [];
    for (const tenant of this.tenants.all()) {
      const micros = this.silentBeforeMicros(tenant);
      if (micros > Number.NEGATIVE_INFINITY) entries.push([tenant.program.ou, micros]);
    }
    return entries;
  }

  /** Puts the clock and `silentBefore` back; to be called after the sequences of that time were set. */
  restoreClock(clockMicros: number, silentBefore: readonly (readonly [OuId, number])[]): void {
    this.clock = clockMicros;
    for (const [ou, micros] of silentBefore) this.tenants.of(ou).silentBeforeMicros = micros;
  }

  get leadCount(): number {
    return this.leadTable.size;
  }

  get heldEventCount(): number {
    return this.heldEventCountValue;
  }

  /** Creates a sequence or replaces the one with its id; horizons stay (R16). */
  setSequence(definition: SequenceDefinition): void {
    this.change(this.tenants.of(definition.ou), (program) => program.setSequence(definition));
  }

  removeSequence(ou: OuId, id: SequenceId): void {
    this.change(this.tenants.of(ou), (program) => program.removeSequence(id));
  }

  /** Creates a milestone trigger or replaces the one with its id; horizons stay. */
  setMilestone(definition: MilestoneDefinition): void {
    this.tenants.of(definition.ou).program.setMilestone(definition);
  }

  removeMilestone(ou: OuId, id: MilestoneId): void {
    this.tenants.of(ou).program.removeMilestone(id);
  }

  /** Tells that all triggers are set that loaded leads may remember: what they remember of others goes when encoded. */
  forgetUnknownTriggers(): void {
    for (const { program } of this.tenants.all()) program.retireUnknownIds();
  }

  /**
   * Brings what applying the PREFETCHED_MAX events from an index on reads from memory into the processor's
   * caches. It may be left out: it changes nothing but the time that `apply` takes.
   */
  prefetch(events: readonly (LeadEvent | null)[], from: number): void {
    this.prefetcher.prefetch(events, from);
  }

  /** Applies one event; its stream sequence is above all those applied before, except in a replay. */
  apply(event: LeadEvent): Outcome {
    if (event.arrivalMicros > this.clock) this.clock = event.arrivalMicros;
    const tenant = this.tenants.of(event.ou);
    const { program } = tenant;
    const known = this.leadTable.find(tenant.number, this.leadId.set(event.leadId));
    const eventId = this.eventId.set(event.id);
    if (known !== undefined) {
      if (this.insight.isCounting) this.insight.beforeChange(known);
      if (event.streamSequence <= known.appliedStreamSequence) return REPLAYED;
      if (this.isSilent(tenant, known)) this.forgetLead(known);
      if (known.log.hasId(eventId) || this.scores.hasId(known, event.id)) return DUPLICATE;
    }
    const { futureSkewMicros, allowedLatenessMicros } = this.limits;
    if (event.timeMicros - event.arrivalMicros > futureSkewMicros) return inFuture(event, futureSkewMicros);
    const lead = known ?? this.addLead(tenant);
    const { newestMicros } = lead;
    if (newestMicros - event.timeMicros > allowedLatenessMicros) {
      return tooLate(event, newestMicros, allowedLatenessMicros);
    }
    const type = program.typeOf(event);
    const listed = type !== undefined && program.holdMicros(type) >= 0;
    const late = event.timeMicros < newestMicros;
    const { log } = lead;
    const heldBefore = log.heldCount;
    this.accept(lead, event);
    if (listed) {
      log.insert(event.timeMicros, event.streamSequence, type, eventId);
      const expiresMicros = event.timeMicros + program.holdMicros(type) + allowedLatenessMicros;
      if (expiresMicros < lead.nothingExpiresUntilMicros) lead.nothingExpiresUntilMicros = expiresMicros;
    }
    this.dropExpired(lead, program);
    const completions = listed ? this.evaluator.evaluate(lead, program, event, late) : NO_COMPLETIONS;
    if (log.heldCount > lead.reduceAboveLength) this.reduce(lead, program);
    this.heldEventCountValue += log.heldCount - heldBefore;
    const { score } = event;
    const crossings =
      score === undefined ? NO_CROSSINGS : this.scores.apply(lead, program, event, score, late);
    this.scores.foldBefore(lead, lead.newestMicros - allowedLatenessMicros);
    if (crossings.length > 0) return { kind: 'held', completions, crossings };
    if (completions.length > 0) return { kind: 'held', completions };
    return listed || score !== undefined ? HELD : UNLISTED;
  }

  /** Who of an OU is silent at this moment, for a merge that is made later. */
  silenceOf(ou: OuId): Omit<MergePoint, 'position'> {
    const tenant = this.tenants.of(ou);
    const goneBeforeMicros = this.goneBeforeMicros(tenant);
    return { silentBeforeMicros: this.silentBeforeMicros(tenant), goneBeforeMicros };
  }

  /**
   * Adds to a lead events of the past, and to those it holds the conditions they fulfilled: from a state that a matcher
   * with one of the sequences came to. Nothing is evaluated. It may be done again, and any time before the lead's next
   * event after `point`, with the same result, as long as the sequences stay; after that event it does nothing.
   *
   * @param stateOf asked for the state, where it is needed; undefined: there is none.
   * @returns how many events the lead did not hold.
   */
  merge(ou: OuId, leadId: LeadId, point: MergePoint, stateOf: () => Uint8Array | undefined): number {
    const tenant = this.tenants.of(ou);
    const known = this.leadTable.find(tenant.number, this.leadId.set(leadId));
    const state = (known?.appliedStreamSequence ?? 0) > point.position ? undefined : stateOf();
    if (state === undefined) return 0;
    const { program } = tenant;
    const other = this.merger.read(state, program);
    const isSilent = known === undefined || known.lastHeardMicros < point.silentBeforeMicros;
    if (isSilent && other.lastHeardMicros < point.goneBeforeMicros) return 0;
    if (known !== undefined && this.insight.isCounting) this.insight.beforeChange(known);
    if (isSilent && known?.isForgotten === false) this.forgetLead(known);
    const lead = known ?? this.addLead(tenant);
    // Of a lead that comes back no more is known than that the present windows have not ended.
    const heardMicros = isSilent ? point.silentBeforeMicros : lead.lastHeardMicros;
    const heldBefore = lead.log.heldCount;
    const absorbed = this.merger.absorb(lead, other, heardMicros, program);
    if (absorbed === null) return 0;
    if (lead.log.heldCount > this.limits.heldEventsMax) this.reduce(lead, program);
    this.heldEventCountValue += lead.log.heldCount - heldBefore;
    this.markDirty(lead);
    return absorbed.added;
  }

  *leads(): Generator<LeadKey> {
    for (const handle of this.leadTable.addresses()) yield this.leadKey(this.leadTable.open(handle)!);
  }

  /** The leads changed since they were last encoded, each at least once; encoding a lead makes it clean. */
  takeDirty(): readonly LeadHandle[] {
    const taken = this.dirtyLeads;
    this.dirtyLeads = [];
    return taken;
  }

  /** The lead that a handle names; undefined when it was forgotten since. */
  keyOf(handle: LeadHandle): LeadKey | undefined {
    const lead = this.leadTable.open(handle);
    return lead && this.leadKey(lead);
  }

  /** Whether the lead that a handle names holds any event. */
  holdsEvents(handle: LeadHandle): boolean {
    return (this.leadTable.open(handle)?.log.heldCount ?? 0) > 0;
  }

  /** The state of a lead that `takeDirty` named; undefined when it was encoded or forgotten since. */
  encodeDirty(handle: LeadHandle): EncodedLead | undefined {
    const lead = this.leadTable.open(handle);
    return lead?.dirty ? { ...this.leadKey(lead), state: this.encode(lead) } : undefined;
  }

  encodeLead(ou: OuId, leadId: LeadId): Uint8Array | undefined {
    const tenant = this.tenants.get(ou);
    const lead = tenant && this.leadTable.find(tenant.number, this.leadId.set(leadId));
    return lead && this.encode(lead);
  }

  /** Whether anything is known of a lead. */
  knows(ou: OuId, leadId: LeadId): boolean {
    const tenant = this.tenants.get(ou);
    return tenant !== undefined && this.leadTable.find(tenant.number, this.leadId.set(leadId)) !== undefined;
  }

  /** Puts a lead back as it was encoded. The sequences may be set before or after. */
  loadLead(ou: OuId, leadId: LeadId, state: Uint8Array): void {
    const tenant = this.tenants.of(ou);
    const known = this.leadTable.find(tenant.number, this.leadId.set(leadId));
    if (known !== undefined) this.removeLead(tenant, known);
    const lead = this.addLead(tenant);
    const scores = decodeLead(lead, tenant.program, this.eventId, state);
    if (scores !== undefined) this.scores.add(lead, scores);
    this.heldEventCountValue += lead.log.heldCount;
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
    this.sweep ??= this.leadTable.addresses();
    for (let visited = 0; visited < leadsMax; visited++) {
      const next = this.sweep.next();
      if (next.done === true) {
        this.sweep = null;
        this.tenants.removeUnused();
        break;
      }
      const lead = this.leadTable.open(next.value)!;
      if (this.insight.isCounting) this.insight.beforeChange(lead);
      const tenant = this.tenants.numbered(lead.tenant);
      const { program } = tenant;
      const { marks } = lead;
      const silentBeforeMicros = silentBeforeByOu.get(program.ou) ?? Number.NEGATIVE_INFINITY;
      const isSilent = !lead.isForgotten && lead.lastHeardMicros < silentBeforeMicros;
      if (isSilent) this.forgetLead(lead);
      if (!lead.isForgotten) continue;
      marks.retain((index) => program.idOf(marks.keyAt(index)) !== undefined);
      if (marks.length === 0 && !lead.isScored) {
        gone.push(this.leadKey(lead));
        this.leadId.set(lead.id);
        this.removeLead(tenant, lead);
      } else if (isSilent) {
        this.markDirty(lead);
      }
    }
    return gone;
  }

  private viewOf(ou: OuId): TenantView | undefined {
    const tenant = this.tenants.get(ou);
    return (
      tenant && { ...tenant, clockMicros: this.clock, silentBeforeMicros: this.silentBeforeMicros(tenant) }
    );
  }

  /** Adds the lead whose id is in `leadId`. */
  private addLead(tenant: Tenant): Lead {
    tenant.leadCount++;
    const lead = this.leadTable.add(tenant.number, this.leadId, this.limits.heldEventsMax);
    if (this.insight.isCounting) this.insight.leaveOut(lead);
    return lead;
  }

  /** Removes the lead whose id is in `leadId`. */
  private removeLead(tenant: Tenant, lead: Lead): void {
    tenant.leadCount--;
    this.heldEventCountValue -= lead.log.heldCount;
    this.leadTable.remove(lead, this.leadId);
  }

  private leadKey(lead: Lead): LeadKey {
    return { ou: this.tenants.numbered(lead.tenant).program.ou, leadId: lead.id };
  }

  private encode(lead: Lead): Uint8Array {
    lead.dirty = false;
    return encodeLead(lead, this.tenants.numbered(lead.tenant).program, this.scores.of(lead));
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
    return !lead.isForgotten && lead.lastHeardMicros < this.silentBeforeMicros(tenant);
  }

  private silentBeforeMicros(tenant: Tenant): number {
    return Math.max(tenant.silentBeforeMicros, this.goneBeforeMicros(tenant));
  }

  /** Leads last heard of before this are silent by the present windows. */
  private goneBeforeMicros({ program }: Tenant): number {
    return this.clock - program.windowMicrosMax - this.limits.allowedLatenessMicros;
  }

  private forgetLead(lead: Lead): void {
    this.heldEventCountValue -= lead.log.heldCount;
    lead.forget(this.limits.heldEventsMax);
    this.scores.settle(lead);
  }

  /** What every accepted event moves, whether its type is listed or not. */
  private accept(lead: Lead, event: LeadEvent): void {
    if (event.timeMicros > lead.newestMicros) lead.newestMicros = event.timeMicros;
    lead.appliedStreamSequence = event.streamSequence;
    lead.lastHeardMicros = this.clock;
    this.markDirty(lead);
  }

  private markDirty(lead: Lead): void {
    if (lead.dirty) return;
    lead.dirty = true;
    this.dirtyLeads.push(lead.address);
  }

  /** Drops what no match can use any more (R15), and notes until when there is nothing to drop. */
  private dropExpired(lead: Lead, program: Program): void {
    const { newestMicros } = lead;
    if (lead.spanVersion === program.spanVersion && newestMicros <= lead.nothingExpiresUntilMicros) return;
    lead.nothingExpiresUntilMicros = lead.log.dropExpired(
      newestMicros,
      program.holdMicrosByType,
      this.limits.allowedLatenessMicros,
    );
    lead.spanVersion = program.spanVersion;
  }

  /** A log that stays long after a reduction is left to double before the next, so that the cost is amortized. */
  private reduce(lead: Lead, program: Program): void {
    program.reduction.reduce(lead);
    lead.reduceAboveLength = Math.max(this.limits.heldEventsMax, lead.log.heldCount * 2);
  }
}
