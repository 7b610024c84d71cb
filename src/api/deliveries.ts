import { Hono } from 'hono';
import { z } from 'zod';
import { DELIVERY_STATES } from '../model/delivery.ts';
import { deliveryDetail, deliveryView } from './deliveryView.ts';
import type { ApiPorts } from './ports.ts';
import { notFound } from './problem.ts';
import { pageFields, sequenceIdText } from './querySchema.ts';
import { type ApiEnv, idOf, readQuery } from './request.ts';
import { exactObject } from './validation.ts';

const deliveryFilters = exactObject({
  ...pageFields,
  status: z.enum(DELIVERY_STATES, { error: `one of ${DELIVERY_STATES.join(', ')}` }).optional(),
  sequence_id: sequenceIdText.optional(),
});

/** `/deliveries`: what became of the webhooks and emails of the OU, newest first. */
export function deliveryRoutes({ deliveries }: Pick<ApiPorts, 'deliveries'>): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();

  routes.get('/', async (context) => {
    const { page, limit, status, sequence_id } = readQuery(context, deliveryFilters);
    const query = { page, limit, status, sequenceId: sequence_id };
    const found = await deliveries.listDeliveries(context.var.ou, query);
    return context.json({ deliveries: found.deliveries.map(deliveryView), total: found.total, page, limit });
  });

  routes.get('/:id', async (context) => {
    const found = await deliveries.delivery(context.var.ou, idOf(context, 'delivery'));
    if (found === undefined) throw notFound('delivery');
    return context.json(deliveryDetail(found.delivery, found.attempts));
  });

  return routes;
}
