import type { Delivery, DeliveryState } from '../model/delivery.ts';
import type { OuId } from '../model/event.ts';
import type { Fire } from '../model/fire.ts';
import { formatMicros } from '../model/time.ts';
import { partInfo, partOf } from './cursor.ts';
import { deliverySummary } from './deliveryView.ts';
import { type Route, route } from './endpoint.ts';
import type { ApiPorts, FireFilters, FireHistoryPort } from './ports.ts';
import { notFound, requireOrder } from './problem.ts';
import { type FireFilterQuery, type FireView, getFire, listFires } from './sequenceEventContract.ts';

/** `/sequence-events`: the fires of the OU, newest first. `from` and `to` are both included. */
export function sequenceEventRoutes({ fires }: Pick<ApiPorts, 'fires'>): readonly Route[] {
  return [
    route(listFires, async ({ ou, query }) => {
      const part = partOf(query);
      const { fires: found, total, next } = await fires.listFires(ou, { ...part, ...filtersOf(query) });
      const events = await Promise.all(found.map((fire) => fireView(fires, ou, fire)));
      return { events, total, ...partInfo(part, next) };
    }),

    route(getFire, async ({ ou, id }) => {
      const fire = await fires.fire(ou, id);
      if (fire === undefined || fire.milestone !== undefined) throw notFound('sequence event');
      return fireView(fires, ou, fire);
    }),
  ];
}

/** The filters that a query names. Throws a 400 where its range is the wrong way round. */
export function filtersOf({ sequence_id, lead_id, from, to }: FireFilterQuery): FireFilters {
  requireOrder(from, to, 'query');
  return { sequenceId: sequence_id, leadId: lead_id, fromMicros: from, toMicros: to };
}

async function fireView(history: FireHistoryPort, ou: OuId, fire: Fire): Promise<FireView> {
  const deliveries = await history.deliveriesOf(ou, fire.id);
  return {
    id: fire.id,
    sequence_id: fire.sequenceId,
    sequence_name: fire.sequenceName,
    lead_id: fire.leadId,
    event_types: fire.eventTypes,
    fired_at: formatMicros(fire.firedAtMicros),
    completed_at: formatMicros(fire.completedAtMicros),
    late: fire.late,
    events: fire.events.map(({ id, type, timeMicros }) => ({
      id,
      event_type: type,
      created_at: formatMicros(timeMicros),
    })),
    delivery: overallState(fire, deliveries),
    deliveries: deliveries.map(deliverySummary),
  };
}

/** From the least finished to the most, for the one word that stands for all deliveries of a fire. */
const LEAST_FINISHED_FIRST: readonly DeliveryState[] = [
  'pending',
  'held',
  'retrying',
  'dead',
  'skipped_stale',
  'delivered',
];

/** One word for a fire: what the least finished of its deliveries is, `none` where it has no destination. */
export function overallState(fire: Fire, deliveries: readonly Delivery[]): DeliveryState | 'none' {
  if (fire.stale) return 'skipped_stale';
  const states = new Set(deliveries.map(({ state }) => state));
  return LEAST_FINISHED_FIRST.find((state) => states.has(state)) ?? 'none';
}
