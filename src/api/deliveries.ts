import { partInfo, partOf } from './cursor.ts';
import * as contract from './deliveryContract.ts';
import { deliveryDetail, deliveryView } from './deliveryView.ts';
import { type Route, route } from './endpoint.ts';
import type { ApiPorts } from './ports.ts';
import { invalid, notFound, Problem } from './problem.ts';

/** `/deliveries`: what became of the webhooks and emails of the OU, and sending one again. */
export function deliveryRoutes({
  deliveries,
  redelivery,
}: Pick<ApiPorts, 'deliveries' | 'redelivery'>): readonly Route[] {
  return [
    route(contract.listDeliveries, async ({ ou, query }) => {
      const { status, sequence_id, trigger_id } = query;
      if (sequence_id !== undefined && trigger_id !== undefined) throw eitherId();
      const part = partOf(query);
      const filters = { status, sequenceId: sequence_id ?? trigger_id };
      const { deliveries: found, total, next } = await deliveries.listDeliveries(ou, { ...part, ...filters });
      return { deliveries: found.map(deliveryView), total, ...partInfo(part, next) };
    }),

    route(contract.getDelivery, async ({ ou, id }) => {
      const found = await deliveries.delivery(ou, id);
      if (found === undefined) throw notFound('delivery');
      return deliveryDetail(found.delivery, found.attempts);
    }),

    route(contract.redeliver, async ({ ou, id }) => {
      const result = await redelivery.redeliver(ou, id);
      if (!result.ok) throw refusal(result.reason);
      return deliveryView(result.delivery);
    }),
  ];
}

function eitherId(): Problem {
  return invalid([{ path: 'trigger_id', message: 'must be left out where sequence_id is given' }], 'query');
}

function refusal(reason: 'not_found' | 'under_way' | 'held'): Problem {
  switch (reason) {
    case 'not_found':
      return notFound('delivery');
    case 'under_way':
      return new Problem(409, 'The delivery is being attempted at this moment; see how that ends first.');
    case 'held':
      return new Problem(
        409,
        'The delivery is held, and goes out by itself when its destination is resumed (POST /destinations/{id}/resume) or, for an email, when SMTP_URL is configured.',
      );
  }
}
