import type { LeadEvent } from '../../src/model/event.ts';
import type { SequenceDefinition } from '../../src/model/sequence.ts';
import { definition } from '../matcher/sequences.ts';

const START_MICROS = 1_767_225_600_000_000;
const SECOND_MICROS = 1_000_000;

/** What a written-out event has of its own; its place in the list is its place in the stream. */
export interface ScriptedEvent {
  readonly leadId: string;
  readonly type: string;
  readonly seconds: number;
}

export function scriptedEvents(events: readonly ScriptedEvent[]): LeadEvent[] {
  return events.map(({ leadId, type, seconds }, index) => {
    const timeMicros = START_MICROS + seconds * SECOND_MICROS;
    return {
      ou: 'bench',
      leadId,
      id: `evt-${index}`,
      type,
      timeMicros,
      streamSequence: index + 1,
      arrivalMicros: timeMicros,
    };
  });
}

export function orderedSequence(
  id: string,
  eventTypes: readonly string[],
  windowSeconds: number,
): SequenceDefinition {
  return definition(id, windowSeconds * SECOND_MICROS, { eventTypes, ordered: true });
}
