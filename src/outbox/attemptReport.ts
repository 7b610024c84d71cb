import type { Delivery } from '../model/delivery.ts';
import type { Log, OutboxMetrics } from './ports.ts';
import type { Settlement } from './retry.ts';

/** One wide line and one count per attempt. */
export function reportAttempt(log: Log, metrics: OutboxMetrics, { delivery, attempt }: Settlement): void {
  const { outcome, durationMs, number, status, error } = attempt;
  const host = hostOf(delivery);
  metrics.onAttempt({ channel: delivery.channel, outcome, durationMs, host });
  const fields = {
    deliveryId: delivery.id,
    fireId: delivery.fireId,
    ou: delivery.ou,
    sequenceId: delivery.sequenceId,
    channel: delivery.channel,
    host,
    attempt: number,
    outcome,
    status,
    error,
    durationMs,
    state: delivery.state,
    reason: delivery.reason,
    dueAtMs: delivery.dueAtMs,
  };
  if (outcome === 'delivered') log.info(fields, 'delivery attempt');
  else log.warn(fields, 'delivery attempt');
}

/** Where a delivery goes, without what may be personal or secret: no path, no query, no mailbox. */
function hostOf(delivery: Delivery): string {
  if (delivery.channel === 'email') return delivery.destination.split('@').at(-1) ?? '';
  return originOf(delivery).replace(/^https?:\/\//, '');
}

/** The server that a delivery is sent to: scheme, host and port of a webhook; all emails go to one. */
export function originOf(delivery: Pick<Delivery, 'channel' | 'destination'>): string {
  if (delivery.channel === 'email') return 'smtp';
  // Up to the path, as a URL parser would cut it; sequences hold nothing that it would read differently.
  return /^https?:\/\/[^/?#]+/i.exec(delivery.destination)?.[0].toLowerCase() ?? delivery.destination;
}
