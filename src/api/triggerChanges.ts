import { randomBytes } from 'node:crypto';
import type { Trigger } from '../model/trigger.ts';

/** How long the secret before a rotation signs along. */
const ROTATION_OVERLAP_MS = 24 * 3_600_000;
/** Bounds the signature header when somebody rotates in a loop. */
const SECRETS_SIGNING_ALONG_MAX = 9;

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

export function newWebhookSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}
