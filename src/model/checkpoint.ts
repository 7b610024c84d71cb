import type { OuId } from './event.ts';

/**
 * Where the lead states on disk stand in the stream, and how to recognize that place again.
 *
 * A position counts messages as their stream sequence does, and is equal to it until an operator accepts a
 * stream whose numbering starts over. Then it goes on above, so that positions never repeat and never go back.
 */
export interface Checkpoint {
  /** Every message up to this position is contained in the states and fires on disk. */
  readonly position: number;
  /** The arrival clock at that position: the highest arrival time seen (R15). */
  readonly clockMicros: number;
  /** Per OU with any: leads last heard of before this arrival time were silent at the position (R15). */
  readonly silentBefore: readonly (readonly [ou: OuId, micros: number])[];
  /** How many changes of sequences, counted from the first ever, were made before it. */
  readonly changes: number;
  readonly stream: StreamMark;
}

/** How far into the stream something reaches. */
export type Reach = Pick<Checkpoint, 'position' | 'stream'>;

/** The mark of a stream of which nothing was read yet. */
export function unread(stream: { readonly name: string; readonly created: string }): StreamMark {
  return { ...stream, sequence: 0, messageArrivalMicros: null, messageDigest: null };
}

/** The identity of a stream and of the last message read from it. */
export interface StreamMark {
  readonly name: string;
  /** Creation time of the stream as the server reports it, ISO 8601; tells a recreated stream apart. */
  readonly created: string;
  /** Stream sequence of the message at the position; 0 before the first. */
  readonly sequence: number;
  /** Arrival time of the message at the position; null before the first. */
  readonly messageArrivalMicros: number | null;
  /** SHA-256 of its bytes, hexadecimal; null before the first. */
  readonly messageDigest: string | null;
}
