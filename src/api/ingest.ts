import { type Route, route } from './endpoint.ts';
import { ingest } from './ingestContract.ts';
import type { ApiPorts } from './ports.ts';
import { Problem, unavailable } from './problem.ts';

/** `POST /ingest`: one event or a batch, answered once the stream has stored all of it. */
export function ingestRoutes({ publish }: Pick<ApiPorts, 'publish'>): readonly Route[] {
  return [
    route(ingest, async ({ ou, body: events }) => {
      const result = await publish(ou, events);
      if (!result.ok && result.isTooLarge) {
        throw new Problem(
          413,
          `The events are not all stored: ${result.reason}. To send them again is of no use before that one is smaller, or the limit is raised.`,
        );
      }
      if (!result.ok) {
        throw unavailable(`The events are not all stored: ${result.reason}. Send them again.`);
      }
      return { accepted: events.length, ids: events.map(({ id }) => id) };
    }),
  ];
}
