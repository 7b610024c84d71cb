import type { IngestEvent, MilestonePort, SimulatedCrossing } from '../api/catalogPorts.ts';
import type { Config } from '../config/schema.ts';
import { Matcher } from '../matcher/matcher.ts';
import type { LeadEvent } from '../model/event.ts';
import { parseInstant } from '../model/instant.ts';
import { type Milestone, milestoneDefinitionOf } from '../model/milestone.ts';
import { type Core, matcherLimits } from './core.ts';
import { takeAlong } from './redelivery.ts';

/** The milestone triggers of the catalog, and what can be asked of the scores. */
export function milestonePort(config: Config, core: Core): MilestonePort {
  const { catalog, matcher, engine } = core;
  const { milestones } = catalog;
  return {
    list: (ou) => milestones.list(ou),
    get: (ou, id) => milestones.get(ou, id),
    create: (milestone) => milestones.create(milestone),
    remove: (ou, id, check) => milestones.remove(ou, id, check),
    update: async (ou, id, change) => {
      const before = milestones.get(ou, id);
      const result = await milestones.update(ou, id, change);
      if (result.ok) takeAlong(core, before, result.trigger);
      return result;
    },
    simulate: (milestone, events, nowMs) =>
      simulate(new Matcher(matcherLimits(config)), milestone, events, nowMs),
    standing: (ou, leadId, id) => {
      engine.bring(ou, leadId);
      const standing = matcher.insight.scoreStanding(ou, leadId, id);
      if (standing === undefined) return undefined;
      const { score, lastFireMicros } = standing;
      return { score, lastFireMicros: Number.isNaN(lastFireMicros) ? null : lastFireMicros };
    },
  };
}

/** Applies the events to a matcher that knows nothing but the trigger, as the engine would were it active. */
function simulate(
  matcher: Matcher,
  milestone: Milestone,
  events: readonly IngestEvent[],
  nowMs: number,
): readonly SimulatedCrossing[] {
  matcher.setMilestone({ ...milestoneDefinitionOf(milestone), active: true, effectiveFrom: 0 });
  return events.flatMap((given, index) => {
    const outcome = matcher.apply(eventOf(milestone, given, index + 1, nowMs * 1000));
    const crossings = outcome.kind === 'held' ? (outcome.crossings ?? []) : [];
    return crossings
      .filter(({ suppressed }) => suppressed === null)
      .map(({ event, score, late }) => ({ leadId: given.leadId, event, score, late }));
  });
}

function eventOf(
  { ou }: Milestone,
  { id, leadId, eventType, createdAt, score }: IngestEvent,
  streamSequence: number,
  arrivalMicros: number,
): LeadEvent {
  const timeMicros = (createdAt === null ? undefined : parseInstant(createdAt)) ?? arrivalMicros;
  const scored = score === null ? {} : { score };
  return { ou, leadId, id, type: eventType, timeMicros, streamSequence, arrivalMicros, ...scored };
}
