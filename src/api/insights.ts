import type { Sequence } from '../model/sequence.ts';
import type { AsOf, LeadStanding } from '../model/standing.ts';
import { type Route, route } from './endpoint.ts';
import * as contract from './insightContract.ts';
import { reasonsOf, suppressionOf } from './leadReasons.ts';
import type { ApiPorts } from './ports.ts';
import { notFound, unavailable } from './problem.ts';
import { asOfView, orNull, standingView } from './standingContract.ts';

/** `/sequences/{id}/progress` and `/sequences/{id}/leads/{lead_id}`: how far leads are. */
export function insightRoutes({ catalog, insight }: Pick<ApiPorts, 'catalog' | 'insight'>): readonly Route[] {
  const sequenceOf = async (ou: string, id: string): Promise<Sequence> => {
    const sequence = await catalog.get(ou, id);
    if (sequence === undefined) throw notFound('sequence');
    return sequence;
  };
  return [
    route(contract.getProgress, async ({ ou, id }) => {
      const progress = await insight.progress(await sequenceOf(ou, id));
      if ('unavailable' in progress) throw notNow(progress.unavailable);
      return {
        sequence_id: id,
        steps: progress.steps.map(({ eventType, leadCount }, index) => ({
          step: index + 1,
          event_type: eventType,
          leads: leadCount,
        })),
        leads: progress.leadCount,
        fired: progress.firedCount,
        as_of: asOfView(progress),
      };
    }),

    route(contract.getLeadProgress, async ({ ou, id, leadId }) => {
      const sequence = await sequenceOf(ou, id);
      const found = await insight.leadStanding(sequence, leadId);
      if ('unavailable' in found) throw notNow(found.unavailable);
      return leadView(sequence, leadId, found.standing, found.asOf);
    }),
  ];
}

function notNow(reason: string) {
  return unavailable(`This cannot be told now: ${reason}; try again shortly.`);
}

function leadView(sequence: Sequence, leadId: string, standing: LeadStanding, asOf: AsOf): contract.LeadView {
  const suppression = suppressionOf(sequence, standing);
  return {
    sequence_id: sequence.id,
    lead_id: leadId,
    known: standing.newestMicros !== null,
    ...standingView(standing),
    lead_time: orNull(standing.nowMicros),
    horizon: orNull(standing.horizon?.timeMicros),
    last_fired_at: orNull(standing.lastFireMicros),
    suppressed: suppression && {
      reason: suppression.reason,
      completed_at: orNull(suppression.completedAtMicros) ?? '',
      until: orNull(suppression.untilMicros),
    },
    active: sequence.active,
    effective_from: sequence.effectiveFrom,
    reasons: reasonsOf(sequence, standing),
    as_of: asOfView(asOf),
  };
}
