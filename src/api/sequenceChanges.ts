import { isDeepStrictEqual } from 'node:util';
import type { OuId } from '../model/event.ts';
import type { Sequence, SequenceId } from '../model/sequence.ts';
import { stepsOf } from '../model/step.ts';
import type { Refire } from '../model/triggerBase.ts';
import { type FieldError, invalid } from './problem.ts';
import type { NewSequence, SequencePatch } from './sequenceSchema.ts';
import { clearable, newTrigger, nextVersion, patchedTrigger } from './triggerChanges.ts';
import { expectation } from './validation.ts';
import { windowLabel } from './windowLabel.ts';

/**
 * A new sequence from a checked body; the catalog fills in `effectiveFrom`.
 *
 * @throws Problem when fields do not go together.
 */
export function createSequence(ou: OuId, id: SequenceId, body: NewSequence, nowMs: number): Sequence {
  return inAccord({
    ...newTrigger(ou, id, body, nowMs),
    eventTypes: body.event_types,
    exclude: body.exclude ?? [],
    windowSeconds: body.window_seconds,
    windowUnit: body.window_unit ?? windowLabel(body.window_seconds),
    ordered: body.ordered ?? false,
    maxGapSeconds: body.max_gap_seconds ?? null,
    refire: refireOf(body.refire),
    maxFireDelaySeconds: body.max_fire_delay_seconds ?? null,
  });
}

/**
 * The sequence with the patch applied; the very same object where the patch changes nothing.
 *
 * @throws Problem when fields do not go together.
 */
export function patchSequence(current: Sequence, patch: SequencePatch, nowMs: number): Sequence {
  const windowSeconds = patch.window_seconds ?? current.windowSeconds;
  const patched: Sequence = {
    ...patchedTrigger(current, patch),
    eventTypes: patch.event_types ?? current.eventTypes,
    exclude: patch.exclude === undefined ? current.exclude : (patch.exclude ?? []),
    windowSeconds,
    windowUnit: patchedWindowUnit(current, patch, windowSeconds),
    ordered: patch.ordered === undefined ? current.ordered : (patch.ordered ?? false),
    maxGapSeconds: clearable(patch.max_gap_seconds, current.maxGapSeconds),
    refire: patch.refire === undefined ? current.refire : refireOf(patch.refire),
    maxFireDelaySeconds: clearable(patch.max_fire_delay_seconds, current.maxFireDelaySeconds),
  };
  return isDeepStrictEqual(patched, current) ? current : nextVersion(inAccord(patched), nowMs);
}

/** The sequence itself, unless fields that are fine each alone contradict each other. */
function inAccord(sequence: Sequence): Sequence {
  const { eventTypes, exclude, maxGapSeconds, ordered } = sequence;
  const errors: FieldError[] = [];
  const types = new Set(stepsOf(eventTypes).flatMap((step) => step.types));
  for (const [index, type] of exclude.entries()) {
    if (!types.has(type)) continue;
    errors.push({ path: `exclude[${index}]`, message: expectation('a type that no step has', type) });
  }
  if (maxGapSeconds !== null && !ordered) {
    const message = expectation('left out, or null, unless ordered is true', maxGapSeconds);
    errors.push({ path: 'max_gap_seconds', message });
  }
  if (errors.length > 0) throw invalid(errors, 'body');
  return sequence;
}

/** A label that a user gave stays until it is changed or cleared; a derived one follows the window. */
function patchedWindowUnit(current: Sequence, patch: SequencePatch, windowSeconds: number): string {
  if (typeof patch.window_unit === 'string') return patch.window_unit;
  const isUsers = current.windowUnit !== windowLabel(current.windowSeconds);
  return patch.window_unit === undefined && isUsers ? current.windowUnit : windowLabel(windowSeconds);
}

function refireOf(body: NewSequence['refire']): Refire {
  if (body?.mode === 'cooldown' && typeof body.cooldown_seconds === 'number') {
    return { mode: 'cooldown', cooldownSeconds: body.cooldown_seconds };
  }
  return { mode: body?.mode === 'once_per_lead' ? 'once_per_lead' : 'every' };
}
