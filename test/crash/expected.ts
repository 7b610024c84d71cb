import type { SequenceDefinition } from '../../src/model/sequence.ts';
import { Oracle, type OracleCompletion } from '../support/oracle.ts';
import type { MadeChange, SequenceVersion } from './changes.ts';
import { indexOf, LATENESS_SECONDS, plannedMessage } from './plannedMessages.ts';
import type { StreamMessage } from './stream.ts';
import { microsOf } from './times.ts';

/** A fire that has to be there, as the rules and the sequence at its position say. */
export interface ExpectedFire {
  readonly ou: string;
  readonly leadId: string;
  readonly sequence: SequenceVersion;
  readonly events: readonly { readonly id: string; readonly type: string; readonly timeMicros: number }[];
  readonly late: boolean;
  readonly stale: boolean;
  /** Of the message that made the match exist. */
  readonly position: number;
  readonly arrivalMicros: number;
}

export interface Expected {
  /** By `keyOf`. */
  readonly fires: ReadonlyMap<string, ExpectedFire>;
  /** Reasons of rejections by OU and stream sequence. */
  readonly rejections: ReadonlyMap<string, ReadonlyMap<number, string>>;
}

const SECOND_MICROS = 1_000_000;
const FUTURE_SKEW_SECONDS = 300;

/** What makes a fire the same one: its sequence, its lead and the event that completed the match. */
export function keyOf(ou: string, sequenceId: string, leadId: string, completingEventId: string): string {
  return JSON.stringify([ou, sequenceId, leadId, completingEventId]);
}

/**
 * Computes what must be there, by the slow oracle, from the stream and the changes of sequences at their
 * positions and from nothing else. `seed` tells which messages were meant to be malformed.
 */
export function expectedOf(
  seed: number,
  messages: readonly StreamMessage[],
  changes: readonly MadeChange[],
): Expected {
  const fires = new Map<string, ExpectedFire>();
  const rejections = new Map<string, Map<number, string>>();
  const sequences = new Map<string, SequenceVersion>();
  const oracle = new Oracle({
    allowedLatenessMicros: LATENESS_SECONDS * SECOND_MICROS,
    futureSkewMicros: FUTURE_SKEW_SECONDS * SECOND_MICROS,
  });
  // Those of different OUs are listed one OU after the other.
  const outstanding = changes.toSorted((a, b) => a.position - b.position);
  const makeChangesThrough = (position: number): void => {
    while (outstanding.length > 0 && outstanding[0]!.position <= position) {
      const { ou, id, after } = outstanding.shift()!;
      if (after === null) {
        oracle.removeSequence(ou, id);
        sequences.delete(id);
      } else {
        oracle.setSequence(definitionOf(after));
        sequences.set(id, after);
      }
    }
  };
  const reject = (ou: string, position: number, reason: string): void => {
    rejections.set(ou, (rejections.get(ou) ?? new Map()).set(position, reason));
  };

  for (const message of messages) {
    makeChangesThrough(message.sequence - 1);
    const ou = message.subject.split('.')[1]!;
    const { malformed } = plannedMessage(seed, indexOf(message.messageId));
    if (malformed !== null) {
      reject(ou, message.sequence, malformed);
      continue;
    }
    const event = eventOf(ou, message);
    const outcome = oracle.apply(event);
    if (outcome.kind === 'rejected') reject(ou, message.sequence, outcome.reason);
    if (outcome.kind !== 'held') continue;
    for (const completion of outcome.completions) {
      if (completion.suppressed !== null) continue;
      const sequence = sequences.get(completion.sequenceId)!;
      const key = keyOf(ou, sequence.id, event.leadId, completion.completingEventId);
      // The id of an event that was forgotten may complete the sequence again, which is not sent again.
      if (!fires.has(key)) fires.set(key, expectedFire(completion, event, sequence));
    }
  }
  return { fires, rejections };
}

function expectedFire(
  { events, late, stale }: OracleCompletion,
  event: ReturnType<typeof eventOf>,
  sequence: SequenceVersion,
): ExpectedFire {
  const { ou, leadId, streamSequence: position, arrivalMicros } = event;
  return { ou, leadId, sequence, events, late, stale, position, arrivalMicros };
}

/** The event of a proper message (R14). */
export function eventOf(ou: string, { sequence, arrivalMicros, messageId, text }: StreamMessage) {
  const fields = JSON.parse(text) as Record<string, string | undefined>;
  const time = fields.created_at ?? fields.timestamp;
  return {
    ou,
    leadId: fields.lead_id!,
    id: fields.id ?? messageId,
    type: fields.event_type!,
    timeMicros: time === undefined ? arrivalMicros : microsOf(time),
    streamSequence: sequence,
    arrivalMicros,
  };
}

function definitionOf({ ou, id, body, effectiveFrom }: SequenceVersion): SequenceDefinition {
  const { mode, cooldown_seconds } = body.refire;
  const delaySeconds = body.max_fire_delay_seconds;
  return {
    ou,
    id,
    eventTypes: body.event_types,
    windowMicros: body.window_seconds * SECOND_MICROS,
    ordered: body.ordered,
    active: body.active,
    refire: mode === 'cooldown' ? { mode, cooldownSeconds: cooldown_seconds! } : { mode },
    maxFireDelayMicros: delaySeconds === null ? null : delaySeconds * SECOND_MICROS,
    effectiveFrom,
  };
}
