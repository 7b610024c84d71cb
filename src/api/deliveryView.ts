import type { Attempt, Delivery } from '../model/delivery.ts';
import { isMilestoneId } from '../model/milestone.ts';
import { formatMillis } from '../model/time.ts';
import type { AttemptView, DeliveryDetail, DeliverySummary, DeliveryView } from './deliveryContract.ts';

/** A delivery as the fire that it belongs to shows it; `attempts` is how many were made. */
export function deliverySummary(delivery: Delivery): DeliverySummary {
  return {
    id: delivery.id,
    channel: delivery.channel,
    destination: delivery.destination,
    state: delivery.state,
    reason: delivery.reason,
    attempts: delivery.attemptsMade,
    next_attempt_at: isoOrNull(delivery.dueAtMs),
    updated_at: iso(delivery.updatedAtMs),
  };
}

/** A delivery on its own, as lists show it. */
export function deliveryView(delivery: Delivery): DeliveryView {
  const isOfMilestone = isMilestoneId(delivery.sequenceId);
  return {
    ...deliverySummary(delivery),
    fire_id: delivery.fireId,
    sequence_id: isOfMilestone ? null : delivery.sequenceId,
    trigger_id: isOfMilestone ? delivery.sequenceId : null,
    created_at: iso(delivery.createdAtMs),
  };
}

/** A delivery with every attempt, oldest first. */
export function deliveryDetail(delivery: Delivery, attempts: readonly Attempt[]): DeliveryDetail {
  const { attemptsMade } = delivery;
  return { ...deliveryView(delivery), attempt_count: attemptsMade, attempts: attempts.map(attemptView) };
}

function attemptView(attempt: Attempt): AttemptView {
  return {
    number: attempt.number,
    started_at: iso(attempt.startedAtMs),
    duration_ms: attempt.durationMs,
    outcome: attempt.outcome,
    status: attempt.status,
    error: attempt.error,
    response: attempt.response,
  };
}

export function iso(ms: number): string {
  return formatMillis(ms);
}

export function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : iso(ms);
}
