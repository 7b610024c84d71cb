import type { LeadId, MatchedEvent, OuId } from '../model/event.ts';
import type { MilestoneId } from '../model/milestone.ts';
import type { SequenceId } from '../model/sequence.ts';
import type { Hindrance, Horizon, LeadStanding, StepEvent } from '../model/standing.ts';
import { Census } from './census.ts';
import type { CompiledSequence } from './compiledSequence.ts';
import { type FoundHindrance, hindrancesOf, unmetConditions } from './hindrances.ts';
import type { Lead } from './lead.ts';
import type { LeadTable } from './leadTable.ts';
import type { Program } from './program.ts';
import type { ScoreStanding, Scores } from './scores.ts';
import { cameTooEarly, type FilledStep, filledSteps, type Outlook } from './standing.ts';
import { Text } from './text.ts';

/** An OU as the matcher has it now. */
export interface TenantView {
  readonly number: number;
  readonly program: Program;
  readonly clockMicros: number;
  /** Leads last heard of before this are silent (R15). */
  readonly silentBeforeMicros: number;
}

/** A held event with its place in the stream. */
export interface HeldEvent extends MatchedEvent {
  readonly streamSequence: number;
  /** Texts of the conditions that it fulfilled when it came. */
  readonly fulfilled: readonly string[];
}

/** Reads of the matcher's state how far leads are. Changes nothing of it, and costs nothing while nobody asks. */
export class Insight {
  /** Whether `beforeChange` and `leaveOut` are to be called. */
  isCounting = false;
  private readonly leads: LeadTable;
  private readonly scores: Scores;
  private readonly tenantOf: (ou: OuId) => TenantView | undefined;
  private readonly leadId: Text;
  private readonly censuses = new Set<Census>();

  /** @param hashSeed that of the lead table */
  constructor(
    leads: LeadTable,
    scores: Scores,
    hashSeed: number,
    tenantOf: (ou: OuId) => TenantView | undefined,
  ) {
    this.leads = leads;
    this.scores = scores;
    this.leadId = new Text(hashSeed);
    this.tenantOf = tenantOf;
  }

  /** Begins to count the leads of a sequence as of now; undefined: there is no such sequence. To be ended. */
  beginCensus(ou: OuId, id: SequenceId): Census | undefined {
    const tenant = this.tenantOf(ou);
    const sequence = tenant?.program.sequence(id);
    if (tenant === undefined || sequence === undefined) return undefined;
    const { steps, excluded } = sequence;
    const classes = tenant.program.classes.frozen([...steps, ...excluded]);
    const census = new Census(this.leads, tenant, sequence, classes);
    this.censuses.add(census);
    this.isCounting = true;
    return census;
  }

  endCensus(census: Census): void {
    this.censuses.delete(census);
    this.isCounting = this.censuses.size > 0;
  }

  /** Called by the matcher before a lead changes or goes. */
  beforeChange(lead: Lead): void {
    for (const census of this.censuses) census.beforeChange(lead);
  }

  /** Called by the matcher for a lead that it has just added. */
  leaveOut(lead: Lead): void {
    for (const census of this.censuses) census.leaveOut(lead);
  }

  /**
   * How far a lead is; undefined: there is no such sequence. Of an unknown lead nothing is held.
   *
   * @param nowMicros the lead's time now, where somebody knows it better than the arrival clock tells
   */
  leadStanding(ou: OuId, leadId: LeadId, id: SequenceId, nowMicros?: number): LeadStanding | undefined {
    const tenant = this.tenantOf(ou);
    const sequence = tenant?.program.sequence(id);
    if (tenant === undefined || sequence === undefined) return undefined;
    const lead = this.find(tenant, leadId);
    if (lead === undefined) return nothingKnown(sequence, null);
    return standing(lead, tenant, sequence, nowMicros ?? nowOf(lead, tenant));
  }

  /** The held events of a lead in the order of their arrival, and its time now; null: nothing is known of it. */
  heldEvents(
    ou: OuId,
    leadId: LeadId,
  ): { readonly events: readonly HeldEvent[]; readonly nowMicros: number } | null {
    const tenant = this.tenantOf(ou);
    const lead = tenant && this.find(tenant, leadId);
    if (tenant === undefined || lead === undefined || isForgotten(lead, tenant)) return null;
    const { log } = lead;
    const events: HeldEvent[] = [];
    for (let at = 0; at < log.length; at++) {
      if (!log.isHeld(at)) continue;
      const fulfilled = tenant.program.classes.fulfilledBy(log.typeAt(at));
      const streamSequence = log.streamSequenceAt(at);
      events.push({ ...eventAt(lead, tenant.program, at), streamSequence, fulfilled });
    }
    events.sort((a, b) => a.streamSequence - b.streamSequence);
    return { events, nowMicros: nowOf(lead, tenant) };
  }

  /** How a lead stands with a milestone trigger; undefined where the lead has no score. */
  scoreStanding(ou: OuId, leadId: LeadId, id: MilestoneId): ScoreStanding | undefined {
    const tenant = this.tenantOf(ou);
    const lead = tenant && this.find(tenant, leadId);
    return tenant && lead && this.scores.standing(lead, tenant.program, id);
  }

  private find(tenant: TenantView, leadId: LeadId): Lead | undefined {
    return this.leads.find(tenant.number, this.leadId.set(leadId));
  }
}

function isForgotten(lead: Lead, tenant: TenantView): boolean {
  return lead.isForgotten || lead.lastHeardMicros < tenant.silentBeforeMicros;
}

function nowOf(lead: Lead, tenant: TenantView): number {
  return lead.newestMicros + (tenant.clockMicros - lead.lastHeardMicros);
}

function nothingKnown(sequence: CompiledSequence, lastFireMicros: number | null): LeadStanding {
  return {
    filled: [],
    missing: sequence.labels,
    untilMicros: null,
    cameTooEarly: false,
    hindrances: [],
    unmet: [],
    holdsAny: false,
    newestMicros: null,
    nowMicros: null,
    horizon: null,
    lastFireMicros,
  };
}

function standing(
  lead: Lead,
  tenant: TenantView,
  sequence: CompiledSequence,
  nowMicros: number,
): LeadStanding {
  const { program } = tenant;
  const { classes } = program;
  const { log, marks, newestMicros } = lead;
  const mark = marks.find(sequence.key);
  const lastFireMicros = mark < 0 ? Number.NaN : marks.lastFireMicrosAt(mark);
  if (isForgotten(lead, tenant)) {
    const isRemembered = mark >= 0 && marks.outlivesSilenceAt(mark) && !Number.isNaN(lastFireMicros);
    return nothingKnown(sequence, isRemembered ? lastFireMicros : null);
  }
  const horizonMicros = mark < 0 ? Number.NEGATIVE_INFINITY : marks.horizonMicrosAt(mark);
  const horizonStreamSequence = mark < 0 ? 0 : marks.horizonStreamSequenceAt(mark);
  const outlook: Outlook = { horizonMicros, horizonStreamSequence, nowMicros };
  const filled = filledSteps(log, classes, sequence, outlook);
  const named = ({ step, position }: FilledStep): StepEvent => ({
    step: step + 1,
    ...eventAt(lead, program, position),
  });
  const namedOrNull = (filledStep: FilledStep | null) => filledStep && named(filledStep);
  const told = (found: FoundHindrance): Hindrance => {
    switch (found.kind) {
      case 'completed':
        return { ...found, last: named(found.last) };
      case 'window':
        return { ...found, first: named(found.first), tooLate: namedOrNull(found.tooLate) };
      case 'gap':
        return { ...found, after: named(found.after), tooLate: namedOrNull(found.tooLate) };
      case 'excluded': {
        const { kind, position, first, last } = found;
        return { kind, by: eventAt(lead, program, position), first: named(first), last: namedOrNull(last) };
      }
    }
  };
  const isFilled = new Set(filled.map(({ step }) => step));
  return {
    filled: filled.map(named),
    missing: sequence.labels.filter((_, step) => !isFilled.has(step)),
    untilMicros: untilMicros(lead, sequence, filled),
    cameTooEarly: cameTooEarly(log, classes, sequence, outlook, filled),
    hindrances: hindrancesOf(log, classes, sequence, outlook, filled).map(told),
    unmet: unmetConditions(log, classes, sequence, outlook, filled).map((unmet) => ({
      ...named(unmet),
      isJudged: log.streamSequenceAt(unmet.position) > sequence.effectiveFrom,
    })),
    holdsAny: sequence.steps.some((each) => classes.latestBefore(log, each, log.length) >= 0),
    newestMicros,
    nowMicros,
    horizon: horizonMicros === Number.NEGATIVE_INFINITY ? null : horizonOf(lead, outlook),
    lastFireMicros: Number.isNaN(lastFireMicros) ? null : lastFireMicros,
  };
}

function horizonOf({ log }: Lead, { horizonMicros, horizonStreamSequence }: Outlook): Horizon {
  let last = log.length - 1;
  while (last >= 0 && (!log.isHeld(last) || !log.isAtOrBefore(last, horizonMicros, horizonStreamSequence)))
    last--;
  const isHeld = last >= 0 && log.streamSequenceAt(last) === horizonStreamSequence;
  const isAlone = last < 1 || log.timeAt(last - 1) < horizonMicros;
  return {
    timeMicros: horizonMicros,
    streamSequence: horizonStreamSequence,
    eventId: isHeld && isAlone ? log.idAt(last) : null,
  };
}

/** Until when an event may complete what is filled, or at least go on with it; null: nothing is filled. */
function untilMicros(
  lead: Lead,
  { windowMicros, maxGapMicros, ordered }: CompiledSequence,
  filled: readonly FilledStep[],
): number | null {
  const last = filled.at(-1);
  if (last === undefined) return null;
  const endMicros = earliest(lead, filled).timeMicros + windowMicros;
  return ordered ? Math.min(endMicros, lead.log.timeAt(last.position) + maxGapMicros) : endMicros;
}

/** Of some filled steps, the one with the earliest event. */
function earliest({ log }: Lead, filled: readonly FilledStep[]): FilledStep & { timeMicros: number } {
  const first = filled.reduce((a, b) => (b.position < a.position ? b : a));
  return { ...first, timeMicros: log.timeAt(first.position) };
}

function eventAt({ log }: Lead, program: Program, position: number): MatchedEvent {
  return {
    id: log.idAt(position),
    type: program.classes.nameOf(log.typeAt(position)),
    timeMicros: log.timeAt(position),
  };
}
