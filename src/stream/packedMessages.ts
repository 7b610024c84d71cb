import type { FeedMessage } from '../model/event.ts';
import { parseInstant } from '../model/instant.ts';
import { WrittenMetadata } from '../model/metadata.ts';
import {
  decodeMessage,
  EVENT_ID_BYTES_MAX,
  EVENT_TYPE_BYTES_MAX,
  LEAD_ID_BYTES_MAX,
  MESSAGE_BYTES_MAX,
  type RawMessage,
} from './decode.ts';
import {
  CREATED_AT,
  EVENT_TYPE,
  ID,
  LEAD_ID,
  METADATA,
  NONE,
  SCORE,
  scanPlaces,
  TIMESTAMP,
  type ValuePlaces,
} from './scan.ts';
import { ouOfSubject } from './subject.ts';

/**
 * Messages that arrived together, in few objects, so that they go from one thread to another without being copied.
 *
 * The buffer holds a row of `NUMBERS` doubles for each message, then a row of `PLACES` 32-bit integers for each, then
 * the bytes of all. What can be checked without making a string is: such a message is *plain*. Of the others there are
 * only the bytes, and whoever unpacks them decodes them.
 */
export interface PackedMessages {
  readonly buffer: ArrayBuffer;
  readonly count: number;
  /** Bytes of the messages themselves. */
  readonly messageBytes: number;
  readonly streamName: string;
  /** The subjects that occur. */
  readonly subjects: readonly string[];
  /** `Nats-Msg-Id` headers by the index of the message, for those that are not plain. */
  readonly messageIds: ReadonlyMap<number, string>;
}

const NUMBERS = 4;
const [STREAM_SEQUENCE, ARRIVAL_MICROS, TIME_MICROS, SCORE_VALUE] = [0, 1, 2, 3] as const;
const PLACES = 11;
const [SUBJECT, DATA, LEAD, TYPE, EVENT_ID, META] = [0, 1, 3, 5, 7, 9] as const;

const QUOTE = 0x22;
const OPEN_ARRAY = 0x5b;
const OPEN_OBJECT = 0x7b;
const LOWER_N = 0x6e;

/** @param messages of one stream, in its order */
export function packMessages(messages: readonly RawMessage[]): PackedMessages {
  const messageBytes = messages.reduce((sum, { data }) => sum + data.length, 0);
  const block = Block.of(messages.length, messageBytes);
  const subjects: string[] = [];
  const messageIds = new Map<number, string>();
  let end = 0;
  for (const [index, message] of messages.entries()) {
    const { subject, data, streamSequence, arrivalMicros } = message;
    const place = index * PLACES;
    const number = index * NUMBERS;
    if (subjects.at(-1) !== subject) subjects.push(subject);
    block.places[place + SUBJECT] = subjects.length - 1;
    block.numbers[number + STREAM_SEQUENCE] = streamSequence;
    block.numbers[number + ARRIVAL_MICROS] = arrivalMicros;
    block.bytes.set(data, end);
    block.places[place + DATA] = end;
    block.places[place + DATA + 1] = end + data.length;
    if (!packPlain(block, index, data, end)) {
      block.places[place + LEAD] = NONE;
      const { messageId } = message;
      if (messageId !== undefined) messageIds.set(index, messageId);
    }
    end += data.length;
  }
  const streamName = messages[0]?.streamName ?? '';
  return { buffer: block.buffer, count: messages.length, messageBytes, streamName, subjects, messageIds };
}

/** Gives the messages as `toFeedMessage` does. */
export function unpackMessages(packed: PackedMessages): FeedMessage[] {
  const { count, subjects } = packed;
  const block = new Block(packed.buffer, count);
  const messages: FeedMessage[] = new Array(count);
  for (let index = 0; index < count; index += 1) {
    const subject = subjects[block.places[index * PLACES + SUBJECT]!]!;
    const isPlain = block.places[index * PLACES + LEAD] !== NONE;
    const ou = isPlain ? ouOfSubject(subject) : undefined;
    messages[index] =
      ou === undefined
        ? decodeAt(packed, block, index, subject)
        : new UnpackedMessage(block, index, ou, subject, { event: eventAt(block, index, ou) });
  }
  return messages;
}

/** What `toString('latin1', …)` calls after some look-ups, which take as long as a short text; types leave it out. */
type Latin1Buffer = Buffer & { latin1Slice(start: number, end: number): string };

/** The parts of the buffer. */
class Block {
  readonly buffer: ArrayBuffer;
  readonly numbers: Float64Array;
  readonly places: Int32Array;
  readonly bytes: Latin1Buffer;

  static of(count: number, messageBytes: number): Block {
    return new Block(new ArrayBuffer(count * (NUMBERS * 8 + PLACES * 4) + messageBytes), count);
  }

  constructor(buffer: ArrayBuffer, count: number) {
    this.buffer = buffer;
    this.numbers = new Float64Array(buffer, 0, count * NUMBERS);
    this.places = new Int32Array(buffer, this.numbers.byteLength, count * PLACES);
    this.bytes = Buffer.from(buffer, this.numbers.byteLength + this.places.byteLength) as Latin1Buffer;
  }

  dataAt(index: number): Buffer {
    const place = index * PLACES + DATA;
    return this.bytes.subarray(this.places[place]!, this.places[place + 1]!);
  }

  textAt(index: number, field: number): string {
    const place = index * PLACES + field;
    return this.bytes.latin1Slice(this.places[place]!, this.places[place + 1]!);
  }
}

class UnpackedMessage implements FeedMessage {
  readonly streamSequence: number;
  readonly arrivalMicros: number;
  readonly ou: string;
  readonly subject: string;
  readonly decoded: FeedMessage['decoded'];
  readonly #block: Block;
  readonly #index: number;

  constructor(block: Block, index: number, ou: string, subject: string, decoded: FeedMessage['decoded']) {
    this.streamSequence = block.numbers[index * NUMBERS + STREAM_SEQUENCE]!;
    this.arrivalMicros = block.numbers[index * NUMBERS + ARRIVAL_MICROS]!;
    this.ou = ou;
    this.subject = subject;
    this.decoded = decoded;
    this.#block = block;
    this.#index = index;
  }

  get data(): Uint8Array {
    return this.#block.dataAt(this.#index);
  }
}

function eventAt(block: Block, index: number, ou: string) {
  const number = index * NUMBERS;
  const score = block.numbers[number + SCORE_VALUE]!;
  const hasMetadata = block.places[index * PLACES + META] !== NONE;
  return {
    ou,
    leadId: block.textAt(index, LEAD),
    id: block.textAt(index, EVENT_ID),
    type: block.textAt(index, TYPE),
    timeMicros: block.numbers[number + TIME_MICROS]!,
    streamSequence: block.numbers[number + STREAM_SEQUENCE]!,
    arrivalMicros: block.numbers[number + ARRIVAL_MICROS]!,
    metadata: hasMetadata ? new WrittenMetadata(block.textAt(index, META)) : undefined,
    score: Number.isNaN(score) ? undefined : score,
  };
}

function decodeAt(packed: PackedMessages, block: Block, index: number, subject: string): FeedMessage {
  const decoded = decodeMessage({
    subject,
    data: block.dataAt(index),
    messageId: packed.messageIds.get(index),
    streamSequence: block.numbers[index * NUMBERS + STREAM_SEQUENCE]!,
    arrivalMicros: block.numbers[index * NUMBERS + ARRIVAL_MICROS]!,
    streamName: packed.streamName,
  });
  const ou = 'event' in decoded ? decoded.event.ou : (ouOfSubject(subject) ?? '');
  return new UnpackedMessage(block, index, ou, subject, decoded);
}

/** A message that is scanned and lies in a block. One object for all of them: nothing of it is kept. */
class Scanned {
  starts: Int32Array = new Int32Array();
  ends: Int32Array = new Int32Array();
  block = Block.of(0, 0);
  index = 0;
  /** Where its bytes begin among those of the block. */
  offset = 0;

  set({ starts, ends }: ValuePlaces, block: Block, index: number, offset: number): void {
    this.starts = starts;
    this.ends = ends;
    this.block = block;
    this.index = index;
    this.offset = offset;
  }
}

const scanned = new Scanned();

/** Whether the message is plain and every field is right; then its row is filled. */
function packPlain(block: Block, index: number, data: Uint8Array, offset: number): boolean {
  const found = data.length > MESSAGE_BYTES_MAX ? undefined : scanPlaces(data);
  if (found === undefined) return false;
  scanned.set(found, block, index, offset);
  packMetadata(scanned);
  return (
    packText(scanned, LEAD_ID, LEAD_ID_BYTES_MAX, LEAD) &&
    packText(scanned, EVENT_TYPE, EVENT_TYPE_BYTES_MAX, TYPE) &&
    packText(scanned, ID, EVENT_ID_BYTES_MAX, EVENT_ID) &&
    packTime(scanned) &&
    packScore(scanned)
  );
}

function packText(
  { block, index, offset, starts, ends }: Scanned,
  field: number,
  bytesMax: number,
  place: number,
): boolean {
  const start = offset + starts[field]! + 1;
  const end = offset + ends[field]! - 1;
  const isText = starts[field] !== NONE && block.bytes[start - 1] === QUOTE;
  if (!isText || end === start || end - start > bytesMax) return false;
  block.places[index * PLACES + place] = start;
  block.places[index * PLACES + place + 1] = end;
  return true;
}

/** What is neither an object nor an array says nothing, and is as if it were absent. */
function packMetadata({ block, index, offset, starts, ends }: Scanned): void {
  const start = offset + starts[METADATA]!;
  const first = block.bytes[start];
  const isThere = starts[METADATA] !== NONE && (first === OPEN_OBJECT || first === OPEN_ARRAY);
  block.places[index * PLACES + META] = isThere ? start : NONE;
  block.places[index * PLACES + META + 1] = isThere ? offset + ends[METADATA]! : NONE;
}

function packTime(scanned: Scanned): boolean {
  const { block, starts, ends, offset } = scanned;
  const row = scanned.index * NUMBERS;
  const field = isAbsent(scanned, CREATED_AT) ? TIMESTAMP : CREATED_AT;
  if (isAbsent(scanned, field)) {
    block.numbers[row + TIME_MICROS] = block.numbers[row + ARRIVAL_MICROS]!;
    return true;
  }
  const start = offset + starts[field]!;
  if (block.bytes[start] !== QUOTE) return false;
  const timeMicros = parseInstant(block.bytes.latin1Slice(start + 1, offset + ends[field]! - 1));
  if (timeMicros === undefined) return false;
  block.numbers[row + TIME_MICROS] = timeMicros;
  return true;
}

/** JSON can spell numbers that are not finite. */
function packScore(scanned: Scanned): boolean {
  const { block, index, starts, ends, offset } = scanned;
  const place = index * NUMBERS + SCORE_VALUE;
  block.numbers[place] = Number.NaN;
  if (isAbsent(scanned, SCORE)) return true;
  const json = block.bytes.latin1Slice(offset + starts[SCORE]!, offset + ends[SCORE]!);
  const score: unknown = JSON.parse(json);
  if (typeof score !== 'number' || !Number.isFinite(score)) return false;
  block.numbers[place] = score;
  return true;
}

function isAbsent({ block, offset, starts }: Scanned, field: number): boolean {
  return starts[field] === NONE || block.bytes[offset + starts[field]!] === LOWER_N;
}
