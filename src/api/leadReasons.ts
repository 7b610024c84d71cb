import type { MatchedEvent } from '../model/event.ts';
import type { Sequence } from '../model/sequence.ts';
import type { Hindrance, Horizon, LeadStanding, StepEvent, UnmetStep } from '../model/standing.ts';
import { labelOf, stepsOf } from '../model/step.ts';
import { formatMicros } from '../model/time.ts';

/** Why the last completion did not fire. Derived: no completion notes by which policy it was judged. */
export interface Suppression {
  readonly reason: 'once_per_lead' | 'cooldown' | 'earlier_policy';
  readonly completedAtMicros: number;
  /** null: for good. */
  readonly untilMicros: number | null;
}

/** The last completion moved the horizon; had it fired, it would be the last fire too. */
export function suppressionOf(sequence: Sequence, standing: LeadStanding): Suppression | null {
  const { horizon, lastFireMicros } = standing;
  if (horizon === null || lastFireMicros === null || horizon.timeMicros === lastFireMicros) return null;
  const { mode } = sequence.refire;
  return {
    reason: mode === 'every' ? 'earlier_policy' : mode,
    completedAtMicros: horizon.timeMicros,
    untilMicros: mode === 'cooldown' ? cooldownEnd(sequence, lastFireMicros) : null,
  };
}

function cooldownEnd({ refire }: Sequence, lastFireMicros: number): number | null {
  return refire.mode === 'cooldown' ? lastFireMicros + refire.cooldownSeconds * 1_000_000 : null;
}

/** The answer to "why did it not fire?", in sentences: first what stands in the way for good, then what is missing. */
export function reasonsOf(sequence: Sequence, standing: LeadStanding): readonly string[] {
  return [
    ...(sequence.active ? [] : ['The sequence is not active.']),
    ...policyReasons(sequence, standing),
    ...(standing.newestMicros === null ? [UNKNOWN_LEAD] : heldReasons(sequence, standing)),
  ];
}

const UNKNOWN_LEAD =
  'Nothing is known of this lead: no event of it was accepted, or it was silent for so long that it is forgotten.';

function policyReasons(sequence: Sequence, { lastFireMicros, nowMicros }: LeadStanding): readonly string[] {
  const { mode } = sequence.refire;
  if (lastFireMicros === null || mode === 'every') return [];
  const firedAt = formatMicros(lastFireMicros);
  if (mode === 'once_per_lead') return [`It fired for this lead at ${firedAt}, and does so once per lead.`];
  const end = cooldownEnd(sequence, lastFireMicros) ?? 0;
  if (nowMicros !== null && nowMicros >= end) return [];
  return [`It fired at ${firedAt}; the cooldown lasts until ${formatMicros(end)}.`];
}

function heldReasons(sequence: Sequence, standing: LeadStanding): readonly string[] {
  const { filled, hindrances, holdsAny, horizon } = standing;
  const unmet = standing.unmet.map(unmetReason);
  if (!holdsAny) return [...unmet, nothingHeld(sequence)];
  const isWaiting = filled.length > 0 || hindrances.length > 0;
  return [
    ...(horizon === null ? [] : [usedUp(horizon, standing)]),
    ...hindrances.map((hindrance) => hindranceReason(sequence, hindrance)),
    ...orderReasons(standing),
    ...unmet,
    ...(isWaiting ? waitingReasons(sequence, standing) : [nothingFills(sequence, standing)]),
  ];
}

function nothingHeld({ eventTypes }: Sequence): string {
  return stepsOf(eventTypes).some(({ where }) => where !== null)
    ? 'No event that a step of the sequence accepts is held.'
    : 'No event of the types that the sequence lists is held.';
}

function nothingFills(sequence: Sequence, { filled, horizon }: LeadStanding): string {
  const after = horizon === null ? '' : ' after it';
  const step = sequence.ordered ? 'the first step' : 'a step';
  return `No held event${after} fills ${step}; it waits for ${missingInWords(sequence, filled)}.`;
}

function usedUp({ timeMicros, eventId }: Horizon, { lastFireMicros }: LeadStanding): string {
  const at = formatMicros(timeMicros);
  if (lastFireMicros !== timeMicros) return `Events up to ${at} were used by a completion.`;
  const by = eventId === null ? '' : `, completed by event ${eventId}`;
  return `It fired at ${at}${by}; events up to that one are used up.`;
}

/** What was found, and no more: another event may still come late, at a time at which it goes with the others. */
function hindranceReason(sequence: Sequence, hindrance: Hindrance): string {
  switch (hindrance.kind) {
    case 'completed':
      return completedReason(sequence, hindrance);
    case 'window': {
      const { first, tooLate } = hindrance;
      const window = `the window that began with ${placeOf(first)}`;
      return tooLate === null
        ? `T${window.slice(1)} has run out.`
        : `${placeOf(tooLate)} came after ${window} had run out.`;
    }
    case 'gap': {
      const { after, tooLate } = hindrance;
      const gap = `max_gap_seconds (${sequence.maxGapSeconds}) after ${placeOf(after)}`;
      return tooLate === null
        ? `No ${stepInWords(sequence, after.step)} that is held came within ${gap}.`
        : `${placeOf(tooLate)} came later than ${gap}.`;
    }
    case 'excluded': {
      const { by, first, last } = hindrance;
      const excluded = `${placeOf(by)}, which is excluded, came`;
      return last === null
        ? `${excluded} after ${placeOf(first)}, so nothing that comes later goes with it.`
        : `${excluded} between ${placeOf(first)} and ${placeOf(last)}.`;
    }
  }
}

function completedReason(sequence: Sequence, { last, isBeforeChange }: Completed): string {
  const isOnly = stepsOf(sequence.eventTypes).length === 1;
  const change = 'before the sequence was created, changed or activated';
  if (!isBeforeChange) return `All steps are filled, the last of them by ${placeOf(last)}.`;
  return isOnly
    ? `${placeOf(last)} came ${change}.`
    : `All steps are filled, but ${placeOf(last)}, the last of them, came ${change}.`;
}

type Completed = Extract<Hindrance, { kind: 'completed' }>;

function unmetReason({ isJudged, ...event }: UnmetStep): string {
  return isJudged
    ? `${placeOf(event)} does not meet the conditions of its step.`
    : `${placeOf(event)} is not known to meet the conditions of its step: it came before the sequence was created, changed or activated.`;
}

function orderReasons({ cameTooEarly, filled, missing }: LeadStanding): readonly string[] {
  const last = filled.at(-1);
  if (!cameTooEarly || last === undefined) return [];
  return [`${missing[0]} came before ${last.type}.`];
}

function waitingReasons(sequence: Sequence, standing: LeadStanding): readonly string[] {
  const { filled, missing, untilMicros, hindrances } = standing;
  const until = `until ${formatMicros(untilMicros ?? 0)}`;
  if (filled.length > 0 && missing.length > 0) {
    return [`It waits for ${missingInWords(sequence, filled)}, ${until}.`];
  }
  const steps = [...stepsOf(sequence.eventTypes).keys()].map((step) => stepInWords(sequence, step));
  // What is of one step has no window that could run out.
  if (steps.length === 1 && hindrances.length > 0) return [`It waits for another ${steps[0]}.`];
  if (filled.length === 0) return [];
  const last = sequence.ordered ? (steps.at(-1) ?? '') : steps.join(' or ');
  return [`It waits for another ${last}, ${until}.`];
}

/** @param filled what is missing is all but these */
function missingInWords(sequence: Sequence, filled: readonly StepEvent[]): string {
  const isFilled = new Set(filled.map(({ step }) => step));
  const missing = [...stepsOf(sequence.eventTypes).keys()].filter((step) => !isFilled.has(step + 1));
  return missing.map((step) => stepInWords(sequence, step)).join(sequence.ordered ? ', then ' : ', ');
}

/** @param step counted from 0 */
function stepInWords({ eventTypes }: Sequence, step: number): string {
  const test = stepsOf(eventTypes)[step]!;
  return test.where === null ? labelOf(test) : `${labelOf(test)} that meets its conditions`;
}

function placeOf({ type, timeMicros }: MatchedEvent): string {
  return `${type} at ${formatMicros(timeMicros)}`;
}
