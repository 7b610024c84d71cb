import type { Lead } from './lead.ts';
import type { LeadLog } from './leadLog.ts';
import { LeadScores } from './leadScores.ts';
import type { Program } from './program.ts';
import { Text, textAt } from './text.ts';

/**
 * A lead's state as bytes. All integers are LEB128 varints, times are 64-bit floats (they may be
 * infinite), strings are a length in bytes and UTF-8:
 *
 *     u8 version · in version 2: u8 flags · newest time · applied stream sequence · last-heard time · reduce-above length
 *     type count · types: name, and where there is the part FULFILLED: count and texts of the conditions that
 *       events of the type fulfilled, in order
 *     event count · events: type index, time since the previous event (the first: since the base time that
 *       precedes it), applied stream sequence − own stream sequence, id
 *     mark count · marks: sequence id, u8 flags, horizon time, horizon stream sequence, last-fire time
 *
 * Types and sequences stand in it by name, so that a row is readable whatever the program knows. What version 1 can
 * say is written as version 1. Version 2 has a byte of flags behind the version:
 *
 * - FULFILLED: each type name is followed by the conditions that its events fulfilled, a count and strings.
 * - SCORES: at the end there follows
 *
 *     base score · base time · base stream sequence
 *     type count · type names
 *     event count · events: type index, time, applied stream sequence − own stream sequence, score, id
 */
const VERSION = 1;
const VERSION_WITH_FLAGS = 2;
const FULFILLED = 1;
const SCORES = 2;
const KNOWN_FLAGS = FULFILLED | SCORES;
const OUTLIVES_SILENCE = 1;

/** The types of the lead that is being encoded, in the order in which its events have them. */
class TypePlaces {
  readonly types: number[] = [];
  /** By type, its place plus one; 0: it has none. */
  private numbers = new Int32Array(256);

  /** Of a type that was added. */
  of(type: number): number {
    return this.numbers[type]! - 1;
  }

  add(type: number): void {
    if (type >= this.numbers.length) this.grow(type + 1);
    if (this.numbers[type] === 0) this.numbers[type] = this.types.push(type);
  }

  clear(): void {
    for (const type of this.types) this.numbers[type] = 0;
    this.types.length = 0;
  }

  private grow(lengthMin: number): void {
    const grown = new Int32Array(lengthMin * 2);
    grown.set(this.numbers);
    this.numbers = grown;
  }
}

const places = new TypePlaces();
const writer = {
  bytes: new Uint8Array(4096),
  view: new DataView(new ArrayBuffer(0)),
  length: 0,
  /** Keeps reads without another purpose from being left out. */
  touched: 0,
};
writer.view = new DataView(writer.bytes.buffer);
const encoder = new TextEncoder();

/** Encodes a lead and its scores, where it has any; marks of triggers that were removed are left out. */
export function encodeLead(lead: Lead, program: Program, scores: LeadScores | undefined): Uint8Array {
  writer.length = 0;
  writer.touched = lead.log.touchIds();
  const types = placedTypes(lead);
  const flags = flagOfTypes(types, program) | (scores === undefined ? 0 : SCORES);
  putByte(flags === 0 ? VERSION : VERSION_WITH_FLAGS);
  if (flags !== 0) putByte(flags);
  putFloat(lead.newestMicros);
  putVarint(lead.appliedStreamSequence);
  putFloat(lead.lastHeardMicros);
  putVarint(lead.reduceAboveLength);
  putTypes(types, program, (flags & FULFILLED) !== 0);
  putEvents(lead);
  putMarks(lead, program);
  if (scores !== undefined) putScores(lead, scores);
  return writer.bytes.slice(0, writer.length);
}

/** The types of the events held, each at its place, which `places` has from then on. */
function placedTypes({ log }: Lead): readonly number[] {
  places.clear();
  for (let position = 0; position < log.length; position++) {
    if (log.isHeld(position)) places.add(log.typeAt(position));
  }
  return places.types;
}

function flagOfTypes(types: readonly number[], { classes }: Program): number {
  if (classes.isPlain) return 0;
  for (const type of types) if (classes.fulfilledBy(type).length > 0) return FULFILLED;
  return 0;
}

function putTypes(types: readonly number[], { classes }: Program, withFulfilled: boolean): void {
  putVarint(types.length);
  for (const type of types) {
    putString(classes.nameOf(type));
    if (!withFulfilled) continue;
    const fulfilled = classes.fulfilledBy(type);
    putVarint(fulfilled.length);
    for (const text of fulfilled) putString(text);
  }
}

function putEvents(lead: Lead): void {
  const { log } = lead;
  putVarint(log.heldCount);
  let previousMicros = Number.NaN;
  for (let position = 0; position < log.length; position++) {
    if (!log.isHeld(position)) continue;
    const timeMicros = log.timeAt(position);
    if (Number.isNaN(previousMicros)) {
      putFloat(timeMicros);
      previousMicros = timeMicros;
    }
    putVarint(places.of(log.typeAt(position)));
    putVarint(timeMicros - previousMicros);
    previousMicros = timeMicros;
    putVarint(lead.appliedStreamSequence - log.streamSequenceAt(position));
    putId(log, position);
  }
}

function putMarks({ marks }: Lead, program: Program): void {
  const entries: [string, number][] = [];
  for (let index = 0; index < marks.length; index++) {
    const id = program.idOf(marks.keyAt(index));
    if (id !== undefined) entries.push([id, index]);
  }
  // Equal states are equal bytes, in whatever order their sequences first completed.
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  putVarint(entries.length);
  for (const [id, index] of entries) {
    putString(id);
    putByte(marks.outlivesSilenceAt(index) ? OUTLIVES_SILENCE : 0);
    putFloat(marks.horizonMicrosAt(index));
    putVarint(marks.horizonStreamSequenceAt(index));
    putFloat(marks.lastFireMicrosAt(index));
  }
}

function putScores(lead: Lead, { base, held }: LeadScores): void {
  putFloat(base.score);
  putFloat(base.timeMicros);
  putVarint(base.streamSequence);
  const indexByType = new Map<string, number>();
  for (const { type } of held) if (!indexByType.has(type)) indexByType.set(type, indexByType.size);
  putVarint(indexByType.size);
  for (const type of indexByType.keys()) putString(type);
  putVarint(held.length);
  for (const { type, timeMicros, streamSequence, score, id } of held) {
    putVarint(indexByType.get(type)!);
    putFloat(timeMicros);
    putVarint(lead.appliedStreamSequence - streamSequence);
    putFloat(score);
    putString(id);
  }
}

/**
 * Decodes a state into a lead that holds nothing yet, and interns its types and sequence ids in the program.
 *
 * @param eventId where ids are put on their way into the log.
 * @returns the lead's scores, where it has any.
 * @throws Error when the version is unknown or the bytes end too early; the lead is then half filled.
 */
export function decodeLead(
  lead: Lead,
  program: Program,
  eventId: Text,
  state: Uint8Array,
): LeadScores | undefined {
  const reader = new Reader(state);
  const flags = readFlags(reader);
  lead.newestMicros = reader.float();
  lead.appliedStreamSequence = reader.varint();
  lead.lastHeardMicros = reader.float();
  lead.reduceAboveLength = reader.varint();
  const types: number[] = [];
  for (let count = reader.varint(); count > 0; count--) {
    const name = reader.name();
    types.push(program.internType(name, (flags & FULFILLED) === 0 ? [] : reader.names()));
  }
  const eventCount = reader.varint();
  let timeMicros = eventCount > 0 ? reader.float() : 0;
  for (let position = 0; position < eventCount; position++) {
    const type = types[reader.varint()]!;
    timeMicros += reader.varint();
    const streamSequence = lead.appliedStreamSequence - reader.varint();
    lead.log.append(timeMicros, streamSequence, type, reader.text(eventId));
  }
  for (let count = reader.varint(); count > 0; count--) {
    const key = program.keyOf(reader.name());
    lead.marks.put(key, {
      outlivesSilence: (reader.byte() & OUTLIVES_SILENCE) !== 0,
      horizonMicros: reader.float(),
      horizonStreamSequence: reader.varint(),
      lastFireMicros: reader.float(),
    });
  }
  return (flags & SCORES) === 0 ? undefined : readScores(lead, reader);
}

function readFlags(reader: Reader): number {
  const version = reader.byte();
  if (version === VERSION) return 0;
  if (version !== VERSION_WITH_FLAGS) {
    throw new Error(
      `the state of a lead has version ${version}; this program reads versions up to ${VERSION_WITH_FLAGS}`,
    );
  }
  const flags = reader.byte();
  if ((flags & ~KNOWN_FLAGS) !== 0) {
    throw new Error(`the state of a lead has flags ${flags}; this program knows ${KNOWN_FLAGS}`);
  }
  return flags;
}

function readScores(lead: Lead, reader: Reader): LeadScores {
  const scores = new LeadScores();
  scores.restoreBase({
    score: reader.float(),
    timeMicros: reader.float(),
    streamSequence: reader.varint(),
  });
  const types: string[] = [];
  for (let count = reader.varint(); count > 0; count--) types.push(reader.name());
  for (let count = reader.varint(); count > 0; count--) {
    scores.insert({
      type: types[reader.varint()]!,
      timeMicros: reader.float(),
      streamSequence: lead.appliedStreamSequence - reader.varint(),
      score: reader.float(),
      id: reader.string(),
    });
  }
  return scores;
}

function reserve(count: number): void {
  if (writer.length + count <= writer.bytes.length) return;
  const grown = new Uint8Array(Math.max(writer.bytes.length * 2, writer.length + count));
  grown.set(writer.bytes.subarray(0, writer.length));
  writer.bytes = grown;
  writer.view = new DataView(grown.buffer);
}

function putByte(value: number): void {
  reserve(1);
  writer.bytes[writer.length++] = value;
}

function putFloat(value: number): void {
  reserve(8);
  writer.view.setFloat64(writer.length, value, true);
  writer.length += 8;
}

/** Non-negative integers up to 2^53; shifts stop at 32 bits, so what is above takes slower arithmetic. */
function putVarint(value: number): void {
  reserve(8);
  const { bytes } = writer;
  let at = writer.length;
  let rest = value;
  for (; rest > 0x7fffffff; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80;
  for (; rest > 0x7f; rest >>>= 7) bytes[at++] = (rest & 0x7f) | 0x80;
  bytes[at++] = rest;
  writer.length = at;
}

function putString(text: string): void {
  const bytesMax = text.length * 3;
  reserve(bytesMax + 16);
  // The length comes first, so short ASCII strings, which most ids are, are written in one pass.
  if (text.length < 0x80 && putAscii(text)) return;
  const bytes = encoder.encode(text);
  putVarint(bytes.length);
  reserve(bytes.length);
  writer.bytes.set(bytes, writer.length);
  writer.length += bytes.length;
}

function putId(log: LeadLog, position: number): void {
  const length = log.idLengthAt(position);
  putVarint(length);
  reserve(length);
  log.copyId(position, writer.bytes, writer.length);
  writer.length += length;
}

function putAscii(text: string): boolean {
  const start = writer.length;
  writer.bytes[start] = text.length;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code > 0x7f) return false;
    writer.bytes[start + 1 + at] = code;
  }
  writer.length = start + 1 + text.length;
  return true;
}

/** Of types and sequences there are few, and each is in the states of many leads. */
const NAMES_MAX = 4_096;
const nameText = new Text(0);
const names = new Map<
  number,
  { readonly words: Int32Array; readonly length: number; readonly name: string }
>();

/** For reading a float from bytes at any place. */
const floatBytes = new Uint8Array(8);
const float = new DataView(floatBytes.buffer);

class Reader {
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  byte(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw new Error('the state of a lead ends too early');
    return value;
  }

  float(): number {
    for (let at = 0; at < 8; at++) floatBytes[at] = this.byte();
    return float.getFloat64(0, true);
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
  }

  /** Reads a string into a text. */
  text(text: Text): Text {
    const length = this.varint();
    this.at += length;
    if (this.at > this.bytes.length) throw new Error('the state of a lead ends too early');
    return text.setBytes(this.bytes, this.at - length, length);
  }

  string(): string {
    const { bytes, length } = this.text(nameText);
    return textAt(bytes, 0, length);
  }

  /** Reads the name of a type or a sequence, which most likely was read before. */
  name(): string {
    const { hash, words, wordCount, length } = this.text(nameText);
    const known = names.get(hash);
    if (known !== undefined && known.length === length && nameText.equals(known.words, 0)) return known.name;
    const name = textAt(nameText.bytes, 0, length);
    if (names.size < NAMES_MAX) names.set(hash, { words: words.slice(0, wordCount), length, name });
    return name;
  }

  names(): string[] {
    return Array.from({ length: this.varint() }, () => this.name());
  }
}
