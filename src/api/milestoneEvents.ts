import type { OuId } from '../model/event.ts';
import type { Crossed, Fire } from '../model/fire.ts';
import { formatMicros } from '../model/time.ts';
import { partInfo, partOf } from './cursor.ts';
import { deliverySummary } from './deliveryView.ts';
import { type Route, route } from './endpoint.ts';
import { getMilestoneEvent, listMilestoneEvents, type MilestoneEventView } from './milestoneEventContract.ts';
import type { ApiPorts, FireHistoryPort } from './ports.ts';
import { notFound, requireOrder } from './problem.ts';
import { overallState } from './sequenceEvents.ts';

/** `/milestone-events`: the fires of the milestone triggers of the OU, newest first. */
export function milestoneEventRoutes({ fires }: Pick<ApiPorts, 'fires'>): readonly Route[] {
  return [
    route(listMilestoneEvents, async ({ ou, query }) => {
      const { trigger_id, lead_id, from, to } = query;
      requireOrder(from, to, 'query');
      const filters = { sequenceId: trigger_id, leadId: lead_id, fromMicros: from, toMicros: to };
      const part = partOf(query);
      const found = await fires.listFires(ou, { kind: 'milestone', ...part, ...filters });
      const events = found.fires.filter(isOfMilestone).map((fire) => fireView(fires, ou, fire));
      return { events: await Promise.all(events), total: found.total, ...partInfo(part, found.next) };
    }),

    route(getMilestoneEvent, async ({ ou, id }) => {
      const fire = await fires.fire(ou, id);
      if (fire === undefined || !isOfMilestone(fire)) throw notFound('milestone event');
      return fireView(fires, ou, fire);
    }),
  ];
}

type MilestoneFire = Fire & { readonly milestone: Crossed };

function isOfMilestone(fire: Fire): fire is MilestoneFire {
  return fire.milestone !== undefined;
}

async function fireView(
  history: FireHistoryPort,
  ou: OuId,
  fire: MilestoneFire,
): Promise<MilestoneEventView> {
  const deliveries = await history.deliveriesOf(ou, fire.id);
  const { id, type, timeMicros } = fire.events[0]!;
  return {
    id: fire.id,
    trigger_id: fire.sequenceId,
    trigger_name: fire.sequenceName,
    lead_id: fire.leadId,
    score: fire.milestone.score,
    score_threshold: fire.milestone.scoreThreshold,
    event_type: type,
    fired_at: formatMicros(fire.firedAtMicros),
    completed_at: formatMicros(fire.completedAtMicros),
    late: fire.late,
    event: { id, event_type: type, created_at: formatMicros(timeMicros) },
    delivery: overallState(fire, deliveries),
    deliveries: deliveries.map(deliverySummary),
  };
}
