import { isMilestoneId } from '../model/milestone.ts';
import { deliveryView, isoOrNull } from './deliveryView.ts';
import { type Route, route } from './endpoint.ts';
import type { ApiPorts } from './ports.ts';
import { invalid, notFound, Problem, requireOrder } from './problem.ts';
import * as contract from './redeliveryContract.ts';
import { freshIdOf } from './request.ts';

const MICROS_PER_MS = 1_000;

/** Below `/sequences/{id}` and `/triggers/{id}`: sending the deliveries of a time again, and sending a sample. */
export function redeliveryRoutes({ redelivery }: Pick<ApiPorts, 'redelivery'>): readonly Route[] {
  return [
    ...[contract.redeliverRange, contract.redeliverTriggerRange].map((endpoint) =>
      route(endpoint, async ({ ou, id, body }) => {
        const { what } = checkedKind(endpoint, id);
        requireOrder(body.from, body.to, 'body');
        const result = await redelivery.redeliverRange(ou, id, {
          // Deliveries are made at whole milliseconds, so these are the first and the last within the range.
          fromMs: Math.ceil(body.from / MICROS_PER_MS),
          toMs: Math.floor(body.to / MICROS_PER_MS),
          status: body.status,
          ratePerSecond: body.rate_per_second,
          after: body.after ?? null,
        });
        if (!result.ok) throw rangeRefusal(result.reason, what);
        return { queued: result.queued, last_due_at: isoOrNull(result.lastDueAtMs), after: result.after };
      }),
    ),

    ...[contract.sendSample, contract.sendTriggerSample].map((endpoint) =>
      route(endpoint, async ({ ou, id, context }) => {
        const { what } = checkedKind(endpoint, id);
        const fireId = `sample-${freshIdOf(context)}`;
        const result = await redelivery.sendSample(ou, id, fireId);
        if (!result.ok) throw sampleRefusal(result.reason, what);
        return { fire_id: fireId, deliveries: result.deliveries.map(deliveryView) };
      }),
    ),
  ];
}

/** Both kinds share the space of ids; below the path of one kind those of the other are absent. */
function checkedKind({ path }: { readonly path: string }, id: string): { what: 'sequence' | 'trigger' } {
  const what = path.startsWith('/triggers/') ? 'trigger' : 'sequence';
  if (isMilestoneId(id) !== (what === 'trigger')) throw notFound(what);
  return { what };
}

function rangeRefusal(reason: 'not_found' | 'unknown_cursor', what: string): Problem {
  if (reason === 'not_found') return notFound(what);
  return invalid([{ path: 'after', message: 'must be the "after" of an earlier answer' }], 'body');
}

function sampleRefusal(reason: 'not_found' | 'nowhere', what: string): Problem {
  if (reason === 'not_found') return notFound(what);
  return new Problem(409, `The ${what} has neither a webhook_url nor emails; give it one of them first.`);
}
