import type { Delivery } from '../model/delivery.ts';
import type { Fire } from '../model/fire.ts';
import type { Trigger } from '../model/trigger.ts';
import type { ErrorKind } from './errorKind.ts';

/** What a sender is given: the duty, what happened, and the trigger with its texts and secrets as they are now. */
export interface Outgoing {
  readonly delivery: Delivery;
  readonly fire: Fire;
  readonly sequence: Trigger;
  /** Wall clock at the start of the attempt. */
  readonly nowMs: number;
}

export interface SendSuccess {
  readonly outcome: 'delivered';
  /** HTTP status or SMTP reply code. */
  readonly status: number | null;
  readonly response: string | null;
  /** Why the destination is to get nothing more until someone resumes it, in a few words; null: it takes more. */
  readonly pauseReason: string | null;
}

export interface SendFailure {
  readonly outcome: 'failed';
  /** HTTP status or SMTP reply code; null where there was no answer. */
  readonly status: number | null;
  /** null on a complete answer. */
  readonly error: ErrorKind | null;
  readonly response: string | null;
  /** What happened, in a few words for people, without secrets. */
  readonly detail: string;
  /** How long the receiver asks to be left alone. */
  readonly retryAfterMs: number | null;
  /** Trying again cannot help. */
  readonly permanent: boolean;
  /** Whether it tells something about all that goes to this destination, or about this message alone. */
  readonly concerns: 'destination' | 'message';
  /** As in `SendSuccess`. */
  readonly pauseReason: string | null;
}

export type SendResult = SendSuccess | SendFailure;

/** Brings one message to its destination, once. `signal` ends the attempt early when the process goes down. */
export interface Sender {
  send(outgoing: Outgoing, signal: AbortSignal): Promise<SendResult>;
  close(): Promise<void>;
}

/** A message that has arrived. */
export function delivered(status: number | null, response: string | null): SendSuccess {
  return { outcome: 'delivered', status, response, pauseReason: null };
}

/** A failure without an answer, to be tried again. */
export function noAnswer(error: ErrorKind, detail: string): SendFailure {
  return {
    outcome: 'failed',
    status: null,
    error,
    response: null,
    detail,
    retryAfterMs: null,
    permanent: false,
    concerns: 'destination',
    pauseReason: null,
  };
}

/** A failure that no further attempt can turn into a success. */
export function permanentFailure(error: ErrorKind, detail: string): SendFailure {
  return { ...noAnswer(error, detail), permanent: true, concerns: 'message' };
}
