import { createHash } from 'node:crypto';
import type { Delivery } from '../../src/model/delivery.ts';
import type { Fire } from '../../src/model/fire.ts';
import type { Sequence } from '../../src/model/sequence.ts';
import { planDeliveries } from '../../src/outbox/plan.ts';

const OU = 'default';
const TYPES = ['pricing_page_viewed', 'trial_started', 'payment_method_added'];
const START_MICROS = 1_767_225_600_000_000;
const SECOND_MICROS = 1_000_000;

/** A sequence of three steps for each URL. */
export function sequencesFor(urls: readonly string[]): Sequence[] {
  return urls.map((webhookUrl, index) => ({
    ou: OU,
    id: `seq-${digest(webhookUrl)}`,
    name: `Trial to payment ${index}`,
    eventTypes: TYPES,
    exclude: [],
    windowSeconds: 604_800,
    windowUnit: '7 days',
    ordered: true,
    maxGapSeconds: null,
    webhookUrl,
    webhookSecret: `whsec_${createHash('sha256').update(webhookUrl).digest('base64')}`,
    previousWebhookSecrets: [],
    emails: [],
    emailSubject: null,
    emailPreheader: null,
    emailMessage: null,
    active: true,
    refire: { mode: 'every' },
    maxFireDelaySeconds: null,
    effectiveFrom: 0,
    version: 1,
    createdAtMs: 0,
    updatedAtMs: 0,
  }));
}

/** The fire of that number, with three events; its webhook has a body of about 500 bytes. */
export function fireOf(sequence: Sequence, index: number): Fire {
  const atMicros = START_MICROS + index * SECOND_MICROS;
  const events = TYPES.map((type, step) => ({
    id: `event-${digest(`${index}/${step}`)}`,
    type,
    timeMicros: atMicros + step * SECOND_MICROS,
  }));
  const last = events.at(-1)!.timeMicros;
  return {
    id: `fire-${digest(`${sequence.id}/${index}`)}`,
    ou: OU,
    sequenceId: sequence.id,
    sequenceName: sequence.name,
    sequenceVersion: 1,
    leadId: `lead-${index}`,
    eventTypes: TYPES,
    events,
    completedAtMicros: last,
    firedAtMicros: last,
    streamSequence: index + 1,
    late: false,
    stale: false,
    isSample: false,
  };
}

/** A fire and the one delivery that it gives rise to, due now. */
export interface Entry {
  readonly fire: Fire;
  readonly deliveries: readonly Delivery[];
}

export function entryOf(sequence: Sequence, index: number): Entry {
  const fire = fireOf(sequence, index);
  return { fire, deliveries: planDeliveries(fire, sequence, { emailConfigured: false, nowMs: Date.now() }) };
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
