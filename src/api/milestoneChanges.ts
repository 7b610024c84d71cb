import { isDeepStrictEqual } from 'node:util';
import type { OuId } from '../model/event.ts';
import type { Milestone, MilestoneId } from '../model/milestone.ts';
import type { Refire } from '../model/sequence.ts';
import { COOLDOWN_ALLOWED, type MilestonePatch, type NewMilestone } from './milestoneSchema.ts';
import { invalid } from './problem.ts';
import { clearable, newWebhookSecret, nextVersion } from './triggerChanges.ts';
import { expectation } from './validation.ts';

/** A new milestone trigger from a checked body; the catalog fills in `effectiveFrom`. */
export function createMilestone(ou: OuId, id: MilestoneId, body: NewMilestone, nowMs: number): Milestone {
  return {
    kind: 'milestone',
    ou,
    id,
    name: body.name,
    scoreThreshold: body.score_threshold,
    eventType: body.event_type ?? null,
    webhookUrl: body.webhook_url ?? null,
    webhookSecret: newWebhookSecret(),
    previousWebhookSecrets: [],
    emails: body.emails ?? [],
    emailSubject: body.email_subject ?? null,
    emailPreheader: body.email_preheader ?? null,
    emailMessage: body.email_message ?? null,
    active: body.active ?? true,
    refire: refireOf(body.fire_mode ?? 'once', body.cooldown_seconds ?? null),
    effectiveFrom: 0,
    version: 1,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
  };
}

/** The trigger with the patch applied; the very same object where the patch changes nothing. Throws a Problem. */
export function patchMilestone(current: Milestone, patch: MilestonePatch, nowMs: number): Milestone {
  const patched: Milestone = {
    ...current,
    name: patch.name ?? current.name,
    scoreThreshold: patch.score_threshold ?? current.scoreThreshold,
    eventType: clearable(patch.event_type, current.eventType),
    webhookUrl: clearable(patch.webhook_url, current.webhookUrl),
    emails: patch.emails === undefined ? current.emails : (patch.emails ?? []),
    emailSubject: clearable(patch.email_subject, current.emailSubject),
    emailPreheader: clearable(patch.email_preheader, current.emailPreheader),
    emailMessage: clearable(patch.email_message, current.emailMessage),
    active: patch.active === undefined ? current.active : (patch.active ?? true),
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
