import type { OuId } from '../model/event.ts';
import { MILESTONE_ID_PREFIX, type Milestone, type MilestoneId } from '../model/milestone.ts';
import { requireVersion } from './conditions.ts';
import { type Route, route } from './endpoint.ts';
import { createMilestone, fireModeOf, patchMilestone } from './milestoneChanges.ts';
import * as contract from './milestoneContract.ts';
import type { NewMilestone } from './milestoneSchema.ts';
import { simulationRoutes } from './milestoneSimulations.ts';
import type { ApiPorts } from './ports.ts';
import { notFound } from './problem.ts';
import { freshIdOf } from './request.ts';
import { rotateSecret } from './triggerChanges.ts';
import { refusalOf, refuseForbiddenUrl } from './triggerChecks.ts';
import { deliveriesView, versionView } from './triggerView.ts';

type MilestonePorts = Pick<ApiPorts, 'milestones' | 'checkWebhookUrl' | 'nowMs' | 'sequencesPerOuMax'>;

const KIND = { one: 'trigger', many: 'triggers' } as const;

/** `/triggers`: create, read, change, delete and try the milestone triggers of the OU. */
export function milestoneRoutes(ports: MilestonePorts): readonly Route[] {
  const { milestones, nowMs } = ports;
  const created = async (ou: OuId, id: MilestoneId, body: NewMilestone) => {
    await refuseForbiddenUrl(ports, body.webhook_url);
    const result = await milestones.create(createMilestone(ou, id, body, nowMs()));
    if (!result.ok) throw refusalOf(result, KIND, ports);
    return result.trigger;
  };
  return [
    route(contract.listMilestones, async ({ ou }) => {
      return { triggers: (await milestones.list(ou)).map(milestoneView) };
    }),

    route(contract.createMilestone, async ({ ou, body, context }) => {
      const id = `${MILESTONE_ID_PREFIX}${freshIdOf(context)}`;
      const milestone = (await milestones.get(ou, id)) ?? (await created(ou, id, body));
      context.header('location', `/triggers/${milestone.id}`);
      return viewWithSecret(milestone);
    }),

    route(contract.getMilestone, async ({ ou, id }) => {
      const milestone = await milestones.get(ou, id);
      if (milestone === undefined) throw notFound('trigger');
      return milestoneView(milestone);
    }),

    ...[contract.putMilestone, contract.patchMilestone].map((change) =>
      route(change, async ({ ou, id, body, context }) => {
        await refuseForbiddenUrl(ports, body.webhook_url);
        const now = nowMs();
        const result = await milestones.update(ou, id, (current) => {
          requireVersion(context, current.version);
          return patchMilestone(current, body, now);
        });
        if (!result.ok) throw refusalOf(result, KIND, ports);
        return milestoneView(result.trigger);
      }),
    ),

    route(contract.deleteMilestone, async ({ ou, id, context }) => {
      const result = await milestones.remove(ou, id, ({ version }) => requireVersion(context, version));
      if (!result.ok) throw refusalOf(result, KIND, ports);
      return null;
    }),

    route(contract.rotateSecret, async ({ ou, id }) => {
      const now = nowMs();
      const result = await milestones.update(ou, id, (current) => rotateSecret(current, now));
      if (!result.ok) throw refusalOf(result, KIND, ports);
      return viewWithSecret(result.trigger);
    }),

    ...simulationRoutes(ports),
  ];
}

/** A milestone trigger as every answer shows it: all fields, null where absent, no secret. */
function milestoneView(milestone: Milestone): contract.MilestoneView {
  return {
    id: milestone.id,
    name: milestone.name,
    score_threshold: milestone.scoreThreshold,
    event_type: milestone.eventType,
    ...deliveriesView(milestone),
    ...fireModeOf(milestone.refire),
    ...versionView(milestone),
  };
}

/** Only for the two answers that hand out a new secret. */
function viewWithSecret(milestone: Milestone) {
  return { ...milestoneView(milestone), webhook_secret: milestone.webhookSecret };
}
