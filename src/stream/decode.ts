import type { LeadEvent, Rejection, RejectionReason } from '../model/event.ts';
import { parseInstant } from '../model/instant.ts';
import { type MessageFields, scanFields } from './scan.ts';
import { OU_ALLOWED, ouOfSubject } from './subject.ts';

/** The largest message that is read, in bytes. */
export const MESSAGE_BYTES_MAX = 1_048_576;
export const LEAD_ID_BYTES_MAX = 256;
export const EVENT_TYPE_BYTES_MAX = 128;
export const EVENT_ID_BYTES_MAX = 256;

const SHOWN_CHARACTERS_MAX = 100;

/** A message as it stands in the stream. */
export interface RawMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  /** The `Nats-Msg-Id` header. Read only where the event has no id of its own, so a getter may parse it late. */
  readonly messageId: string | undefined;
  readonly streamSequence: number;
  readonly arrivalMicros: number;
  readonly streamName: string;
}

export type Decoded = { readonly event: LeadEvent } | { readonly rejection: Rejection };

/** A field that is right, or the rejection of the message for it. */
type Field<T> = T | { readonly rejection: Rejection };

const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * Turns a message of the events stream into an event with its defaults filled in (R14), or says in words
 * for its sender why it cannot be used. Never throws, whatever the bytes are. Pure: the same message gives
 * the same result in every replay.
 */
export function decodeMessage(message: RawMessage): Decoded {
  const ou = ouOfSubject(message.subject);
  if (ou === undefined) {
    return reject(
      'invalid_subject',
      `the subject is ${show(message.subject)}, but its second token must be an OU of ${OU_ALLOWED}`,
    );
  }
  const body = fieldsOf(message.data);
  if ('rejection' in body) return body;
  const { fields } = body;

  const leadId = requiredText(fields, 'lead_id', LEAD_ID_BYTES_MAX);
  if (typeof leadId !== 'string') return leadId;
  const type = requiredText(fields, 'event_type', EVENT_TYPE_BYTES_MAX);
  if (typeof type !== 'string') return type;
  const timeMicros = eventTime(fields, message.arrivalMicros);
  if (typeof timeMicros !== 'number') return timeMicros;
  const id = eventId(fields, message);
  if (typeof id !== 'string') return id;

  const score = eventScore(fields);
  if (typeof score === 'object') return score;

  const { streamSequence, arrivalMicros } = message;
  const metadata = metadataOf(fields);
  return { event: { ou, leadId, id, type, timeMicros, streamSequence, arrivalMicros, metadata, score } };
}

function fieldsOf(data: Uint8Array): { readonly fields: MessageFields } | { readonly rejection: Rejection } {
  if (data.length > MESSAGE_BYTES_MAX) {
    return reject(
      'too_large',
      `the message has ${data.length} bytes, but at most ${MESSAGE_BYTES_MAX} are read`,
    );
  }
  const scanned = scanFields(data);
  return scanned === undefined ? parse(data) : { fields: scanned };
}

/** For whatever the scanner leaves, most of which is to be rejected. */
function parse(data: Uint8Array): { readonly fields: MessageFields } | { readonly rejection: Rejection } {
  let text: string;
  try {
    text = decoder.decode(data);
  } catch {
    return reject('not_json', 'the message is not valid UTF-8, but must be a JSON object in UTF-8');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return reject('not_json', `the message is ${show(text)}, but must be a JSON object`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return reject('not_json', `the message is ${show(value)}, but must be a JSON object`);
  }
  return { fields: value as MessageFields };
}

function requiredText(
  fields: MessageFields,
  name: 'lead_id' | 'event_type',
  bytesMax: number,
): Field<string> {
  const value = fields[name];
  if (isText(value, bytesMax)) return value;
  if (value === undefined || value === null) {
    return reject('missing_field', `${name} is missing, but must be ${textAllowed(bytesMax)}`);
  }
  return refuseText(name, value, bytesMax);
}

function eventId(fields: MessageFields, message: RawMessage): Field<string> {
  const { id } = fields;
  if (id !== undefined && id !== null) {
    return isText(id, EVENT_ID_BYTES_MAX) ? id : refuseText('id', id, EVENT_ID_BYTES_MAX);
  }
  const { messageId } = message;
  if (messageId === undefined || messageId === '') return `${message.streamName}:${message.streamSequence}`;
  if (isText(messageId, EVENT_ID_BYTES_MAX)) return messageId;
  return refuseText('the header Nats-Msg-Id', messageId, EVENT_ID_BYTES_MAX);
}

function eventTime(fields: MessageFields, arrivalMicros: number): Field<number> {
  const name = fields.created_at === undefined || fields.created_at === null ? 'timestamp' : 'created_at';
  const value = fields[name];
  if (value === undefined || value === null) return arrivalMicros;
  const timeMicros = typeof value === 'string' ? parseInstant(value) : undefined;
  if (timeMicros !== undefined) return timeMicros;
  return reject(
    'invalid_field',
    `${name} is ${show(value)}, but must be an RFC 3339 time with an offset, such as 2026-03-01T09:30:00Z, between the years 1684 and 2255`,
  );
}

/** Not checked: whatever is no object has no fields that a condition could be about. */
function metadataOf({ metadata }: MessageFields): LeadEvent['metadata'] {
  return typeof metadata === 'object' && metadata !== null ? (metadata as LeadEvent['metadata']) : undefined;
}

/** JSON can spell numbers that are not finite, such as 1e999. */
function eventScore({ score }: MessageFields): Field<number | undefined> {
  if (score === undefined || score === null) return undefined;
  if (typeof score === 'number' && Number.isFinite(score)) return score;
  return reject(
    'invalid_field',
    `score is ${show(score)}, but must be a number between -1.8e308 and 1.8e308`,
  );
}

/** A character takes at most three bytes of UTF-8 for each UTF-16 unit, which spares counting for short texts. */
function isText(value: unknown, bytesMax: number): value is string {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    (value.length * 3 <= bytesMax || Buffer.byteLength(value) <= bytesMax) &&
    isWellFormed(value)
  );
}

function refuseText(name: string, value: unknown, bytesMax: number): { readonly rejection: Rejection } {
  return reject('invalid_field', `${name} is ${show(value)}, but must be ${textAllowed(bytesMax)}`);
}

function textAllowed(bytesMax: number): string {
  return `a string of 1 to ${bytesMax} bytes of well-formed Unicode`;
}

/** ES2024's `String.prototype.isWellFormed`, which Node 20 has and the ES2023 library does not declare. */
export function isWellFormed(text: string): boolean {
  return (text as string & { isWellFormed(): boolean }).isWellFormed();
}

function reject(reason: RejectionReason, detail: string): { readonly rejection: Rejection } {
  return { rejection: { reason, detail } };
}

/**
 * A value as JSON, cut to what fits a sentence; lone surrogates come out escaped. Arrays and objects are
 * named only, because a deeply nested one would exhaust the stack of `JSON.stringify`.
 */
function show(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text =
    typeof value === 'string' ? JSON.stringify(value.slice(0, SHOWN_CHARACTERS_MAX + 1)) : String(value);
  return text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX)}…` : text;
}
