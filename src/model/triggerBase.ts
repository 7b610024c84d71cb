import type { OuId } from './event.ts';

/** When a completion that follows an earlier one of the same (sequence, lead) fires again (R18). */
export type Refire =
  | { readonly mode: 'every' }
  | { readonly mode: 'once_per_lead' }
  | { readonly mode: 'cooldown'; readonly cooldownSeconds: number };

/** What sequences and milestone triggers have in common as they are stored. Wall-clock times are in ms. */
export interface TriggerBase {
  readonly ou: OuId;
  readonly id: string;
  readonly name: string;
  readonly webhookUrl: string | null;
  /** Signing secret, `whsec_` and 32 random bytes in base64. Shown once, never logged. */
  readonly webhookSecret: string;
  /** Secrets before a rotation, the youngest first; each signs along until it expires. */
  readonly previousWebhookSecrets: readonly { readonly secret: string; readonly expiresAtMs: number }[];
  readonly emails: readonly string[];
  readonly emailSubject: string | null;
  readonly emailPreheader: string | null;
  readonly emailMessage: string | null;
  readonly active: boolean;
  readonly refire: Refire;
  /** Stream position of the last change that makes it count anew: only later events complete it. */
  readonly effectiveFrom: number;
  /** 1 at creation, one more with every change. */
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}
