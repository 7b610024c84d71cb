import type { ApiPorts, Readiness } from '../api/ports.ts';
import type { Config } from '../config/schema.ts';
import { checkWebhookUrl, parseCidrs } from '../outbox/addressGuard.ts';
import type { Core } from './core.ts';
import { destinationPort } from './destinations.ts';
import { insightPort } from './insight.ts';
import { milestonePort } from './milestones.ts';
import { redeliveryPort, takeAlong } from './redelivery.ts';
import { simulationPort } from './simulation.ts';

/** What the API asks of the other rooms. */
export function apiPorts(config: Config, core: Core): ApiPorts {
  const { fires, deliveries, metrics, log } = core;
  const allowedCidrs = parseCidrs(config.webhookAllowCidrs);
  return {
    tokens: core.tokens,
    answers: core.answers,
    catalog: followingUrls(core),
    milestones: milestonePort(config, core),
    publish: async (ou, events) => {
      if (core.room === null) return { ok: false, reason: 'the stream is not connected', isTooLarge: false };
      const result = await core.room.publisher.publish(ou, events);
      if (result.stored) return { ok: true };
      return { ok: false, reason: result.reason, isTooLarge: result.isTooLarge };
    },
    fires,
    deliveries,
    destinations: destinationPort(core),
    redelivery: redeliveryPort(config, core),
    simulation: simulationPort(config, core),
    insight: insightPort(core),
    rejected: {
      listRejected: async (ou, page) => {
        if (core.room === null) return { unavailable: 'the stream is not connected' };
        try {
          return await core.room.rejected.list(ou, page);
        } catch (error) {
          log.warn({ err: error }, 'rejected events cannot be listed');
          return { unavailable: 'the stream does not answer' };
        }
      },
    },
    checkWebhookUrl: (url) => {
      const check = checkWebhookUrl(url, allowedCidrs);
      return check.ok ? { ok: true } : { ok: false, reason: check.message };
    },
    readiness: () => readiness(core),
    metrics: () => metrics.render(),
    logger: log,
    nowMs: Date.now,
    sequencesPerOuMax: config.sequencesMax,
    requestsPerSecondMax: config.apiRateMax,
    corsOrigins: config.corsOrigins,
  };
}

/** The catalog; a change of a webhook's URL takes along what waits for the old one to be resumed. */
function followingUrls(core: Core): ApiPorts['catalog'] {
  const { catalog } = core;
  return {
    list: (ou) => catalog.list(ou),
    get: (ou, id) => catalog.get(ou, id),
    create: (sequence, wish) => catalog.create(sequence, wish),
    remove: (ou, id, check) => catalog.remove(ou, id, check),
    backfillOf: (ou, id) => catalog.backfills.of(ou, id),
    update: async (ou, id, change, wish) => {
      const before = catalog.get(ou, id);
      const result = await catalog.update(ou, id, change, wish);
      if (result.ok) takeAlong(core, before, result.sequence);
      return result;
    },
  };
}

function readiness(core: Core): Readiness {
  const { room, engine, catalog, environment } = core;
  const reasons = [...engine.trouble];
  const storeTrouble = environment.trouble();
  if (storeTrouble !== null) reasons.push(storeTrouble);
  if (core.obstacle !== null) reasons.push(core.obstacle);
  else if (room !== null && !room.state.ready) reasons.push(room.state.reason);
  if (catalog.isReplaying) reasons.push('replaying the stream since the last checkpoint');
  return {
    ready: reasons.length === 0,
    reasons,
    details: { position: engine.committedPosition, lag: room?.feed.lag ?? null, stream: core.streamPlace },
  };
}
