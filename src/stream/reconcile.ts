import { createHash } from 'node:crypto';
import type { NatsConnection } from 'nats';
import { NatsError } from 'nats';
import type { Checkpoint } from '../model/checkpoint.ts';
import { timestampMicros } from './timestamp.ts';

/** The events stream as it stands at the start, seen from a checkpoint. */
export interface StreamFound {
  readonly name: string;
  readonly created: string;
  /** Sequence of the oldest message; of the next one to come while the stream is empty; 0 before the first. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** It carries other subjects too: a sequence that is gone need not have been an event. */
  readonly isShared: boolean;
  /** The message at the checkpoint's position, while the stream holds it. */
  readonly messageAtPosition: { readonly arrivalMicros: number; readonly digest: string } | null;
}

/**
 * How a stream relates to the checkpoint.
 * fresh: there is no checkpoint · resume: the same stream, going on · retention_gap: messages after the
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

/** What to do: go on with `startSequence` (the cursor is one less), or halt and tell the operator `message`. */
export type Reconciliation =
  | {
      readonly proceed: true;
      readonly verdict: Verdict;
      readonly startSequence: number;
      /** The cursor: the sequence up to which messages count as applied. */
      readonly position: number;
    }
  | { readonly proceed: false; readonly verdict: Verdict; readonly message: string };

/** Compares; pure. `fresh` and `resume` always proceed, the others only where the policy is `accept`. */
export function reconcile(
  checkpoint: Checkpoint | null,
  found: StreamFound,
  policy: MismatchPolicy,
): Reconciliation {
  const verdict = compare(checkpoint, found);
  if (verdict.outcome === 'resume') return proceedAt(verdict, verdict.position + 1);
  if (verdict.outcome === 'fresh' || policy === 'accept') {
    return proceedAt(verdict, Math.max(1, found.firstSequence));
  }
  return { proceed: false, verdict, message: explain(verdict, found) };
}

function proceedAt(verdict: Verdict, startSequence: number): Reconciliation {
  return { proceed: true, verdict, startSequence, position: startSequence - 1 };
}

function compare(checkpoint: Checkpoint | null, found: StreamFound): Verdict {
  if (checkpoint === null) return { outcome: 'fresh' };
  const { stream } = checkpoint;
  const position = stream.sequence;
  if (stream.name !== found.name) {
    return { outcome: 'other_stream', nameBefore: stream.name, nameNow: found.name };
  }
  if (stream.created !== found.created) {
    return { outcome: 'recreated', createdBefore: stream.created, createdNow: found.created };
  }
  if (found.lastSequence < position || holdsAnotherMessage(checkpoint, found)) {
    return { outcome: 'rolled_back', position, lastSequence: found.lastSequence };
  }
  if (!found.isShared && found.firstSequence > position + 1) {
    return { outcome: 'retention_gap', fromSequence: position + 1, toSequence: found.firstSequence - 1 };
  }
  return { outcome: 'resume', position };
}

/** A server that lost its last writes in a power cut gives their sequences to other messages. */
function holdsAnotherMessage({ stream }: Checkpoint, { messageAtPosition }: StreamFound): boolean {
  if (messageAtPosition === null || stream.messageDigest === null) return false;
  return (
    messageAtPosition.digest !== stream.messageDigest ||
    messageAtPosition.arrivalMicros !== stream.messageArrivalMicros
  );
}

type Mismatch = Exclude<Verdict, { outcome: 'fresh' | 'resume' }>;

function explain(verdict: Mismatch, found: StreamFound): string {
  const first = Math.max(1, found.firstSequence);
  const advice = `To go on from message ${first} of ${found.name}, start once with ON_STREAM_MISMATCH=accept`;
  const reread = 'events that it reads again may fire again where the first were forgotten';
  switch (verdict.outcome) {
    case 'retention_gap':
      return (
        `retention_gap: messages ${verdict.fromSequence} to ${verdict.toSequence} of ${found.name} were removed before this program read them. ` +
        `Sequences that they would have completed do not fire. ${advice}; the missing messages stay missing.`
      );
    case 'recreated':
      return (
        `recreated: the stream ${found.name} was created at ${verdict.createdNow}, but the stored state comes from one created at ${verdict.createdBefore}. ` +
        `The stored position means nothing in it. ${advice}; leads keep their held events, and ${reread}.`
      );
    case 'rolled_back':
      return (
        `rolled_back: the stored state includes message ${verdict.position} of ${found.name}, but the stream ends at ${verdict.lastSequence} or holds another message there. ` +
        `The server has lost messages or was restored from a backup. ${advice}; leads keep their held events, and ${reread}.`
      );
    case 'other_stream':
      return (
        `other_stream: the stored state comes from the stream ${verdict.nameBefore}, but EVENTS_STREAM names ${verdict.nameNow}. ` +
        `Set EVENTS_STREAM=${verdict.nameBefore} to go back. ${advice}; leads keep their held events, and the position in ${verdict.nameBefore} is given up.`
      );
  }
}

/** SHA-256 of a message's bytes in hexadecimal, as a checkpoint keeps it. */
export function digestOf(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

const MESSAGE_NOT_FOUND = 10037;

/**
 * Reads what `reconcile` needs to know of a stream: `sequence` is that of the
 * checkpoint's message, or null without a checkpoint.
 * Throws when the stream is not there or the server does not answer.
 */
export async function inspectStream(
  nats: NatsConnection,
  name: string,
  sequence: number | null,
  isShared = false,
): Promise<StreamFound> {
  const manager = await nats.jetstreamManager();
  const { created, state } = await manager.streams.info(name);
  const isHeld = sequence !== null && sequence >= Math.max(1, state.first_seq) && sequence <= state.last_seq;
  return {
    name,
    created,
    firstSequence: state.first_seq,
    lastSequence: state.last_seq,
    isShared,
    messageAtPosition: isHeld ? await readMessage(nats, name, sequence) : null,
  };
}

async function readMessage(
  nats: NatsConnection,
  name: string,
  sequence: number,
): Promise<StreamFound['messageAtPosition']> {
  const manager = await nats.jetstreamManager();
  try {
    const message = await manager.streams.getMessage(name, { seq: sequence });
    return { arrivalMicros: timestampMicros(message.timestamp), digest: digestOf(message.data) };
  } catch (error) {
    // Deleted singly: the position cannot be verified, and nothing speaks against it.
    if (error instanceof NatsError && error.api_error?.err_code === MESSAGE_NOT_FOUND) return null;
    throw error;
  }
}
