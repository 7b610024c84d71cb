import { parseInstant } from '../model/instant.ts';

const POINT = 46;
const ZERO = 48;

/** What the reply subject of a delivered JetStream message says about it. */
export interface DeliveryInfo {
  readonly streamSequence: number;
  /** Integer microseconds; the finer digits are cut. */
  readonly arrivalMicros: number;
  /** Messages that the consumer has yet to deliver after this one. */
  readonly pending: number;
}

/**
 * Reads `$JS.ACK.…<consumer>.<deliveries>.<stream seq>.<consumer seq>.<nanoseconds>.<pending>[.<token>]`.
 * Throws when the text is not of that form. The nanoseconds exceed 2^53, so their last three digits are
 * dropped before they become a number. Runs for every message, so it reads characters instead of splitting.
 *
 * @param consumerToken its name with a dot on either side
 */
export function parseDelivery(reply: string, consumerToken: string): DeliveryInfo {
  const name = reply.indexOf(consumerToken);
  const deliveries = name + consumerToken.length;
  const sequence = reply.indexOf('.', deliveries) + 1;
  const consumerSequence = reply.indexOf('.', sequence) + 1;
  const nanoseconds = reply.indexOf('.', consumerSequence) + 1;
  const pending = reply.indexOf('.', nanoseconds) + 1;
  const isComplete = name > 0 && sequence > 0 && consumerSequence > 0 && nanoseconds > 0 && pending > 0;
  if (!isComplete) throw new Error(`not the reply subject of a JetStream message: ${reply}`);
  const afterPending = reply.indexOf('.', pending);
  return {
    streamSequence: integer(reply, sequence, consumerSequence - 1),
    arrivalMicros: integer(reply, nanoseconds, pending - 1 - 3),
    pending: integer(reply, pending, afterPending === -1 ? reply.length : afterPending),
  };
}

function integer(text: string, start: number, end: number): number {
  let value = 0;
  for (let index = start; index < end; index += 1) {
    const code = text.charCodeAt(index);
    if (code === POINT) break;
    value = value * 10 + (code - ZERO);
  }
  return value;
}

/** Microseconds of an RFC 3339 time as JetStream prints it, with up to nine fraction digits. */
export function timestampMicros(timestamp: string): number {
  const micros = parseInstant(timestamp);
  if (micros === undefined) throw new Error(`the server gave a time that cannot be read: ${timestamp}`);
  return micros;
}
