import { createHash } from 'node:crypto';
import type { Channel, Delivery } from '../model/delivery.ts';
import type { Fire } from '../model/fire.ts';
import type { Trigger } from '../model/trigger.ts';

export const EMAIL_HELD_REASON = 'no SMTP server is configured (SMTP_URL and EMAIL_FROM)';
const STALE_REASON = 'the completing event was older on arrival than max_fire_delay_seconds allows';

const ID_DIGITS = 32;
/** Hexadecimal ones that hold any safe integer. */
const PLACE_DIGITS = 14;

export interface PlanOptions {
  readonly emailConfigured: boolean;
  /** Why a destination is paused; null: it is not. */
  readonly pauseReason?: (destination: Pick<Delivery, 'ou' | 'channel' | 'destination'>) => string | null;
  readonly nowMs: number;
  /** Delay before the first attempt, the first entry of the retry schedule; 0 when absent. */
  readonly firstDelayMs?: number;
}

/**
 * The deliveries that a fire gives rise to: one for the webhook, one per email recipient. Pure, and with ids
 * that a replay finds again. A stale fire gives rows that are never sent (R19).
 */
export function planDeliveries(fire: Fire, trigger: Trigger, options: PlanOptions): Delivery[] {
  const webhooks = trigger.webhookUrl === null ? [] : [trigger.webhookUrl];
  return [
    ...webhooks.map((url) => plan(fire, 'webhook', url, options)),
    ...[...new Set(trigger.emails)].map((address) => plan(fire, 'email', address, options)),
  ];
}

function plan(fire: Fire, channel: Channel, destination: string, options: PlanOptions): Delivery {
  return {
    id: deliveryId(fire, channel, destination),
    ou: fire.ou,
    fireId: fire.id,
    sequenceId: fire.sequenceId,
    leadId: fire.leadId,
    streamSequence: fire.streamSequence,
    channel,
    destination,
    ...firstState(fire, channel, destination, options),
    attemptsMade: 0,
    attemptsBefore: 0,
    createdAtMs: options.nowMs,
    updatedAtMs: options.nowMs,
  };
}

function firstState(
  fire: Fire,
  channel: Channel,
  destination: string,
  { emailConfigured, pauseReason, nowMs, firstDelayMs = 0 }: PlanOptions,
): Pick<Delivery, 'state' | 'reason' | 'dueAtMs'> {
  if (fire.stale) return { state: 'skipped_stale', reason: STALE_REASON, dueAtMs: null };
  if (channel === 'email' && !emailConfigured) {
    return { state: 'held', reason: EMAIL_HELD_REASON, dueAtMs: null };
  }
  const reason = pauseReason?.({ ou: fire.ou, channel, destination }) ?? null;
  if (reason !== null) return { state: 'held', reason, dueAtMs: null };
  return { state: 'pending', reason: null, dueAtMs: nowMs + firstDelayMs };
}

/** A function of the fire. The place in the stream comes first, so that rows that change together lie together. */
function deliveryId(fire: Fire, channel: Channel, destination: string): string {
  const place = fire.streamSequence.toString(16).padStart(PLACE_DIGITS, '0');
  const identity = JSON.stringify([fire.id, channel, destination]);
  const digest = createHash('sha256').update(identity).digest('hex');
  return `del-${(place + digest).slice(0, ID_DIGITS)}`;
}
