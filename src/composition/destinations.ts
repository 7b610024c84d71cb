import type { DestinationDetail, DestinationPort } from '../api/ports.ts';
import type { Destination, DestinationId, DestinationStatus } from '../model/destination.ts';
import type { OuId } from '../model/event.ts';
import { destinationOf, laneAt } from '../store/lanes.ts';
import type { Core } from './core.ts';

/** A destination is counted up to this: counting is reading. */
const COUNT_MAX = 10_000;

/** The destinations of an OU as the API shows and changes them. */
export function destinationPort(core: Core): DestinationPort {
  const { outbox, deliveries } = core;

  const statusOf = ({ ou, channel, url }: Destination): DestinationStatus =>
    outbox.destination({ ou, channel, destination: url });

  const detailOf = (found: Destination): DestinationDetail => ({
    ...statusOf(found),
    ...deliveries.countIn(laneAt(found.ou, found.id), COUNT_MAX),
  });

  const find = (ou: OuId, id: DestinationId): Destination | undefined =>
    destinationsOf(core, ou).get(id) ?? withDeliveries(core, ou, id);

  const change = async (ou: OuId, id: DestinationId, changed: (current: Destination) => Destination) => {
    const found = find(ou, id);
    if (found === undefined) return undefined;
    await outbox.changeDestination({ ou, channel: found.channel, destination: found.url }, changed);
    return detailOf(found);
  };

  return {
    listDestinations: (ou, { page, limit, paused }) => {
      const all = [...destinationsOf(core, ou).values()]
        .map(statusOf)
        .filter(({ pause }) => paused === undefined || paused === (pause !== null))
        .sort((one, other) => (one.url < other.url ? -1 : 1));
      return { destinations: all.slice((page - 1) * limit, page * limit), total: all.length };
    },
    destination: (ou, id) => {
      const found = find(ou, id);
      return found && detailOf(found);
    },
    pause: (ou, id, reason) =>
      change(ou, id, (current) =>
        current.pause === null ? { ...current, pause: { sinceMs: Date.now(), reason } } : current,
      ),
    resume: (ou, id) => change(ou, id, (current) => ({ ...current, pause: null })),
    setRate: (ou, id, ratePerSecond) => change(ou, id, (current) => ({ ...current, ratePerSecond })),
  };
}

/** Those that triggers of the OU name, and those of which something was set. */
function destinationsOf({ catalog, outbox }: Core, ou: OuId): Map<DestinationId, Destination> {
  const found = new Map<DestinationId, Destination>();
  const add = (destination: Destination) => found.set(destination.id, destination);
  for (const { webhookUrl, emails } of catalog.triggers(ou)) {
    if (webhookUrl !== null) add(destinationOf({ ou, channel: 'webhook', destination: webhookUrl }));
    if (emails.length > 0) add(destinationOf({ ou, channel: 'email', destination: '' }));
  }
  for (const destination of outbox.destinationsSet()) {
    if (destination.ou === ou) add(destination);
  }
  return found;
}

/** One that no trigger names any more, and that deliveries still wait for. */
function withDeliveries({ deliveries }: Core, ou: OuId, id: DestinationId): Destination | undefined {
  const delivery = deliveries.anyIn(laneAt(ou, id));
  return delivery && destinationOf(delivery);
}
