import type { Metadata, WrittenMetadata } from './metadata.ts';

/** The organizational unit (tenant): the second token of the subject that an event arrived on. */
export type OuId = string;

/** The key of all matching state within an OU: opaque, case-sensitive, 1 to 256 bytes of UTF-8. */
export type LeadId = string;

/**
 * One thing that a lead did, decoded and with its defaults filled in (R14).
 *
 * Times are integers in microseconds since 1970-01-01T00:00:00Z. They stay within ±2^53, so that a plain
 * number holds them exactly (the years 1684 to 2255).
 */
export interface LeadEvent {
  readonly ou: OuId;
  readonly leadId: LeadId;
  /** Unique per lead among the events held (R13). */
  readonly id: string;
  readonly type: string;
  /** Event time: `created_at`, or the arrival time where the event carries none. */
  readonly timeMicros: number;
  /** JetStream position of the message: positive, increasing, the tie-breaker of equal times (R2). */
  readonly streamSequence: number;
  /** JetStream timestamp of the message, the only clock that matching knows (R20). */
  readonly arrivalMicros: number;
  /** What the sender said beside it; only conditions of steps look at it. */
  readonly metadata?: Metadata | WrittenMetadata | undefined;
  /** Of a held event that is looked at again: the texts of the conditions that it fulfilled, for want of its metadata. */
  readonly fulfilled?: readonly string[];
  /** The lead's score after the event, a finite number, where the sender keeps one. */
  readonly score?: number | undefined;
}

/** An event as a fire reports it. */
export interface MatchedEvent {
  readonly id: string;
  readonly type: string;
  readonly timeMicros: number;
}

/** Why a message was not used. Each is counted, and stored with the original bytes (`rejected.<ou>`). */
export type RejectionReason =
  | 'not_json'
  | 'missing_field'
  | 'invalid_field'
  | 'too_large'
  | 'invalid_subject'
  | 'too_late'
  | 'in_future';

/** The verdict on a message that cannot be used, in words for the person who sent it. */
export interface Rejection {
  readonly reason: RejectionReason;
  /** One sentence that names the field, the value and what is allowed. */
  readonly detail: string;
}

/** A message of the events stream after decoding: what the feed hands to the engine, in stream order. */
export interface FeedMessage {
  readonly streamSequence: number;
  readonly arrivalMicros: number;
  readonly ou: OuId;
  readonly subject: string;
  /** The original bytes, kept until the message is applied so that a rejection can store them. */
  readonly data: Uint8Array;
  readonly decoded: { readonly event: LeadEvent } | { readonly rejection: Rejection };
}
