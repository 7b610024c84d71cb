import { formatMicros } from '../model/time.ts';
import { type Route, route } from './endpoint.ts';
import type { ApiPorts, RejectedEvent } from './ports.ts';
import { unavailable } from './problem.ts';
import { listRejected, type RejectedEventView } from './rejectedEventContract.ts';

/** `/rejected-events`: the messages of the OU that could not be used, newest first, each with its reason. */
export function rejectedEventRoutes({ rejected }: Pick<ApiPorts, 'rejected'>): readonly Route[] {
  return [
    route(listRejected, async ({ ou, query: { page, limit } }) => {
      const found = await rejected.listRejected(ou, { page, limit });
      if ('unavailable' in found)
        throw unavailable(`Rejected events cannot be read now: ${found.unavailable}.`);
      return { events: found.events.map(rejectedView), total: found.total, page, limit };
    }),
  ];
}

function rejectedView(event: RejectedEvent): RejectedEventView {
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
