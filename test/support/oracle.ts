import type { LeadEvent, LeadId, MatchedEvent, OuId, RejectionReason } from '../../src/model/event.ts';
import type { SequenceDefinition, SequenceId } from '../../src/model/sequence.ts';
import { fulfils, judgedBy, matchEndingAt, stepsOf } from './oracleSteps.ts';

/**
 * The rules of matching, written down a second time: slow, obvious and without any shared structure, so
 * that the real matcher can be compared with it. It keeps every held event in a plain sorted array and
 * answers each question by exhaustive search.
 */

export interface OracleLimits {
  readonly allowedLatenessMicros: number;
  readonly futureSkewMicros: number;
}

/** A completion in the shape of the matcher's, with the same meaning of every field. */
export interface OracleCompletion {
  readonly sequenceId: SequenceId;
  readonly events: readonly MatchedEvent[];
  readonly completingEventId: string;
  readonly completedAtMicros: number;
  readonly late: boolean;
  readonly suppressed: 'once_per_lead' | 'cooldown' | null;
  readonly stale: boolean;
}

export type OracleOutcome =
  | { readonly kind: 'held'; readonly completions: readonly OracleCompletion[] }
  | { readonly kind: 'unlisted' }
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'replayed' }
  | { readonly kind: 'rejected'; readonly reason: RejectionReason };

/** The last completion of a (sequence, lead) that was not suppressed, by event time (R18). */
interface LastFire {
  readonly completedAtMicros: number;
  /**
   * Whether the policy at the last completion, fired or suppressed, asks for memory. Under `every` nothing
   * does, and a silent lead leaves nothing behind (R15).
   */
  readonly outlivesSilence: boolean;
}

/** A place in a lead's order (R2). */
export interface Position {
  readonly timeMicros: number;
  readonly streamSequence: number;
}

/** An event as held, with the conditions that it fulfilled when it was applied, as JSON. */
export type OrderedEvent = MatchedEvent & Position & { readonly fulfilled: ReadonlySet<string> };

/** A lead as questions see it. */
export interface OracleKnowledge {
  readonly events: readonly OrderedEvent[];
  readonly newestMicros: number;
  /** The event time that it is for the lead now. */
  readonly nowMicros: number;
  readonly horizons: ReadonlyMap<SequenceId, Position>;
}

interface Lead {
  events: OrderedEvent[];
  /** Those with a score, which are held for as long as an event may be late, whether they are listed or not (M7). */
  readonly scored: { readonly id: string; readonly timeMicros: number }[];
  newestMicros: number;
  lastStreamSequence: number;
  /** The arrival clock at the last accepted event. */
  lastHeardMicros: number;
  /** Per sequence, the completing event of the last match: nothing at or before it counts again (R9). */
  readonly horizons: Map<SequenceId, Position>;
}

/** Negative when `a` comes first, zero when they are the same place. */
export function comparePositions(a: Position, b: Position): number {
  return a.timeMicros - b.timeMicros || a.streamSequence - b.streamSequence;
}

export class Oracle {
  readonly #limits: OracleLimits;
  readonly #sequences = new Map<OuId, Map<SequenceId, SequenceDefinition>>();
  readonly #leads = new Map<OuId, Map<LeadId, Lead>>();
  /** Kept apart from the leads, because a part of it outlives their silence. */
  readonly #lastFires = new Map<OuId, Map<SequenceId, Map<LeadId, LastFire>>>();
  /** Per OU, the largest windows there were before, and until which arrival clock. */
  readonly #pastWindows = new Map<OuId, { readonly windowMicros: number; readonly untilMicros: number }[]>();
  #clockMicros = Number.NEGATIVE_INFINITY;

  constructor(limits: OracleLimits) {
    this.#limits = limits;
  }

  setSequence(definition: SequenceDefinition): void {
    this.#notePastWindow(definition.ou);
    child(this.#sequences, definition.ou).set(definition.id, definition);
  }

  removeSequence(ou: OuId, id: SequenceId): void {
    this.#notePastWindow(ou);
    this.#sequences.get(ou)?.delete(id);
    this.#lastFires.get(ou)?.delete(id);
    for (const lead of this.#leads.get(ou)?.values() ?? []) lead.horizons.delete(id);
  }

  apply(event: LeadEvent): OracleOutcome {
    this.#clockMicros = Math.max(this.#clockMicros, event.arrivalMicros);
    const leads = child(this.#leads, event.ou);
    const known = leads.get(event.leadId);
    if (known !== undefined && this.#isSilent(event.ou, known)) this.#forget(event.ou, event.leadId);
    const lead = leads.get(event.leadId) ?? newLead();

    if (event.streamSequence <= lead.lastStreamSequence) return { kind: 'replayed' };
    const isScoreHeld = (held: { readonly timeMicros: number }) =>
      lead.newestMicros - held.timeMicros <= this.#limits.allowedLatenessMicros;
    const held = [...lead.events, ...lead.scored.filter(isScoreHeld)];
    if (held.some(({ id }) => id === event.id)) return { kind: 'duplicate' };
    if (event.timeMicros - event.arrivalMicros > this.#limits.futureSkewMicros) {
      return { kind: 'rejected', reason: 'in_future' };
    }
    if (lead.newestMicros - event.timeMicros > this.#limits.allowedLatenessMicros) {
      return { kind: 'rejected', reason: 'too_late' };
    }

    const { id, type, timeMicros, streamSequence } = event;
    const fulfilled = this.#conditionsFulfilled(event);
    const accepted: OrderedEvent = { id, type, timeMicros, streamSequence, fulfilled };
    const isListed = this.#windowListing(event.ou, accepted) !== null;
    const isLate = event.timeMicros < lead.newestMicros;
    leads.set(event.leadId, lead);
    this.#accept(lead, event.ou, accepted);
    if (event.score !== undefined) lead.scored.push({ id, timeMicros });
    if (!isListed)
      return event.score === undefined ? { kind: 'unlisted' } : { kind: 'held', completions: [] };
    return { kind: 'held', completions: this.#completions(lead, event, isLate) };
  }

  /** What is known of a lead now; null: nothing, or it was silent for too long (R15). For questions, changes nothing. */
  knowledgeOf(ou: OuId, leadId: LeadId): OracleKnowledge | null {
    const lead = this.#leads.get(ou)?.get(leadId);
    if (lead === undefined || this.#isSilent(ou, lead)) return null;
    const nowMicros = lead.newestMicros + (this.#clockMicros - lead.lastHeardMicros);
    return { events: lead.events, newestMicros: lead.newestMicros, nowMicros, horizons: lead.horizons };
  }

  /** Event time of the last fire that a lead remembers; null: it remembers none. */
  lastFireOf(ou: OuId, leadId: LeadId, id: SequenceId): number | null {
    const lastFire = this.#lastFires.get(ou)?.get(id)?.get(leadId);
    if (lastFire === undefined) return null;
    const isKnown = this.knowledgeOf(ou, leadId) !== null;
    return isKnown || lastFire.outlivesSilence ? lastFire.completedAtMicros : null;
  }

  #notePastWindow(ou: OuId): void {
    const past = this.#pastWindows.get(ou) ?? [];
    past.push({ windowMicros: this.#windowMax(ou), untilMicros: this.#clockMicros });
    this.#pastWindows.set(ou, past);
  }

  /** Whether the clock, at some time since the lead was last heard of, was past what was held then (R15). */
  #isSilent(ou: OuId, lead: Lead): boolean {
    const now = { windowMicros: this.#windowMax(ou), untilMicros: this.#clockMicros };
    return [...(this.#pastWindows.get(ou) ?? []), now].some(
      ({ windowMicros, untilMicros }) =>
        untilMicros - lead.lastHeardMicros > windowMicros + this.#limits.allowedLatenessMicros,
    );
  }

  /** The largest window of the OU's sequences; 0 without any. */
  #windowMax(ou: OuId): number {
    const sequences = [...child(this.#sequences, ou).values()];
    return Math.max(0, ...sequences.map((sequence) => sequence.windowMicros));
  }

  /** Drops what a silent lead held: its events, horizons and times (R15). */
  #forget(ou: OuId, leadId: LeadId): void {
    child(this.#leads, ou).delete(leadId);
    for (const lastFires of child(this.#lastFires, ou).values()) {
      if (lastFires.get(leadId)?.outlivesSilence === false) lastFires.delete(leadId);
    }
  }

  /** Takes the event into the lead's order, then keeps what can still take part in a match (R15). */
  #accept(lead: Lead, ou: OuId, event: OrderedEvent): void {
    lead.newestMicros = Math.max(lead.newestMicros, event.timeMicros);
    lead.lastStreamSequence = event.streamSequence;
    lead.lastHeardMicros = this.#clockMicros;

    lead.events = [...lead.events, event].sort(comparePositions).filter((held) => {
      const window = this.#windowListing(ou, held);
      const ageMicros = lead.newestMicros - held.timeMicros;
      return window !== null && ageMicros <= window + this.#limits.allowedLatenessMicros;
    });
  }

  /** Which conditions of the OU's sequences, active or not, the event fulfils, among those on its type (S2). */
  #conditionsFulfilled(event: LeadEvent): ReadonlySet<string> {
    const steps = [...child(this.#sequences, event.ou).values()].flatMap((s) => stepsOf(s.eventTypes));
    const conditions = steps.flatMap(({ types, where }) =>
      where !== null && types.includes(event.type) ? [where] : [],
    );
    return new Set(
      conditions.filter((where) => judgedBy(where, event)).map((where) => JSON.stringify(where)),
    );
  }

  /** The largest window of the sequences with a step for the event, or that exclude it; null: there is none. */
  #windowListing(ou: OuId, event: OrderedEvent): number | null {
    const listing = [...child(this.#sequences, ou).values()].filter(
      (sequence) =>
        sequence.exclude?.includes(event.type) === true ||
        stepsOf(sequence.eventTypes).some((step) => fulfils(event, step)),
    );
    return listing.length === 0 ? null : Math.max(...listing.map((sequence) => sequence.windowMicros));
  }

  #completions(lead: Lead, applied: LeadEvent, isLate: boolean): OracleCompletion[] {
    const found: { readonly at: Position; readonly completion: OracleCompletion }[] = [];
    for (const sequence of child(this.#sequences, applied.ou).values()) {
      const match = firstMatch(sequence, lead, applied);
      if (match === null) continue;
      lead.horizons.set(sequence.id, match.completing);
      const completion = this.#judge(sequence, applied, match, isLate);
      found.push({ at: match.completing, completion });
    }
    return found
      .sort((a, b) => comparePositions(a.at, b.at) || compareIds(a.completion, b.completion))
      .map(({ completion }) => completion);
  }

  /** Decides whether a completed match fires, and whether it is too old to be sent (R18, R19). */
  #judge(
    sequence: SequenceDefinition,
    applied: LeadEvent,
    match: { readonly completing: OrderedEvent; readonly events: readonly OrderedEvent[] },
    late: boolean,
  ): OracleCompletion {
    const { completing, events } = match;
    const lastFires = child(child(this.#lastFires, sequence.ou), sequence.id);
    const lastFireMicros = lastFires.get(applied.leadId)?.completedAtMicros;
    const suppressed = suppression(sequence, completing.timeMicros, lastFireMicros);
    lastFires.set(applied.leadId, {
      completedAtMicros: suppressed === null ? completing.timeMicros : lastFireMicros!,
      outlivesSilence: sequence.refire.mode !== 'every',
    });
    const delayMaxMicros = sequence.maxFireDelayMicros ?? Number.POSITIVE_INFINITY;
    return {
      sequenceId: sequence.id,
      events: events.map(({ id, type, timeMicros }) => ({ id, type, timeMicros })),
      completingEventId: completing.id,
      completedAtMicros: completing.timeMicros,
      late,
      suppressed,
      stale: suppressed === null && applied.arrivalMicros - completing.timeMicros > delayMaxMicros,
    };
  }
}

function suppression(
  sequence: SequenceDefinition,
  completedAtMicros: number,
  lastFireMicros: number | undefined,
): 'once_per_lead' | 'cooldown' | null {
  const { refire } = sequence;
  if (lastFireMicros === undefined || refire.mode === 'every') return null;
  if (refire.mode === 'once_per_lead') return 'once_per_lead';
  return completedAtMicros - lastFireMicros < refire.cooldownSeconds * 1_000_000 ? 'cooldown' : null;
}

/** The match that the applied event brings about: the one with the earliest completing event (R7, R10). */
function firstMatch(
  sequence: SequenceDefinition,
  lead: Lead,
  applied: Position,
): { readonly completing: OrderedEvent; readonly events: readonly OrderedEvent[] } | null {
  if (!sequence.active) return null;
  const horizon = lead.horizons.get(sequence.id);
  const counting = lead.events.filter((e) => horizon === undefined || comparePositions(e, horizon) > 0);
  for (const completing of counting) {
    if (comparePositions(completing, applied) < 0) continue;
    if (completing.streamSequence <= sequence.effectiveFrom) continue;
    const events = matchEndingAt(sequence, counting, completing);
    if (events !== null) return { completing, events };
  }
  return null;
}

function compareIds(a: OracleCompletion, b: OracleCompletion): number {
  return a.sequenceId < b.sequenceId ? -1 : 1;
}

function newLead(): Lead {
  return {
    events: [],
    scored: [],
    newestMicros: Number.NEGATIVE_INFINITY,
    lastStreamSequence: Number.NEGATIVE_INFINITY,
    lastHeardMicros: Number.POSITIVE_INFINITY,
    horizons: new Map(),
  };
}

function child<K, L, V>(parents: Map<K, Map<L, V>>, key: K): Map<L, V> {
  const present = parents.get(key);
  if (present !== undefined) return present;
  const created = new Map<L, V>();
  parents.set(key, created);
  return created;
}
