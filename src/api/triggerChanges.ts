import { randomBytes } from 'node:crypto';
import type { OuId } from '../model/event.ts';
import type { Trigger } from '../model/trigger.ts';
import type { TriggerBase } from '../model/triggerBase.ts';
import type { DeliveryFields } from './triggerFields.ts';

/** How long the secret before a rotation signs along. */
const ROTATION_OVERLAP_MS = 24 * 3_600_000;
/** Bounds the signature header when somebody rotates in a loop. */
const SECRETS_SIGNING_ALONG_MAX = 9;

/** What a new trigger of either kind has; the catalog fills in `effectiveFrom`. */
export function newTrigger<Id extends string>(
  ou: OuId,
  id: Id,
  body: DeliveryFields & { readonly name: string },
  nowMs: number,
): Omit<TriggerBase, 'id' | 'refire'> & { readonly id: Id } {
  return {
    ou,
    id,
    name: body.name,
    webhookUrl: body.webhook_url ?? null,
    webhookSecret: newWebhookSecret(),
    previousWebhookSecrets: [],
    emails: body.emails ?? [],
    emailSubject: body.email_subject ?? null,
    emailPreheader: body.email_preheader ?? null,
    emailMessage: body.email_message ?? null,
    active: body.active ?? true,
    effectiveFrom: 0,
    version: 1,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
  };
}

/** The trigger with the patch applied to what both kinds have. */
export function patchedTrigger<T extends Trigger>(
  current: T,
  patch: DeliveryFields & { readonly name?: string | undefined },
): T {
  return {
    ...current,
    name: patch.name ?? current.name,
    webhookUrl: clearable(patch.webhook_url, current.webhookUrl),
    emails: patch.emails === undefined ? current.emails : (patch.emails ?? []),
    emailSubject: clearable(patch.email_subject, current.emailSubject),
    emailPreheader: clearable(patch.email_preheader, current.emailPreheader),
    emailMessage: clearable(patch.email_message, current.emailMessage),
    active: patch.active === undefined ? current.active : (patch.active ?? true),
  };
}

/** The trigger with a new signing secret; those of the last 24 hours sign along. */
export function rotateSecret<T extends Trigger>(current: T, nowMs: number): T {
  const previousWebhookSecrets = [
    { secret: current.webhookSecret, expiresAtMs: nowMs + ROTATION_OVERLAP_MS },
    ...current.previousWebhookSecrets.filter(({ expiresAtMs }) => expiresAtMs > nowMs),
  ].slice(0, SECRETS_SIGNING_ALONG_MAX);
  return nextVersion({ ...current, webhookSecret: newWebhookSecret(), previousWebhookSecrets }, nowMs);
}

export function nextVersion<T extends Trigger>(trigger: T, nowMs: number): T {
  return { ...trigger, version: trigger.version + 1, updatedAtMs: nowMs };
}

/** Absent keeps the current value, null clears it. */
export function clearable<T>(value: T | null | undefined, current: T | null): T | null {
  return value === undefined ? current : value;
}

function newWebhookSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}
