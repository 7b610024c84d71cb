import type { DestinationStatus } from '../model/destination.ts';
import { iso, isoOrNull } from './deliveryView.ts';
import * as contract from './destinationContract.ts';
import { type Route, route } from './endpoint.ts';
import type { ApiPorts, DestinationDetail } from './ports.ts';
import { notFound } from './problem.ts';

const DEFAULT_REASON = 'paused by request';

/** `/destinations`: where the deliveries of the OU go, how each is doing, and control over it. */
export function destinationRoutes({ destinations }: Pick<ApiPorts, 'destinations'>): readonly Route[] {
  const { patchDestination, putDestination } = contract;
  return [
    route(contract.listDestinations, async ({ ou, query }) => {
      const { page, limit, paused } = query;
      const found = await destinations.listDestinations(ou, { page, limit, paused });
      return { destinations: found.destinations.map(destinationView), total: found.total, page, limit };
    }),

    route(contract.getDestination, async ({ ou, id }) =>
      destinationDetail(present(await destinations.destination(ou, id))),
    ),

    route(contract.pauseDestination, async ({ ou, id, body }) =>
      destinationDetail(present(await destinations.pause(ou, id, body.reason ?? DEFAULT_REASON))),
    ),

    route(contract.resumeDestination, async ({ ou, id }) =>
      destinationDetail(present(await destinations.resume(ou, id))),
    ),

    ...[patchDestination, putDestination].map((setRate) =>
      route(setRate, async ({ ou, id, body }) =>
        destinationDetail(present(await destinations.setRate(ou, id, body.rate_per_second))),
      ),
    ),
  ];
}

function present<Found>(found: Found | undefined): Found {
  if (found === undefined) throw notFound('destination');
  return found;
}

function destinationDetail(found: DestinationDetail): contract.DestinationDetail {
  return { ...destinationView(found), waiting: found.waiting, held: found.held };
}

function destinationView({
  id,
  channel,
  url,
  pause,
  ratePerSecond,
  breaker,
}: DestinationStatus): contract.DestinationView {
  return {
    id,
    channel,
    url: channel === 'email' ? null : url,
    paused: pause === null ? null : { since: iso(pause.sinceMs), reason: pause.reason },
    rate_per_second: ratePerSecond,
    breaker: {
      state: breaker.state,
      failures_in_a_row: breaker.failuresInARow,
      until: isoOrNull(breaker.untilMs),
    },
  };
}
