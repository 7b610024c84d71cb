import type { SequenceDefinition } from '../../src/model/sequence.ts';
import { comparePositions, type Oracle, type OracleKnowledge, type OrderedEvent } from './oracle.ts';
import { fulfils, stepsOf, type WrittenStep } from './oracleSteps.ts';

/** How far a lead is, found by trying: the steps filled and until when they can last. */
export interface OracleStanding {
  readonly step: number;
  readonly untilMicros: number | null;
}

/** Of the leads named: how many are known, remember a fire, and stand after each number of steps from 0 on. */
export function countByOracle(oracle: Oracle, sequence: SequenceDefinition, leadIds: readonly string[]) {
  const { ou, id, eventTypes } = sequence;
  const leadsAtStep = Array.from({ length: stepsOf(eventTypes).length + 1 }, () => 0);
  const known = leadIds.map((leadId) => oracle.knowledgeOf(ou, leadId)).filter((each) => each !== null);
  for (const each of known) leadsAtStep[standingByOracle(each, sequence).step]!++;
  const firedCount = leadIds.filter((leadId) => oracle.lastFireOf(ou, leadId, id) !== null).length;
  return { leadsAtStep, leadCount: known.length, firedCount };
}

export function standingByOracle(known: OracleKnowledge, sequence: SequenceDefinition): OracleStanding {
  const events = countingEvents(known, sequence);
  const steps = stepsOf(sequence.eventTypes);
  const ends = sequence.ordered ? endsOfRuns : endsOfChoices;
  for (let step = steps.length; step > 0; step--) {
    const found = ends(sequence, steps, step, events, known.nowMicros);
    if (found.length > 0) return { step, untilMicros: Math.max(...found) };
  }
  return { step: 0, untilMicros: null };
}

/** Those above the horizon, within the window that ends now, and behind every excluded event. */
export function countingEvents(
  { events, nowMicros, horizons }: OracleKnowledge,
  { id, windowMicros, exclude }: SequenceDefinition,
): readonly OrderedEvent[] {
  const horizon = horizons.get(id);
  return events
    .filter((_, index) => !events.slice(index).some(({ type }) => exclude?.includes(type) === true))
    .filter((event) => horizon === undefined || comparePositions(event, horizon) > 0)
    .filter(({ timeMicros }) => nowMicros - timeMicros <= windowMicros);
}

type Ends = (
  sequence: SequenceDefinition,
  steps: readonly WrittenStep[],
  step: number,
  events: readonly OrderedEvent[],
  nowMicros: number,
) => readonly number[];

/** Until when each run of the first so many steps can go on; those that cannot any more are left out. */
const endsOfRuns: Ends = ({ windowMicros, maxGapMicros }, steps, step, events, nowMicros) => {
  const gapMicros = maxGapMicros ?? Number.POSITIVE_INFINITY;
  const ends = new Map<string, readonly number[]>();
  const endsFrom = (filled: number, index: number, startMicros: number): readonly number[] => {
    const { timeMicros } = events[index]!;
    if (filled === step) {
      const isOver = step < steps.length && nowMicros - timeMicros > gapMicros;
      return isOver ? [] : [Math.min(startMicros + windowMicros, timeMicros + gapMicros)];
    }
    const key = `${filled} ${index} ${startMicros}`;
    let found = ends.get(key);
    if (found === undefined) {
      found = events.flatMap((event, next) => {
        const isNext = next > index && event.timeMicros - timeMicros <= gapMicros;
        return isNext && fulfils(event, steps[filled]!) ? endsFrom(filled + 1, next, startMicros) : [];
      });
      found = found.length === 0 ? found : [Math.max(...found)];
      ends.set(key, found);
    }
    return found;
  };
  return events.flatMap((event, index) =>
    fulfils(event, steps[0]!) ? endsFrom(1, index, event.timeMicros) : [],
  );
};

/** Until when each choice of different events for so many entries can go on. */
const endsOfChoices: Ends = ({ windowMicros }, steps, step, events) =>
  events
    .filter((_, index) => mostFilled(steps, events.slice(index), 0) >= step)
    .map(({ timeMicros }) => timeMicros + windowMicros);

/** The most entries, but for those whose bits are set, that different events can fill: every choice is tried. */
function mostFilled(
  steps: readonly WrittenStep[],
  events: readonly OrderedEvent[],
  taken: number,
  known = new Map<string, number>(),
): number {
  const [event, ...others] = events;
  if (event === undefined) return 0;
  const key = `${events.length} ${taken}`;
  let most = known.get(key);
  if (most === undefined) {
    most = mostFilled(steps, others, taken, known);
    for (const [index, step] of steps.entries()) {
      if ((taken & (1 << index)) !== 0 || !fulfils(event, step)) continue;
      most = Math.max(most, 1 + mostFilled(steps, others, taken | (1 << index), known));
    }
    known.set(key, most);
  }
  return most;
}
