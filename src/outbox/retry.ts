import type { Attempt, Delivery } from '../model/delivery.ts';
import type { SendFailure, SendResult } from './sender.ts';

const JITTER = 0.2;

export interface RetryPolicy {
  /** Delay before each attempt; its length is the number of attempts. The first belongs to the creation. */
  readonly delaysMs: readonly number[];
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** What an attempt leaves behind: its own row, and the delivery as it now stands. */
export interface Settlement {
  readonly delivery: Delivery;
  readonly attempt: Attempt;
}

/** Turns the result of an attempt into the rows to store. Pure. */
export function settle(
  delivery: Delivery,
  result: SendResult,
  times: { readonly startedAtMs: number; readonly endedAtMs: number },
  policy: RetryPolicy,
): Settlement {
  const number = delivery.attemptsMade + 1;
  const inThisRun = number - delivery.attemptsBefore;
  const attempt: Attempt = {
    number,
    startedAtMs: times.startedAtMs,
    durationMs: Math.max(0, times.endedAtMs - times.startedAtMs),
    outcome: result.outcome,
    status: result.status,
    error: result.outcome === 'failed' ? result.error : null,
    response: result.response,
  };
  const next = nextState(inThisRun, result, times.endedAtMs, policy);
  return {
    attempt,
    delivery: { ...delivery, ...next, attemptsMade: number, updatedAtMs: times.endedAtMs },
  };
}

function nextState(
  attemptsInThisRun: number,
  result: SendResult,
  nowMs: number,
  policy: RetryPolicy,
): Pick<Delivery, 'state' | 'reason' | 'dueAtMs'> {
  if (result.outcome === 'delivered') return { state: 'delivered', reason: null, dueAtMs: null };
  if (result.permanent) return { state: 'dead', reason: result.detail, dueAtMs: null };
  if (result.pauseReason !== null) return { state: 'held', reason: result.pauseReason, dueAtMs: null };
  const delayMs = policy.delaysMs[attemptsInThisRun];
  if (delayMs === undefined) {
    return { state: 'dead', reason: `attempts exhausted: ${result.detail}`, dueAtMs: null };
  }
  const dueAtMs = nowMs + pauseMs(delayMs, result, policy.random);
  return { state: 'retrying', reason: result.detail, dueAtMs };
}

/** The delay of the schedule with its jitter, or what the receiver asked for when that is longer. */
function pauseMs(delayMs: number, failure: SendFailure, random: () => number): number {
  const jittered = Math.round(delayMs * (1 - JITTER + 2 * JITTER * random()));
  return Math.max(jittered, failure.retryAfterMs ?? 0);
}

/** The time that all attempts of a schedule take at most, in milliseconds. */
export function totalMs({ delaysMs }: Pick<RetryPolicy, 'delaysMs'>): number {
  return delaysMs.reduce((sum, delayMs) => sum + delayMs, 0) * (1 + JITTER);
}
