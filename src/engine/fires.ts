import { createHash } from 'node:crypto';
import type { Completion, Crossing } from '../matcher/outcome.ts';
import type { LeadEvent } from '../model/event.ts';
import type { Fire, FireId } from '../model/fire.ts';
import type { Milestone } from '../model/milestone.ts';
import type { Sequence } from '../model/sequence.ts';
import { labelsOf } from '../model/step.ts';
import type { Trigger } from '../model/trigger.ts';

/** The row of a completion that fires. */
export function fireOf(completion: Completion, event: LeadEvent, sequence: Sequence): Fire {
  return {
    id: fireId(event, sequence, completion.completingEventId),
    ou: event.ou,
    sequenceId: sequence.id,
    sequenceName: sequence.name,
    sequenceVersion: sequence.version,
    leadId: event.leadId,
    eventTypes: labelsOf(sequence.eventTypes),
    events: completion.events,
    completedAtMicros: completion.completedAtMicros,
    firedAtMicros: event.arrivalMicros,
    streamSequence: event.streamSequence,
    late: completion.late,
    stale: completion.stale,
    isSample: false,
  };
}

/** The row of a crossing that fires. */
export function milestoneFireOf(
  { event: crossing, score, late }: Crossing,
  event: LeadEvent,
  milestone: Milestone,
): Fire {
  return {
    id: fireId(event, milestone, crossing.id),
    ou: event.ou,
    sequenceId: milestone.id,
    sequenceName: milestone.name,
    sequenceVersion: milestone.version,
    leadId: event.leadId,
    eventTypes: [crossing.type],
    events: [crossing],
    completedAtMicros: crossing.timeMicros,
    firedAtMicros: event.arrivalMicros,
    streamSequence: event.streamSequence,
    late,
    stale: false,
    isSample: false,
    milestone: { score, scoreThreshold: milestone.scoreThreshold },
  };
}

/**
 * The id of a fire: 128 bits of SHA-256 over (OU, trigger id, lead, completing event id), which identify a
 * completion, since an event completes a trigger at most once for its lead (R6, R20). JSON keeps the four
 * apart whatever characters they hold.
 */
function fireId(event: LeadEvent, trigger: Trigger, completingEventId: string): FireId {
  const identity = JSON.stringify([event.ou, trigger.id, event.leadId, completingEventId]);
  return `fire-${createHash('sha256').update(identity).digest('hex').slice(0, 32)}`;
}
