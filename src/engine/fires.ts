import { createHash } from 'node:crypto';
import type { Completion } from '../matcher/outcome.ts';
import type { LeadEvent } from '../model/event.ts';
import type { Fire, FireId } from '../model/fire.ts';
import type { Sequence } from '../model/sequence.ts';

/** The row of a completion that fires. */
export function fireOf(completion: Completion, event: LeadEvent, sequence: Sequence): Fire {
  return {
    id: fireId(event, sequence, completion.completingEventId),
    ou: event.ou,
    sequenceId: sequence.id,
    sequenceName: sequence.name,
    sequenceVersion: sequence.version,
    leadId: event.leadId,
    eventTypes: sequence.eventTypes,
    events: completion.events,
    completedAtMicros: completion.completedAtMicros,
    firedAtMicros: event.arrivalMicros,
    streamSequence: event.streamSequence,
    late: completion.late,
    stale: completion.stale,
    isSample: false,
  };
}

/**
 * The id of a fire: 128 bits of SHA-256 over (OU, sequence id, lead, completing event id), which identify a
 * completion, since an event completes a sequence at most once for its lead (R6, R20). JSON keeps the four
 * apart whatever characters they hold.
 */
function fireId(event: LeadEvent, sequence: Sequence, completingEventId: string): FireId {
  const identity = JSON.stringify([event.ou, sequence.id, event.leadId, completingEventId]);
  return `fire-${createHash('sha256').update(identity).digest('hex').slice(0, 32)}`;
}
