import type { OuId } from '../model/event.ts';
import { MILESTONE_ID_PREFIX, type Milestone } from '../model/milestone.ts';
import { formatMicros } from '../model/time.ts';
import type { ScoreStanding } from './catalogPorts.ts';
import { type Route, route } from './endpoint.ts';
import { simulatedId, toIngestEvent } from './ingestBody.ts';
import { createMilestone } from './milestoneChanges.ts';
import { type SimulationView, simulateMilestone, simulateNewMilestone } from './milestoneContract.ts';
import type { Simulation } from './milestoneSchema.ts';
import type { ApiPorts } from './ports.ts';
import { notFound } from './problem.ts';

const FIRES_SHOWN_MAX = 100;
const MICROS_PER_SECOND = 1_000_000;

type SimulationPorts = Pick<ApiPorts, 'milestones' | 'nowMs'>;

/** What a milestone trigger would do, stored or not; nothing is sent and nothing is changed. */
export function simulationRoutes(ports: SimulationPorts): readonly Route[] {
  return [
    route(simulateMilestone, async ({ ou, id, body }) => {
      const milestone = await ports.milestones.get(ou, id);
      if (milestone === undefined) throw notFound('trigger');
      return simulate(ports, ou, milestone, body);
    }),

    route(simulateNewMilestone, async ({ ou, body: { trigger, ...body } }) =>
      simulate(ports, ou, createMilestone(ou, UNSAVED_ID, trigger, ports.nowMs()), body),
    ),
  ];
}

/** Of a trigger that is not saved. */
const UNSAVED_ID = `${MILESTONE_ID_PREFIX}unsaved`;

async function simulate(
  { milestones, nowMs }: SimulationPorts,
  ou: OuId,
  milestone: Milestone,
  { events, lead_id }: Simulation,
): Promise<SimulationView> {
  const now = nowMs();
  if (lead_id !== undefined) {
    const standing = (await milestones.standing(ou, lead_id, milestone.id)) ?? null;
    const lead = { lead_id, ...leadView(milestone, standing, now) };
    return { fires: [], fire_count: 0, lead_count: 0, scanned_events: 0, lead };
  }
  const given = (events ?? []).map((event, index) => toIngestEvent(event, simulatedId(index)));
  const fires = (await milestones.simulate(milestone, given, now)).map(
    ({ leadId, score, event: { id, type, timeMicros }, late }) => ({
      lead_id: leadId,
      score,
      event: { id, event_type: type, created_at: formatMicros(timeMicros) },
      late,
    }),
  );
  return {
    fires: fires.slice(0, FIRES_SHOWN_MAX),
    fire_count: fires.length,
    lead_count: new Set(fires.map((fire) => fire.lead_id)).size,
    scanned_events: given.length,
    lead: null,
  };
}

function leadView(milestone: Milestone, standing: ScoreStanding | null, nowMs: number) {
  const { active, refire, scoreThreshold } = milestone;
  const lastFireMicros = standing?.lastFireMicros ?? null;
  const untilMicros =
    refire.mode === 'cooldown' && lastFireMicros !== null
      ? lastFireMicros + refire.cooldownSeconds * MICROS_PER_SECOND
      : null;
  const isOver = refire.mode === 'once_per_lead' && lastFireMicros !== null;
  const isCooling = untilMicros !== null && nowMs * 1000 < untilMicros;
  const reason = !active ? 'inactive' : isOver ? 'once' : isCooling ? 'cooldown' : null;
  return {
    score: standing?.score ?? null,
    is_below: standing === null || standing.score < scoreThreshold,
    would_fire: reason === null,
    reason,
    last_fired_at: lastFireMicros === null ? null : formatMicros(lastFireMicros),
    cooldown_until: untilMicros === null ? null : formatMicros(untilMicros),
  } as const;
}
