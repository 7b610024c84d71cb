import type { SequenceDefinition } from '../../src/model/sequence.ts';
import { comparePositions, type Oracle, type OracleKnowledge, type OrderedEvent } from './oracle.ts';

/** How far a lead is, found by trying: the steps filled and until when they can last. */
export interface OracleStanding {
  readonly step: number;
  readonly untilMicros: number | null;
}

/** Of the leads named: how many are known, remember a fire, and stand after each number of steps from 0 on. */
export function countByOracle(oracle: Oracle, sequence: SequenceDefinition, leadIds: readonly string[]) {
  const { ou, id } = sequence;
  const leadsAtStep = Array.from({ length: sequence.eventTypes.length + 1 }, () => 0);
  const known = leadIds.map((leadId) => oracle.knowledgeOf(ou, leadId)).filter((each) => each !== null);
  for (const each of known) leadsAtStep[standingByOracle(each, sequence).step]!++;
  const firedCount = leadIds.filter((leadId) => oracle.lastFireOf(ou, leadId, id) !== null).length;
  return { leadsAtStep, leadCount: known.length, firedCount };
}

export function standingByOracle(known: OracleKnowledge, sequence: SequenceDefinition): OracleStanding {
  const events = countingEvents(known, sequence);
  const starts = sequence.ordered ? orderedStarts : unorderedStarts;
  for (let step = sequence.eventTypes.length; step > 0; step--) {
    const found = starts(sequence.eventTypes, step, events);
    if (found.length === 0) continue;
    return { step, untilMicros: Math.max(...found) + sequence.windowMicros };
  }
  return { step: 0, untilMicros: null };
}

/** Those above the horizon and within the window that ends now. */
export function countingEvents(
  { events, nowMicros, horizons }: OracleKnowledge,
  { id, windowMicros }: SequenceDefinition,
): readonly OrderedEvent[] {
  const horizon = horizons.get(id);
  return events
    .filter((event) => horizon === undefined || comparePositions(event, horizon) > 0)
    .filter(({ timeMicros }) => nowMicros - timeMicros <= windowMicros);
}

/** The times of every event from which the first so many steps can be filled in order. */
function orderedStarts(types: readonly string[], step: number, events: readonly OrderedEvent[]): number[] {
  return events
    .filter(({ type }, index) => {
      if (type !== types[0]) return false;
      const after = events.slice(index + 1).map((event) => event.type);
      return isSubsequence(types.slice(1, step), after);
    })
    .map(({ timeMicros }) => timeMicros);
}

function isSubsequence(wanted: readonly string[], given: readonly string[]): boolean {
  if (wanted.length === 0) return true;
  const at = given.indexOf(wanted[0]!);
  return at >= 0 && isSubsequence(wanted.slice(1), given.slice(at + 1));
}

/** The times of every event such that it and later ones can fill so many entries. */
function unorderedStarts(types: readonly string[], step: number, events: readonly OrderedEvent[]): number[] {
  return events
    .filter(({ type }, index) => types.includes(type) && entriesFilled(types, events.slice(index)) >= step)
    .map(({ timeMicros }) => timeMicros);
}

function entriesFilled(types: readonly string[], events: readonly OrderedEvent[]): number {
  const left = [...types];
  for (const { type } of events) {
    const at = left.indexOf(type);
    if (at >= 0) left.splice(at, 1);
  }
  return types.length - left.length;
}
