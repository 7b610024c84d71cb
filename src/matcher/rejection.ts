import type { LeadEvent } from '../model/event.ts';
import type { Outcome } from './outcome.ts';

/** Refuses an event whose time lies too far past its arrival (R12). */
export function inFuture(event: LeadEvent, skewMicros: number): Outcome {
  const aheadSeconds = (event.timeMicros - event.arrivalMicros) / 1e6;
  const detail = `created_at lies ${aheadSeconds} s after the arrival of the event; at most ${skewMicros / 1e6} s are allowed`;
  return { kind: 'rejected', rejection: { reason: 'in_future', detail } };
}

/** Refuses an event that is too much older than the newest of its lead (R11). */
export function tooLate(event: LeadEvent, newestMicros: number, latenessMicros: number): Outcome {
  const behindSeconds = (newestMicros - event.timeMicros) / 1e6;
  const detail = `created_at lies ${behindSeconds} s before the newest event of the lead; at most ${latenessMicros / 1e6} s are allowed`;
  return { kind: 'rejected', rejection: { reason: 'too_late', detail } };
}
