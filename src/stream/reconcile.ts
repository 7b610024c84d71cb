import { createHash } from 'node:crypto';
import { type JetStreamManager, NatsError } from 'nats';
import type { StreamMark } from '../model/checkpoint.ts';
import { findStream, refuseWorkqueue } from './streams.ts';
import { timestampMicros } from './timestamp.ts';

/** The events stream as it stands now, seen from the mark of the last message that was read from it. */
export interface StreamFound {
  readonly name: string;
  readonly created: string;
  /** Sequence of the oldest message; of the next one to come while the stream is empty; 0 before the first. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** It carries other subjects too: a sequence that is gone need not have been an event. */
  readonly isShared: boolean;
  /** The message at the mark, while the stream holds it. */
  readonly messageAtPosition: { readonly arrivalMicros: number; readonly digest: string } | null;
}

/**
 * How a stream relates to what was read of it.
 * fresh: nothing was read · resume: the same stream, going on · retention_gap: messages after the
 * position are gone · recreated: the same name, another birth · rolled_back: it is shorter than the position,
 * or holds another message there · other_stream: the setting names another stream than before.
 */
export type Verdict =
  | { readonly outcome: 'fresh' }
  | { readonly outcome: 'resume'; readonly position: number }
  | { readonly outcome: 'retention_gap'; readonly fromSequence: number; readonly toSequence: number }
  | { readonly outcome: 'recreated'; readonly createdBefore: string; readonly createdNow: string }
  | { readonly outcome: 'rolled_back'; readonly position: number; readonly lastSequence: number }
  | { readonly outcome: 'other_stream'; readonly nameBefore: string; readonly nameNow: string };

export type MismatchPolicy = 'halt' | 'accept';

/** What to do: go on with `startSequence`, or halt. */
export type Reconciliation =
  | {
      readonly proceed: true;
      readonly verdict: Verdict;
      /** The birth of the stream that was found. */
      readonly created: string;
      readonly startSequence: number;
      /** For the operator: what was accepted; null where nothing needed to be. */
      readonly message: string | null;
    }
  | { readonly proceed: false; readonly verdict: Verdict; readonly message: string };

/** Compares; pure. `fresh` and `resume` always proceed, the others only where the policy is `accept`. */
export function reconcile(
  mark: StreamMark | null,
  found: StreamFound,
  policy: MismatchPolicy,
): Reconciliation {
  const verdict = compare(mark, found);
  const { created } = found;
  if (verdict.outcome === 'resume') {
    return { proceed: true, verdict, created, startSequence: verdict.position + 1, message: null };
  }
  const startSequence = Math.max(1, found.firstSequence);
  if (verdict.outcome === 'fresh') return { proceed: true, verdict, created, startSequence, message: null };
  const { event, price } = explain(verdict, found);
  if (policy === 'accept') {
    const message = `${event} Accepted by ON_STREAM_MISMATCH=accept: it goes on from message ${startSequence}; ${price}.`;
    return { proceed: true, verdict, created, startSequence, message };
  }
  const advice = `To go on from message ${startSequence} of ${found.name}, start once with ON_STREAM_MISMATCH=accept`;
  return { proceed: false, verdict, message: `${event} ${advice}; ${price}.` };
}

/** Compares what was read last with the stream as it stands now; pure. */
export function compare(mark: StreamMark | null, found: StreamFound): Verdict {
  if (mark === null) return { outcome: 'fresh' };
  const position = mark.sequence;
  if (mark.name !== found.name) {
    return { outcome: 'other_stream', nameBefore: mark.name, nameNow: found.name };
  }
  if (mark.created !== found.created) {
    return { outcome: 'recreated', createdBefore: mark.created, createdNow: found.created };
  }
  if (found.lastSequence < position || holdsAnotherMessage(mark, found)) {
    return { outcome: 'rolled_back', position, lastSequence: found.lastSequence };
  }
  if (!found.isShared && found.firstSequence > position + 1) {
    return { outcome: 'retention_gap', fromSequence: position + 1, toSequence: found.firstSequence - 1 };
  }
  return { outcome: 'resume', position };
}

/** A server that lost its last writes in a power cut gives their sequences to other messages. */
function holdsAnotherMessage(mark: StreamMark, { messageAtPosition }: StreamFound): boolean {
  if (messageAtPosition === null || mark.messageDigest === null) return false;
  return (
    messageAtPosition.digest !== mark.messageDigest ||
    messageAtPosition.arrivalMicros !== mark.messageArrivalMicros
  );
}

type Mismatch = Exclude<Verdict, { outcome: 'fresh' | 'resume' }>;

/** What happened, in sentences, and what going on costs, as the end of one. */
function explain(verdict: Mismatch, found: StreamFound): { readonly event: string; readonly price: string } {
  const reread = 'events that it reads again may fire again where the first were forgotten';
  switch (verdict.outcome) {
    case 'retention_gap':
      return {
        event:
          `retention_gap: messages ${verdict.fromSequence} to ${verdict.toSequence} of ${found.name} were removed before this program read them. ` +
          'Sequences that they would have completed do not fire.',
        price: 'the missing messages stay missing',
      };
    case 'recreated':
      return {
        event:
          `recreated: the stream ${found.name} was created at ${verdict.createdNow}, but the state comes from one created at ${verdict.createdBefore}. ` +
          'The position means nothing in it.',
        price: `leads keep their held events, and ${reread}`,
      };
    case 'rolled_back':
      return {
        event:
          `rolled_back: the state includes message ${verdict.position} of ${found.name}, but the stream ends at ${verdict.lastSequence} or holds another message there. ` +
          'The server has lost messages or was restored from a backup.',
        price: `leads keep their held events, and ${reread}`,
      };
    case 'other_stream':
      return {
        event:
          `other_stream: the state comes from the stream ${verdict.nameBefore}, but EVENTS_STREAM names ${verdict.nameNow}. ` +
          `Set EVENTS_STREAM=${verdict.nameBefore} to go back.`,
        price: `leads keep their held events, and the position in ${verdict.nameBefore} is given up`,
      };
  }
}

/** SHA-256 of a message's bytes in hexadecimal, as a checkpoint keeps it. */
export function digestOf(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

const MESSAGE_NOT_FOUND = 10037;

/**
 * Reads what `compare` needs to know of a stream: `sequence` is that of the mark, or null without one.
 * Undefined where there is no stream of that name. Throws when the server does not answer, and where it is a work queue.
 */
export async function inspectStream(
  manager: JetStreamManager,
  name: string,
  sequence: number | null,
  isShared = false,
): Promise<StreamFound | undefined> {
  const info = await findStream(manager, name);
  if (info === undefined) return undefined;
  refuseWorkqueue(info);
  const { created, state } = info;
  const isHeld = sequence !== null && sequence >= Math.max(1, state.first_seq) && sequence <= state.last_seq;
  return {
    name,
    created,
    firstSequence: state.first_seq,
    lastSequence: state.last_seq,
    isShared,
    messageAtPosition: isHeld ? await readMessage(manager, name, sequence) : null,
  };
}

async function readMessage(
  manager: JetStreamManager,
  name: string,
  sequence: number,
): Promise<StreamFound['messageAtPosition']> {
  try {
    const message = await manager.streams.getMessage(name, { seq: sequence });
    return { arrivalMicros: timestampMicros(message.timestamp), digest: digestOf(message.data) };
  } catch (error) {
    // Deleted singly: the position cannot be verified, and nothing speaks against it.
    if (error instanceof NatsError && error.api_error?.err_code === MESSAGE_NOT_FOUND) return null;
    throw error;
  }
}
