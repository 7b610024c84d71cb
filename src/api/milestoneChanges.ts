import { isDeepStrictEqual } from 'node:util';
import type { OuId } from '../model/event.ts';
import type { Milestone, MilestoneId } from '../model/milestone.ts';
import type { Refire } from '../model/triggerBase.ts';
import { COOLDOWN_ALLOWED, type MilestonePatch, type NewMilestone } from './milestoneSchema.ts';
import { invalid } from './problem.ts';
import { clearable, newTrigger, nextVersion, patchedTrigger } from './triggerChanges.ts';
import { expectation } from './validation.ts';

/** A new milestone trigger from a checked body; the catalog fills in `effectiveFrom`. */
export function createMilestone(ou: OuId, id: MilestoneId, body: NewMilestone, nowMs: number): Milestone {
  return {
    ...newTrigger(ou, id, body, nowMs),
    kind: 'milestone',
    scoreThreshold: body.score_threshold,
    eventType: body.event_type ?? null,
    refire: refireOf(body.fire_mode ?? 'once', body.cooldown_seconds ?? null),
  };
}

/** The trigger with the patch applied; the very same object where the patch changes nothing. Throws a Problem. */
export function patchMilestone(current: Milestone, patch: MilestonePatch, nowMs: number): Milestone {
  const patched: Milestone = {
    ...patchedTrigger(current, patch),
    scoreThreshold: patch.score_threshold ?? current.scoreThreshold,
    eventType: clearable(patch.event_type, current.eventType),
    refire: patchedRefire(current.refire, patch),
  };
  return isDeepStrictEqual(patched, current) ? current : nextVersion(patched, nowMs);
}

/** How the answers say a re-fire policy. */
export function fireModeOf(refire: Refire): {
  fire_mode: 'once' | 'always';
  cooldown_seconds: number | null;
} {
  return {
    fire_mode: refire.mode === 'once_per_lead' ? 'once' : 'always',
    cooldown_seconds: refire.mode === 'cooldown' ? refire.cooldownSeconds : null,
  };
}

/** A cooldown goes with the mode that it was set with; one that is sent needs the mode "always", now or from before. */
function patchedRefire(current: Refire, patch: MilestonePatch): Refire {
  const before = fireModeOf(current);
  const mode = patch.fire_mode === undefined ? before.fire_mode : (patch.fire_mode ?? 'once');
  if (mode === 'once' && typeof patch.cooldown_seconds === 'number') {
    const message = expectation(COOLDOWN_ALLOWED, patch.cooldown_seconds);
    throw invalid([{ path: 'cooldown_seconds', message }], 'body');
  }
  return refireOf(mode, clearable(patch.cooldown_seconds, before.cooldown_seconds));
}

function refireOf(mode: 'once' | 'always', cooldownSeconds: number | null): Refire {
  if (mode === 'once') return { mode: 'once_per_lead' };
  return cooldownSeconds === null ? { mode: 'every' } : { mode: 'cooldown', cooldownSeconds };
}
