import type { MatchedEvent } from '../../src/model/event.ts';
import type { SequenceDefinition } from '../../src/model/sequence.ts';
import type { Hindrance, LeadStanding } from '../../src/model/standing.ts';
import { comparePositions, type OracleKnowledge, type OrderedEvent } from './oracle.ts';
import { fulfils, matchEndingAt, stepsOf, type WrittenStep } from './oracleSteps.ts';

/** What is false in what is said to keep a lead's events from counting, by the rules and all held events; null: nothing. */
export function falsehoodIn(
  { filled, hindrances, unmet, horizon }: LeadStanding,
  known: OracleKnowledge,
  sequence: SequenceDefinition,
): string | null {
  const held = heldAbove(known, sequence);
  const steps = stepsOf(sequence.eventTypes);
  for (const hindrance of hindrances) {
    const objection = objectionTo(hindrance, held, known.nowMicros, sequence, steps);
    if (objection !== null) return `${hindrance.kind}: ${objection}`;
  }
  const isNothingSaid = filled.length === 0 && hindrances.length === 0;
  const first = sequence.ordered ? steps.slice(0, 1) : steps;
  if (isNothingSaid && held.some((event) => first.some((step) => fulfils(event, step)))) {
    return 'an event does fill a first step';
  }
  for (const each of unmet) {
    const event = find(held, each);
    const step = steps[each.step - 1]!;
    if (event === undefined || !step.types.includes(event.type)) return 'unmet: another event';
    if (fulfils(event, step)) return 'unmet: it is met';
    if (each.isJudged !== event.streamSequence > sequence.effectiveFrom)
      return 'unmet: whether it was judged';
  }
  const last = known.horizons.get(sequence.id);
  if (horizon === null || horizon.eventId === null) return null;
  const named = known.events.find(
    ({ id, timeMicros }) => id === horizon.eventId && timeMicros === last?.timeMicros,
  );
  return named?.streamSequence === last?.streamSequence ? null : 'another event than the completing one';
}

/** Whatever its age, and what is excluded. */
function heldAbove(
  { events, horizons }: OracleKnowledge,
  { id }: SequenceDefinition,
): readonly OrderedEvent[] {
  const horizon = horizons.get(id);
  return events.filter((event) => horizon === undefined || comparePositions(event, horizon) > 0);
}

function find(events: readonly OrderedEvent[], { id, timeMicros }: MatchedEvent): OrderedEvent | undefined {
  return events.find((event) => event.id === id && event.timeMicros === timeMicros);
}

function objectionTo(
  hindrance: Hindrance,
  held: readonly OrderedEvent[],
  nowMicros: number,
  sequence: SequenceDefinition,
  steps: readonly WrittenStep[],
): string | null {
  const { windowMicros, effectiveFrom, exclude, active } = sequence;
  const at = (event: MatchedEvent & { readonly step: number }): OrderedEvent => {
    const found = find(held, event);
    if (found === undefined) throw new Error(`${event.id} is not held above the horizon`);
    if (!fulfils(found, steps[event.step - 1]!))
      throw new Error(`${event.id} does not fill step ${event.step}`);
    return found;
  };
  switch (hindrance.kind) {
    case 'completed': {
      const last = at(hindrance.last);
      const isBeforeChange = last.streamSequence <= effectiveFrom;
      if (hindrance.isBeforeChange !== isBeforeChange) return 'on which side of the change';
      if (!isBeforeChange && active) return 'it would have fired';
      return matchEndingAt(sequence, held, last) === null ? 'there is no match' : null;
    }
    case 'window': {
      const endMicros = at(hindrance.first).timeMicros + windowMicros;
      const tooLate = hindrance.tooLate && at(hindrance.tooLate);
      return (tooLate?.timeMicros ?? nowMicros) > endMicros ? null : 'the window goes on';
    }
    case 'gap': {
      const after = at(hindrance.after);
      const endMicros = after.timeMicros + sequence.maxGapMicros!;
      const next = steps[hindrance.after.step]!;
      const followers = held.filter((event) => comparePositions(event, after) > 0 && fulfils(event, next));
      if (endMicros >= nowMicros) return 'the gap goes on';
      if (followers.some(({ timeMicros }) => timeMicros <= endMicros)) return 'the next step came in time';
      return find(held, hindrance.tooLate ?? after) === (followers[0] ?? after) ? null : 'what came too late';
    }
    case 'excluded': {
      const by = find(held, hindrance.by);
      if (by === undefined || exclude?.includes(by.type) !== true) return 'it is not excluded';
      if (comparePositions(at(hindrance.first), by) > 0) return 'the first step came later';
      if (hindrance.last === null) return null;
      return comparePositions(at(hindrance.last), by) > 0 ? null : 'the last step came before';
    }
  }
}
