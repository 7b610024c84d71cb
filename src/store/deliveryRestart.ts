import type { Delivery } from '../model/delivery.ts';

/** Due again after it was held, with the whole schedule before it: what was there to wait for is there now. */
export function dueNow(before: Delivery, nowMs: number): Delivery {
  const state = before.attemptsMade === 0 ? 'pending' : 'retrying';
  return { ...anew(before, nowMs, nowMs), state };
}

/** As it was planned, with the whole schedule before it. */
export function anew(before: Delivery, nowMs: number, dueAtMs: number): Delivery {
  return {
    ...before,
    state: 'pending',
    reason: null,
    dueAtMs,
    attemptsBefore: before.attemptsMade,
    updatedAtMs: nowMs,
  };
}
