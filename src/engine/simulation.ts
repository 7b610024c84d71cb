import { Matcher } from '../matcher/matcher.ts';
import type { Completion } from '../matcher/outcome.ts';
import type { MatcherLimits } from '../matcher/settings.ts';
import type { LeadEvent, LeadId, Rejection } from '../model/event.ts';
import type { SequenceDefinition } from '../model/sequence.ts';
import type { SimulatedFire, SimulationCounts, SimulationOutcome } from '../model/simulation.ts';
import type { LeadStanding } from '../model/standing.ts';
import { canonicalWhere, type StepTest, stepsOf } from '../model/step.ts';

/** Fires that a simulation keeps; beyond these it only counts. */
const FIRES_KEPT_MAX = 100;
/** Leads counted in one go; nothing else waits for a simulation. */
const LEADS_PER_COUNT = 1_000_000;

/** For how long the sequences of an OU have the events held that a step asks for. */
export interface Holding {
  readonly step: StepTest;
  readonly windowMicros: number;
}

export interface SimulationSetup {
  readonly definition: SequenceDefinition;
  /** By all sequences of the OU: it decides on duplicates and on silence, as it does outside of a simulation. */
  readonly holdings: readonly Holding[];
  readonly limits: MatcherLimits;
}

/** A message as it was decoded. */
export type Decoded = { readonly event: LeadEvent } | { readonly rejection: Rejection };

/**
 * One sequence on a matcher of its own, which holds nothing at first: it answers what would fire, sends nothing
 * and changes nothing. The other sequences of the OU take part in it only by the events that they have held.
 */
export class Simulation {
  private readonly matcher: Matcher;
  private readonly definition: SequenceDefinition;
  private readonly fires: SimulatedFire[] = [];
  private readonly leadsFired = new Set<LeadId>();
  private readonly counts: SimulationCounts = {
    duplicates: 0,
    unlisted: 0,
    lateFires: 0,
    staleFires: 0,
    suppressed: { once_per_lead: 0, cooldown: 0 },
    rejected: {},
  };
  private fireCount = 0;
  private scannedEvents = 0;

  constructor({ definition, holdings, limits }: SimulationSetup) {
    this.matcher = new Matcher(limits);
    // As if it had been there and active before the first event.
    this.definition = { ...definition, active: true, effectiveFrom: 0 };
    this.matcher.setSequence(this.definition);
    for (const holding of holdings) this.matcher.setSequence(holder(definition, holding));
  }

  /** Applies the next message; stream sequences increase. */
  apply(decoded: Decoded): void {
    this.scannedEvents++;
    if ('rejection' in decoded) {
      this.reject(decoded.rejection);
      return;
    }
    const outcome = this.matcher.apply(decoded.event);
    if (outcome.kind === 'rejected') this.reject(outcome.rejection);
    else if (outcome.kind === 'unlisted') this.counts.unlisted++;
    else if (outcome.kind === 'duplicate') this.counts.duplicates++;
    else if (outcome.kind === 'held') {
      for (const completion of outcome.completions) this.complete(decoded.event.leadId, completion);
    }
  }

  /** What came of the events so far. */
  outcome(): SimulationOutcome {
    return {
      fires: this.fires,
      fireCount: this.fireCount,
      leadCount: this.leadsFired.size,
      scannedEvents: this.scannedEvents,
      counts: this.counts,
      leadsAfterStep: this.leadsAfterStep(),
    };
  }

  /** How far a lead is now. @param nowMicros the event time that it is for the lead; its newest event unless told */
  leadStanding(leadId: LeadId, nowMicros?: number): LeadStanding {
    const { ou, id } = this.definition;
    return this.matcher.insight.leadStanding(ou, leadId, id, nowMicros)!;
  }

  private reject({ reason }: Rejection): void {
    this.counts.rejected[reason] = (this.counts.rejected[reason] ?? 0) + 1;
  }

  private complete(leadId: LeadId, completion: Completion): void {
    const { events, completedAtMicros, late, stale, suppressed } = completion;
    if (suppressed !== null) {
      this.counts.suppressed[suppressed]++;
      return;
    }
    this.fireCount++;
    if (late) this.counts.lateFires++;
    if (stale) this.counts.staleFires++;
    this.leadsFired.add(leadId);
    if (this.fires.length < FIRES_KEPT_MAX) {
      this.fires.push({ leadId, events, completedAtMicros, late, stale });
    }
  }

  private leadsAfterStep(): number[] {
    const { insight } = this.matcher;
    const census = insight.beginCensus(this.definition.ou, this.definition.id)!;
    while (!census.count(LEADS_PER_COUNT));
    insight.endCensus(census);
    return census.leadsAtStep.slice(1);
  }
}

/** A sequence that never fires and has events held. Its id is none that a sequence can have. */
function holder({ ou }: SequenceDefinition, { step, windowMicros }: Holding): SequenceDefinition {
  return {
    ou,
    id: `\0${keyOf(step)}`,
    eventTypes: [{ ...step, count: 1 }],
    windowMicros,
    ordered: false,
    active: false,
    refire: { mode: 'every' },
    maxFireDelayMicros: null,
    effectiveFrom: 0,
  };
}

/** The holdings of some sequences, one for each kind of step and each type that any excludes. */
export function holdingsOf(sequences: Iterable<SequenceDefinition>): Holding[] {
  const holdings = new Map<string, Holding>();
  for (const { eventTypes, exclude, windowMicros } of sequences) {
    const excluded = (exclude ?? []).map((type) => ({ types: [type], where: null }));
    for (const step of [...stepsOf(eventTypes), ...excluded]) {
      const key = keyOf(step);
      const known = holdings.get(key)?.windowMicros ?? 0;
      holdings.set(key, { step, windowMicros: Math.max(windowMicros, known) });
    }
  }
  return [...holdings.values()];
}

/** Equal for steps that ask for the same. */
export function keyOf({ types, where }: StepTest): string {
  return JSON.stringify([types.toSorted(), where === null ? null : canonicalWhere(where)]);
}
