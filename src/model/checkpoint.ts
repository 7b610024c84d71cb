/**
 * Where the lead states on disk stand in the stream, and how to recognize that place again.
 *
 * A position is a stream sequence plus `positionOffset`. The offset is 0 until an operator accepts a stream
 * whose numbering starts over; it then rises, so that positions never repeat and never go back.
 */
export interface Checkpoint {
  /** Every message up to this position is contained in the states and fires on disk. */
  readonly position: number;
  readonly positionOffset: number;
  /** The arrival clock at that position: the highest arrival time seen (R15). */
  readonly clockMicros: number;
  readonly stream: StreamMark;
}

/** The identity of a stream and of the last message read from it. */
export interface StreamMark {
  readonly name: string;
  /** Creation time of the stream as the server reports it, ISO 8601; tells a recreated stream apart. */
  readonly created: string;
  /** Arrival time of the message at the position; null before the first. */
  readonly messageArrivalMicros: number | null;
  /** SHA-256 of its bytes, hexadecimal; null before the first. */
  readonly messageDigest: string | null;
}
