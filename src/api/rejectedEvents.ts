import { Hono } from 'hono';
import { formatMicros } from '../model/time.ts';
import type { ApiPorts, RejectedEvent } from './ports.ts';
import { unavailable } from './problem.ts';
import { pageQuery } from './querySchema.ts';
import { type ApiEnv, readQuery } from './request.ts';

/** `/rejected-events`: the messages of the OU that could not be used, newest first, each with its reason. */
export function rejectedEventRoutes({ rejected }: Pick<ApiPorts, 'rejected'>): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.get('/', async (context) => {
    const { page, limit } = readQuery(context, pageQuery);
    const found = await rejected.listRejected(context.var.ou, { page, limit });
    if ('unavailable' in found)
      throw unavailable(`Rejected events cannot be read now: ${found.unavailable}.`);
    return context.json({ events: found.events.map(rejectedView), total: found.total, page, limit });
  });
  return routes;
}

function rejectedView(event: RejectedEvent) {
  return {
    reason: event.reason,
    detail: event.detail,
    stream_sequence: event.streamSequence,
    rejected_at: formatMicros(event.rejectedAtMicros),
    subject: event.subject,
    payload: event.payloadText,
    payload_bytes: event.payloadBytes,
  };
}
