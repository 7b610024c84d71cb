import { isUtf8 } from 'node:buffer';
import { WrittenMetadata } from '../model/metadata.ts';

/** What is read of a message's JSON object. Every other field is ignored. */
export interface MessageFields {
  readonly id?: unknown;
  readonly lead_id?: unknown;
  readonly event_type?: unknown;
  readonly created_at?: unknown;
  readonly timestamp?: unknown;
  readonly score?: unknown;
  /** Where `scanFields` read it, objects and arrays are `WrittenMetadata`. */
  readonly metadata?: unknown;
}

const NAMES = ['id', 'lead_id', 'event_type', 'created_at', 'timestamp', 'score', 'metadata'] as const;
export const [ID, LEAD_ID, EVENT_TYPE, CREATED_AT, TIMESTAMP, SCORE, METADATA] = [
  0, 1, 2, 3, 4, 5, 6,
] as const;
const NAME_BYTES = NAMES.map((name) => Buffer.from(name));
const LENGTH_MAX = Math.max(...NAMES.map((name) => name.length));
const FIELDS_BY_LENGTH = Array.from({ length: LENGTH_MAX + 1 }, (_, length) =>
  [...NAMES.keys()].filter((field) => NAMES[field]!.length === length),
);
const NO_FIELDS: readonly number[] = [];

const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const UPPER_E = 0x45;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const LOWER_E = 0x65;
const LOWER_U = 0x75;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** 1 for each byte that stands for itself in a string and is a character of its own. */
const IS_PLAIN = tableOf((byte) => byte >= 0x20 && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH);
const IS_SPACE = tableOf((byte) => ' \t\n\r'.includes(String.fromCharCode(byte)));
const IS_ESCAPED = tableOf((byte) => '"\\/bfnrt'.includes(String.fromCharCode(byte)));
const IS_HEX_DIGIT = tableOf((byte) => /[0-9A-Fa-f]/.test(String.fromCharCode(byte)));
const LITERALS = ['true', 'false', 'null'].map((literal) => Buffer.from(literal));

/** Deeper values are left to `JSON.parse`, which needs no stack for them. */
const DEPTH_MAX = 32;
export const NONE = -1;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Where the values of the fields begin and end in the message under the scanner; NONE where a field is absent. */
const starts = new Int32Array(NAMES.length);
const ends = new Int32Array(NAMES.length);
/** Whether that message was ASCII without escapes so far. */
let isPlain = true;

/**
 * Finds the fields of a JSON object in UTF-8, with the values that `JSON.parse` gives them. Undefined where that has
 * to be asked instead: for what is not such an object, names with escapes, and values nested deeper than `DEPTH_MAX`.
 *
 * All bytes are checked against the grammar of RFC 8259, but only values that are read are made. `JSON.parse` spends
 * most of its time on metadata that nobody looks at, and leaves it to the garbage collector.
 */
export function scanFields(data: Uint8Array): MessageFields | undefined {
  if (!scan(data) || !(isPlain || isUtf8(data))) return undefined;
  const text = isPlain ? decoder.decode(data) : null;
  return {
    id: fieldValue(ID, data, text),
    lead_id: fieldValue(LEAD_ID, data, text),
    event_type: fieldValue(EVENT_TYPE, data, text),
    created_at: fieldValue(CREATED_AT, data, text),
    timestamp: fieldValue(TIMESTAMP, data, text),
    score: fieldValue(SCORE, data, text),
    metadata: fieldValue(METADATA, data, text),
  };
}

/** Where values begin and end, in bytes, by field; both NONE where the field is absent. */
export interface ValuePlaces {
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

const places: ValuePlaces = { starts, ends };

/**
 * As `scanFields`, but gives where the values stand instead of the values, and only of a message that is ASCII without
 * escapes: then the bytes of a string are its characters. Valid until the next message is scanned.
 */
export function scanPlaces(data: Uint8Array): ValuePlaces | undefined {
  return scan(data) && isPlain ? places : undefined;
}

/** Whether the message is an object by the grammar; its bytes may still be no UTF-8. */
function scan(data: Uint8Array): boolean {
  starts.fill(NONE);
  ends.fill(NONE);
  isPlain = true;
  const start = afterSpace(data, 0);
  const end = data[start] === OPEN_OBJECT ? endOfObject(data, start, 0) : NONE;
  return end === data.length || (end !== NONE && afterSpace(data, end) === data.length);
}

/** @param text the whole message where it is plain, so that places of bytes are places of characters */
function fieldValue(field: number, data: Uint8Array, text: string | null): unknown {
  const start = starts[field]!;
  if (start === NONE) return undefined;
  const end = ends[field]!;
  const first = data[start];
  if (first === QUOTE && text !== null) return text.slice(start + 1, end - 1);
  const json = text === null ? decoder.decode(data.subarray(start, end)) : text.slice(start, end);
  const isObject = first === OPEN_OBJECT || first === OPEN_ARRAY;
  return field === METADATA && isObject ? new WrittenMetadata(json) : JSON.parse(json);
}

// Each of these takes the place where something begins and gives the place behind it, or NONE where it is not that.

function endOfValue(data: Uint8Array, at: number, depth: number): number {
  const first = data[at]!;
  if (first === QUOTE) return endOfString(data, at);
  if (first === MINUS || isDigit(first)) return endOfNumber(data, at);
  if (depth > DEPTH_MAX) return NONE;
  if (first === OPEN_OBJECT) return endOfObject(data, at, depth);
  if (first === OPEN_ARRAY) return endOfArray(data, at, depth);
  const literal = LITERALS.find((candidate) => hasBytes(data, at, candidate));
  return literal === undefined ? NONE : at + literal.length;
}

/** Notes the fields where the object is the message itself, at depth 0. */
function endOfObject(data: Uint8Array, at: number, depth: number): number {
  let name = afterSpace(data, at + 1);
  if (data[name] === CLOSE_OBJECT) return name + 1;
  while (data[name] === QUOTE) {
    const nameEnd = endOfString(data, name);
    const colon = nameEnd === NONE ? NONE : afterSpace(data, nameEnd);
    if (data[colon] !== COLON) return NONE;
    const value = afterSpace(data, colon + 1);
    const end = endOfValue(data, value, depth + 1);
    if (end === NONE) return NONE;
    if (depth === 0 && !noteField(data, name, nameEnd, value, end)) return NONE;
    const separator = afterSpace(data, end);
    if (data[separator] === CLOSE_OBJECT) return separator + 1;
    if (data[separator] !== COMMA) return NONE;
    name = afterSpace(data, separator + 1);
  }
  return NONE;
}

function endOfArray(data: Uint8Array, at: number, depth: number): number {
  let value = afterSpace(data, at + 1);
  if (data[value] === CLOSE_ARRAY) return value + 1;
  while (true) {
    const end = endOfValue(data, value, depth + 1);
    if (end === NONE) return NONE;
    const separator = afterSpace(data, end);
    if (data[separator] === CLOSE_ARRAY) return separator + 1;
    if (data[separator] !== COMMA) return NONE;
    value = afterSpace(data, separator + 1);
  }
}

function endOfString(data: Uint8Array, at: number): number {
  let next = at + 1;
  while (true) {
    while (IS_PLAIN[data[next]!] === 1) next += 1;
    const byte = data[next]!;
    if (byte === QUOTE) return next + 1;
    isPlain = false;
    if (byte === BACKSLASH) next = endOfEscape(data, next);
    // Bytes of longer characters; whether they are well-formed is asked for the whole message.
    else if (byte >= 0x80) next += 1;
    else return NONE;
    if (next === NONE) return NONE;
  }
}

function endOfEscape(data: Uint8Array, at: number): number {
  const kind = data[at + 1]!;
  if (IS_ESCAPED[kind] === 1) return at + 2;
  if (kind !== LOWER_U) return NONE;
  for (let digit = at + 2; digit < at + 6; digit += 1) if (IS_HEX_DIGIT[data[digit]!] !== 1) return NONE;
  return at + 6;
}

function endOfNumber(data: Uint8Array, at: number): number {
  const start = data[at] === MINUS ? at + 1 : at;
  let end = data[start] === ZERO ? start + 1 : endOfDigits(data, start);
  if (end !== NONE && data[end] === POINT) end = endOfDigits(data, end + 1);
  if (end === NONE || (data[end] !== LOWER_E && data[end] !== UPPER_E)) return end;
  const hasSign = data[end + 1] === PLUS || data[end + 1] === MINUS;
  return endOfDigits(data, end + (hasSign ? 2 : 1));
}

/** At least one is needed. */
function endOfDigits(data: Uint8Array, at: number): number {
  let end = at;
  while (isDigit(data[end]!)) end += 1;
  return end === at ? NONE : end;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

function afterSpace(data: Uint8Array, at: number): number {
  let next = at;
  while (IS_SPACE[data[next]!] === 1) next += 1;
  return next;
}

/** Notes the value of a name that is read, the last one where it stands twice; false where it cannot tell which name it is. */
function noteField(data: Uint8Array, name: number, nameEnd: number, value: number, end: number): boolean {
  for (const field of FIELDS_BY_LENGTH[nameEnd - name - 2] ?? NO_FIELDS) {
    if (!hasBytes(data, name + 1, NAME_BYTES[field]!)) continue;
    starts[field] = value;
    ends[field] = end;
    return true;
  }
  return isPlain || !data.subarray(name, nameEnd).includes(BACKSLASH);
}

function hasBytes(data: Uint8Array, at: number, bytes: Uint8Array): boolean {
  for (let index = 0; index < bytes.length; index += 1) if (data[at + index] !== bytes[index]) return false;
  return true;
}

function tableOf(has: (byte: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => Number(has(byte)));
}
