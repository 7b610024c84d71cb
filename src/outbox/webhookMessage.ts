import type { Fire } from '../model/fire.ts';
import { formatMicros } from '../model/time.ts';
import type { Outgoing } from './sender.ts';
import { signingSecrets } from './signature.ts';

/** What an attempt at a webhook has to know, in values that any thread understands. */
export interface WebhookMessage {
  /** A URL, not checked. */
  readonly destination: string;
  readonly id: string;
  /** Wall clock at the start of the attempt. */
  readonly nowMs: number;
  readonly body: string;
  /** Those that sign now. */
  readonly secrets: readonly string[];
  readonly isSample: boolean;
}

export function webhookMessage({ delivery, fire, sequence, nowMs }: Outgoing): WebhookMessage {
  return {
    destination: delivery.destination,
    id: fire.id,
    nowMs,
    body: webhookBody(fire),
    secrets: signingSecrets(sequence, nowMs),
    isSample: fire.isSample,
  };
}

/** The body of a webhook: exactly these keys. */
export function webhookBody(fire: Fire): string {
  const { sequenceId: id, sequenceName: name, leadId, milestone } = fire;
  const events = fire.events.map((event) => ({
    id: event.id,
    event_type: event.type,
    created_at: formatMicros(event.timeMicros),
  }));
  const body =
    milestone === undefined
      ? { trigger: { id, name, type: 'sequence' }, lead_id: leadId, sequence: fire.eventTypes, events }
      : {
          trigger: { id, name, type: 'milestone' },
          lead_id: leadId,
          score: milestone.score,
          score_threshold: milestone.scoreThreshold,
          event: events[0],
        };
  return JSON.stringify(body);
}
