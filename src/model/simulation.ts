import type { LeadId, MatchedEvent, RejectionReason } from './event.ts';
import type { LeadStanding } from './standing.ts';

/** A fire that was not made. */
export interface SimulatedFire {
  readonly leadId: LeadId;
  readonly events: readonly MatchedEvent[];
  readonly completedAtMicros: number;
  readonly late: boolean;
  /** Too old on arrival to be sent (R19). */
  readonly stale: boolean;
}

/** What became of the events, and of the completions that did not simply fire. */
export interface SimulationCounts {
  duplicates: number;
  /** Events of types that neither this nor another sequence of the OU lists. */
  unlisted: number;
  lateFires: number;
  staleFires: number;
  suppressed: { once_per_lead: number; cooldown: number };
  rejected: Partial<Record<RejectionReason, number>>;
}

export interface SimulationOutcome {
  /** The first 100. */
  readonly fires: readonly SimulatedFire[];
  readonly fireCount: number;
  /** Leads that fire. */
  readonly leadCount: number;
  readonly scannedEvents: number;
  readonly counts: SimulationCounts;
  /** By the number of filled steps, from 1 to all: leads that stand there at the end. */
  readonly leadsAfterStep: readonly number[];
}

/** The outcome with what was simulated. */
export interface SimulationReport extends SimulationOutcome {
  /** Of the events, their times; of a look-back, their arrivals; null: there were none. */
  readonly range: { readonly fromMicros: number; readonly toMicros: number } | null;
  /** Nothing was left out. */
  readonly isComplete: boolean;
  /** From 0 to 1: how much was looked at. */
  readonly fraction: number;
  /** How far the lead is behind its last fire, where one was asked for. */
  readonly lead: SimulatedLead | null;
}

export interface SimulatedLead {
  readonly standing: LeadStanding;
  /** Types whose events are not held for as long as the window, because no sequence of the OU asks for that. */
  readonly typesNotHeld: readonly string[];
}
