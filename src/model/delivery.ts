import type { LeadId, OuId } from './event.ts';
import type { FireId } from './fire.ts';
import type { SequenceId } from './sequence.ts';

export type DeliveryId = string;
export type Channel = 'webhook' | 'email';

/**
 * pending: not attempted yet · retrying: failed at least once, due again · delivered · held: waits for a
 * setting (no SMTP server) · dead: given up, with a reason · skipped_stale: never to be sent (R19).
 */
export type DeliveryState = 'pending' | 'retrying' | 'delivered' | 'held' | 'dead' | 'skipped_stale';

export const DELIVERY_STATES: readonly DeliveryState[] = [
  'pending',
  'retrying',
  'delivered',
  'held',
  'dead',
  'skipped_stale',
];

/** The duty to bring one fire to one destination. Wall-clock times are in milliseconds. */
export interface Delivery {
  /** Derived from the fire id, the channel and the destination, so that a replay finds the same. */
  readonly id: DeliveryId;
  readonly ou: OuId;
  readonly fireId: FireId;
  /** Of the sequence or the milestone trigger. */
  readonly sequenceId: SequenceId;
  /** Of the fire, for the order of first attempts; empty in rows of before it was kept. */
  readonly leadId: LeadId;
  /** Stream position of the fire, which orders deliveries that are due at the same time. */
  readonly streamSequence: number;
  readonly channel: Channel;
  /** The URL of a webhook, or the address of one email recipient; fixed at the time of the fire. */
  readonly destination: string;
  readonly state: DeliveryState;
  /** Why it is held or dead, or what the last attempt ran into. */
  readonly reason: string | null;
  readonly attemptsMade: number;
  /** Attempts made before the present run through the retry schedule; more than 0 after a redelivery. */
  readonly attemptsBefore: number;
  readonly createdAtMs: number;
  /** When the next attempt is due; null when none is. */
  readonly dueAtMs: number | null;
  readonly updatedAtMs: number;
}

/** What one attempt at a delivery met with. */
export interface Attempt {
  /** 1 for the first. */
  readonly number: number;
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly outcome: 'delivered' | 'failed';
  /** HTTP status, or the SMTP reply code; null where there was no answer. */
  readonly status: number | null;
  /** Kind of error in a word, of the outbox's closed list (`timeout`, `tls`, …); null on an answer. */
  readonly error: string | null;
  /** The first 1 KiB of the answer. */
  readonly response: string | null;
}
