import { deliveryView, isoOrNull } from './deliveryView.ts';
import { type Route, route } from './endpoint.ts';
import type { ApiPorts } from './ports.ts';
import { invalid, notFound, Problem, requireOrder } from './problem.ts';
import { redeliverRange, sendSample } from './redeliveryContract.ts';

const MICROS_PER_MS = 1_000;

/** Below `/sequences/{id}`: sending the deliveries of a time again, and sending a sample. */
export function redeliveryRoutes({ redelivery }: Pick<ApiPorts, 'redelivery'>): readonly Route[] {
  return [
    route(redeliverRange, async ({ ou, id, body }) => {
      requireOrder(body.from, body.to, 'body');
      const result = await redelivery.redeliverRange(ou, id, {
        // Deliveries are made at whole milliseconds, so these are the first and the last within the range.
        fromMs: Math.ceil(body.from / MICROS_PER_MS),
        toMs: Math.floor(body.to / MICROS_PER_MS),
        status: body.status,
        ratePerSecond: body.rate_per_second,
        after: body.after ?? null,
      });
      if (!result.ok) throw rangeRefusal(result.reason);
      return { queued: result.queued, last_due_at: isoOrNull(result.lastDueAtMs), after: result.after };
    }),

    route(sendSample, async ({ ou, id }) => {
      const result = await redelivery.sendSample(ou, id);
      if (!result.ok) throw sampleRefusal(result.reason);
      return { fire_id: result.fireId, deliveries: result.deliveries.map(deliveryView) };
    }),
  ];
}

function rangeRefusal(reason: 'not_found' | 'unknown_cursor'): Problem {
  if (reason === 'not_found') return notFound('sequence');
  return invalid([{ path: 'after', message: 'must be the "after" of an earlier answer' }], 'body');
}

function sampleRefusal(reason: 'not_found' | 'nowhere'): Problem {
  if (reason === 'not_found') return notFound('sequence');
  return new Problem(409, 'The sequence has neither a webhook_url nor emails; give it one of them first.');
}
