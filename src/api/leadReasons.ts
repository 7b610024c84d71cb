import type { Sequence } from '../model/sequence.ts';
import type { LeadStanding } from '../model/standing.ts';
import { labelsOf } from '../model/step.ts';
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
  const { horizon, filled, holdsAny, ranOut, missing } = standing;
  if (!holdsAny) return ['No event of the types that the sequence lists is held.'];
  if (filled.length === 0 && ranOut === null && horizon === null) {
    return [`No event fills the first step; it waits for ${inWords(sequence, missing)}.`];
  }
  const usedUp =
    horizon === null ? [] : [`Events up to ${formatMicros(horizon.timeMicros)} were used by a completion.`];
  return [
    ...usedUp,
    ...windowReasons(standing),
    ...orderReasons(standing),
    ...(filled.length > 0 ? [waitingFor(sequence, standing)] : []),
  ];
}

function windowReasons({ ranOut }: LeadStanding): readonly string[] {
  if (ranOut === null) return [];
  return [`The window that began with ${ranOut.type} at ${formatMicros(ranOut.timeMicros)} has run out.`];
}

function orderReasons({ cameTooEarly, filled, missing }: LeadStanding): readonly string[] {
  const last = filled.at(-1);
  if (!cameTooEarly || last === undefined) return [];
  return [`${missing[0]} came before ${last.type}.`];
}

function inWords({ ordered }: Sequence, missing: readonly string[]): string {
  return missing.join(ordered ? ', then ' : ', ');
}

function waitingFor(sequence: Sequence, { missing, untilMicros }: LeadStanding): string {
  const { ordered, eventTypes } = sequence;
  const until = formatMicros(untilMicros ?? 0);
  if (missing.length > 0) return `It waits for ${inWords(sequence, missing)}, until ${until}.`;
  const labels = labelsOf(eventTypes);
  const last = ordered ? (labels.at(-1) ?? '') : labels.join(' or ');
  return `All steps were filled before the sequence was created, changed or activated; it waits for another ${last}, until ${until}.`;
}
