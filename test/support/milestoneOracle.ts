import type { LeadEvent, LeadId, OuId } from '../../src/model/event.ts';
import type { MilestoneDefinition, MilestoneId } from '../../src/model/milestone.ts';
import { comparePositions, type OracleLimits, type Position } from './oracle.ts';

/**
 * The rules of milestone triggers, written down a second time: slow, obvious and without any shared structure.
 * It keeps every scored event of a lead and looks through all of them for each answer. Sequences are not in it,
 * so an event without a score is of no use to anything.
 */
export interface OracleCrossing {
  readonly milestoneId: MilestoneId;
  readonly eventId: string;
  readonly crossedAtMicros: number;
  readonly score: number;
  readonly late: boolean;
  readonly suppressed: 'once_per_lead' | 'cooldown' | null;
}

export type MilestoneOutcome =
  | { readonly kind: 'held'; readonly crossings: readonly OracleCrossing[] }
  | { readonly kind: 'unlisted' | 'duplicate' | 'replayed' | 'in_future' | 'too_late' };

interface Scored extends Position {
  readonly id: string;
  readonly type: string;
  readonly score: number;
}

interface Lead {
  readonly ou: OuId;
  /** The score that the lead had when it went silent; below everything before the first. */
  scoreBefore: number;
  /** Every scored event since, in the lead's order (R2). */
  events: Scored[];
  newestMicros: number;
  lastHeardMicros: number;
  lastStreamSequence: number;
  readonly horizons: Map<MilestoneId, Position>;
  readonly lastFires: Map<MilestoneId, number>;
}

export class MilestoneOracle {
  readonly #limits: OracleLimits;
  readonly #milestones = new Map<string, MilestoneDefinition>();
  readonly #leads = new Map<string, Lead>();
  #clockMicros = Number.NEGATIVE_INFINITY;

  constructor(limits: OracleLimits) {
    this.#limits = limits;
  }

  setMilestone(definition: MilestoneDefinition): void {
    this.#milestones.set(JSON.stringify([definition.ou, definition.id]), definition);
  }

  removeMilestone(ou: OuId, id: MilestoneId): void {
    this.#milestones.delete(JSON.stringify([ou, id]));
    for (const lead of this.#leads.values()) {
      if (lead.ou !== ou) continue;
      lead.horizons.delete(id);
      lead.lastFires.delete(id);
    }
  }

  /** The score of a lead now; -Infinity where it never had one. */
  scoreOf(ou: OuId, leadId: LeadId): number {
    const lead = this.#leads.get(JSON.stringify([ou, leadId]));
    return lead?.events.at(-1)?.score ?? lead?.scoreBefore ?? Number.NEGATIVE_INFINITY;
  }

  apply(event: LeadEvent): MilestoneOutcome {
    this.#clockMicros = Math.max(this.#clockMicros, event.arrivalMicros);
    const { allowedLatenessMicros, futureSkewMicros } = this.#limits;
    const key = JSON.stringify([event.ou, event.leadId]);
    const lead = this.#leads.get(key) ?? newLead(event.ou);
    if (event.streamSequence <= lead.lastStreamSequence) return { kind: 'replayed' };
    if (this.#clockMicros - lead.lastHeardMicros > allowedLatenessMicros) goSilent(lead);
    const isHeld = (held: Scored) => lead.newestMicros - held.timeMicros <= allowedLatenessMicros;
    if (lead.events.some((held) => held.id === event.id && isHeld(held))) return { kind: 'duplicate' };
    if (event.timeMicros - event.arrivalMicros > futureSkewMicros) return { kind: 'in_future' };
    if (lead.newestMicros - event.timeMicros > allowedLatenessMicros) return { kind: 'too_late' };

    this.#leads.set(key, lead);
    const late = event.timeMicros < lead.newestMicros;
    lead.newestMicros = Math.max(lead.newestMicros, event.timeMicros);
    lead.lastHeardMicros = this.#clockMicros;
    lead.lastStreamSequence = event.streamSequence;
    if (event.score === undefined) return { kind: 'unlisted' };
    const { id, type, timeMicros, streamSequence, score } = event;
    lead.events = [...lead.events, { id, type, timeMicros, streamSequence, score }].sort(comparePositions);
    const crossings = [...this.#milestones.values()]
      .filter(({ ou, active }) => active && ou === event.ou)
      .flatMap((milestone) => crossingsOf(milestone, lead, late))
      .sort((a, b) => (a.milestoneId < b.milestoneId ? -1 : 1));
    return { kind: 'held', crossings };
  }
}

/** Every crossing that counts by now, of which there is at most one. */
function crossingsOf(milestone: MilestoneDefinition, lead: Lead, late: boolean): OracleCrossing[] {
  const found: OracleCrossing[] = [];
  for (const [index, event] of lead.events.entries()) {
    const scoreBefore = lead.events[index - 1]?.score ?? lead.scoreBefore;
    if (scoreBefore >= milestone.scoreThreshold || event.score < milestone.scoreThreshold) continue;
    if (milestone.eventType !== null && milestone.eventType !== event.type) continue;
    if (event.streamSequence <= milestone.effectiveFrom) continue;
    const horizon = lead.horizons.get(milestone.id);
    if (horizon !== undefined && comparePositions(event, horizon) <= 0) continue;
    lead.horizons.set(milestone.id, event);
    const suppressed = suppression(milestone, lead.lastFires.get(milestone.id), event.timeMicros);
    if (suppressed === null) lead.lastFires.set(milestone.id, event.timeMicros);
    const { id: eventId, timeMicros: crossedAtMicros, score } = event;
    found.push({ milestoneId: milestone.id, eventId, crossedAtMicros, score, late, suppressed });
  }
  return found;
}

function suppression(
  { refire }: MilestoneDefinition,
  lastFireMicros: number | undefined,
  micros: number,
): OracleCrossing['suppressed'] {
  if (lastFireMicros === undefined || refire.mode === 'every') return null;
  if (refire.mode === 'once_per_lead') return 'once_per_lead';
  return micros < lastFireMicros + refire.cooldownSeconds * 1_000_000 ? 'cooldown' : null;
}

/** The score stays and what fired stays; the order of events starts anew (R15). */
function goSilent(lead: Lead): void {
  lead.scoreBefore = lead.events.at(-1)?.score ?? lead.scoreBefore;
  lead.events = [];
  lead.newestMicros = Number.NEGATIVE_INFINITY;
  lead.horizons.clear();
}

function newLead(ou: OuId): Lead {
  return {
    ou,
    scoreBefore: Number.NEGATIVE_INFINITY,
    events: [],
    newestMicros: Number.NEGATIVE_INFINITY,
    lastHeardMicros: Number.POSITIVE_INFINITY,
    lastStreamSequence: Number.NEGATIVE_INFINITY,
    horizons: new Map(),
    lastFires: new Map(),
  };
}
