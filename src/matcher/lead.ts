import type { LeadId, OuId } from '../model/event.ts';
import { LeadLog } from './leadLog.ts';

/** What a lead remembers of one sequence. */
export interface Mark {
  /** The horizon: the completing event of the last completion. Nothing at or before it counts again (R9). */
  horizonMicros: number;
  horizonStreamSequence: number;
  /** Event time of the completing event of the last completion that was not suppressed; NaN: none yet. */
  lastFireMicros: number;
  /** The re-fire policy at the last completion looks back further than the log, so silence must not erase it. */
  outlivesSilence: boolean;
}

/** All state of one lead. Everything in it is encoded, except what the program can tell again. */
export interface Lead {
  readonly ou: OuId;
  readonly leadId: LeadId;
  readonly log: LeadLog;
  /** By sequence key; null until the first completion. */
  marks: Map<number, Mark> | null;
  /** Event time of the newest accepted event of any type (R11); -Infinity: none. */
  newestMicros: number;
  /** Stream sequence of the last accepted event: messages up to it are contained in this state (R13). */
  appliedStreamSequence: number;
  /** The arrival clock at the last accepted event: how long the lead has been silent (R15). */
  lastHeardMicros: number;
  /** Length of the log at which it is next reduced to what in-order matching needs (R15). */
  reduceAboveLength: number;
  /** Changed since it was last encoded. */
  dirty: boolean;
  /** No held event expires while the newest event time is at or below this; valid for one span version. */
  nothingExpiresUntilMicros: number;
  spanVersion: number;
}

export function newLead(ou: OuId, leadId: LeadId, heldEventsMax: number): Lead {
  return {
    ou,
    leadId,
    log: new LeadLog(),
    marks: null,
    newestMicros: Number.NEGATIVE_INFINITY,
    appliedStreamSequence: 0,
    lastHeardMicros: Number.NEGATIVE_INFINITY,
    reduceAboveLength: heldEventsMax,
    dirty: false,
    nothingExpiresUntilMicros: Number.NEGATIVE_INFINITY,
    spanVersion: -1,
  };
}

/** Forgets a lead that went silent: all but what re-fire policies need (R15, R18). */
export function forget(lead: Lead, heldEventsMax: number): void {
  lead.log.clear();
  lead.newestMicros = Number.NEGATIVE_INFINITY;
  lead.lastHeardMicros = Number.NEGATIVE_INFINITY;
  lead.reduceAboveLength = heldEventsMax;
  lead.nothingExpiresUntilMicros = Number.NEGATIVE_INFINITY;
  retainMarks(lead, (_key, mark) => mark.outlivesSilence);
  for (const mark of lead.marks?.values() ?? []) {
    mark.horizonMicros = Number.NEGATIVE_INFINITY;
    mark.horizonStreamSequence = 0;
  }
}

/** Whether nothing is known of the lead but what re-fire policies need. */
export function isForgotten(lead: Lead): boolean {
  return lead.newestMicros === Number.NEGATIVE_INFINITY;
}

export function retainMarks(lead: Lead, keep: (key: number, mark: Mark) => boolean): void {
  if (lead.marks === null) return;
  for (const [key, mark] of lead.marks) if (!keep(key, mark)) lead.marks.delete(key);
  if (lead.marks.size === 0) lead.marks = null;
}
