import type { Sequence } from '../model/sequence.ts';
import type { SimulationReport } from '../model/simulation.ts';
import { formatMicros } from '../model/time.ts';
import { type Route, route } from './endpoint.ts';
import type { ApiPorts, SimulationInput } from './ports.ts';
import { notFound, unavailable } from './problem.ts';
import type { ApiContext } from './request.ts';
import { createSequence } from './sequenceChanges.ts';
import * as contract from './simulationContract.ts';
import { eventView, orNull, standingView } from './standingContract.ts';
import { refuseForbiddenUrl } from './triggerChecks.ts';

type SimulationPorts = Pick<ApiPorts, 'catalog' | 'checkWebhookUrl' | 'nowMs' | 'simulation'>;

/** `…/simulate`: what a sequence, saved or not, would have done. */
export function simulationRoutes(ports: SimulationPorts): readonly Route[] {
  const { catalog, nowMs, simulation } = ports;

  const simulate = async (
    sequence: Sequence,
    input: SimulationInput,
    context: ApiContext,
  ): Promise<contract.SimulationView> => {
    const result = await simulation.simulate(sequence, input, context.req.raw.signal);
    if (!result.ok) throw unavailable(result.reason);
    return simulationView(result.report);
  };

  return [
    route(contract.simulateSequence, async ({ ou, id, body, context }) => {
      const sequence = await catalog.get(ou, id);
      if (sequence === undefined) throw notFound('sequence');
      return simulate(sequence, body, context);
    }),

    route(contract.simulateNewSequence, async ({ ou, body: { sequence, input }, context }) => {
      await refuseForbiddenUrl(ports, sequence.webhook_url, 'sequence.webhook_url');
      return simulate(createSequence(ou, 'seq-unsaved', sequence, nowMs()), input, context);
    }),
  ];
}

function simulationView(report: SimulationReport): contract.SimulationView {
  const { counts, lead } = report;
  return {
    fires: report.fires.map(({ leadId, events, completedAtMicros, late, stale }) => ({
      lead_id: leadId,
      events: events.map(eventView),
      completed_at: formatMicros(completedAtMicros),
      late,
      stale,
    })),
    fire_count: report.fireCount,
    lead_count: report.leadCount,
    scanned_events: report.scannedEvents,
    from: orNull(report.range?.fromMicros),
    to: orNull(report.range?.toMicros),
    counts: {
      duplicates: counts.duplicates,
      unlisted: counts.unlisted,
      late_fires: counts.lateFires,
      stale_fires: counts.staleFires,
      suppressed: counts.suppressed,
      rejected: { ...contract.NONE_REJECTED, ...counts.rejected },
    },
    progress: {
      complete: report.isComplete,
      fraction: report.fraction,
      leads_after_step: report.leadsAfterStep,
      lead: lead && { ...standingView(lead.standing), types_not_held: lead.typesNotHeld },
    },
  };
}
