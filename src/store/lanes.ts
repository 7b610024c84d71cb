import { createHash } from 'node:crypto';
import type { Channel } from '../model/delivery.ts';
import type { Destination, DestinationId } from '../model/destination.ts';
import type { OuId } from '../model/event.ts';

const EMAIL_ID: DestinationId = 'dst-email';
/** Digests that are remembered, since each delivery asks several times. */
const REMEMBERED_MAX = 50_000;

const remembered = new Map<string, DestinationId>();

/**
 * The id of a destination within its OU. It is a digest because a URL may be longer than an LMDB key; all emails
 * of an OU are one destination, since one SMTP server takes them.
 */
export function destinationId(channel: Channel, url: string): DestinationId {
  if (channel === 'email') return EMAIL_ID;
  const known = remembered.get(url);
  if (known !== undefined) return known;
  const id = `dst-${createHash('sha256').update(url).digest('base64url').slice(0, 22)}`;
  if (remembered.size >= REMEMBERED_MAX) remembered.clear();
  remembered.set(url, id);
  return id;
}

/** A destination with nothing set. */
export function destinationOf(delivery: {
  readonly ou: OuId;
  readonly channel: Channel;
  readonly destination: string;
}): Destination {
  const { ou, channel, destination } = delivery;
  const url = channel === 'email' ? '' : destination;
  return { id: destinationId(channel, url), ou, channel, url, pause: null, ratePerSecond: null };
}

/** The queue of a destination: OUs that send to the same URL have one each. */
export function laneAt(ou: OuId, id: DestinationId): string {
  return `${ou}/${id}`;
}

export function laneOf(delivery: {
  readonly ou: OuId;
  readonly channel: Channel;
  readonly destination: string;
}): string {
  return laneAt(delivery.ou, destinationId(delivery.channel, delivery.destination));
}

/** Whose the lane is, and what goes through it. */
export function partsOf(lane: string): { ou: OuId; channel: Channel } {
  const cut = lane.lastIndexOf('/');
  return { ou: lane.slice(0, cut), channel: lane.slice(cut + 1) === EMAIL_ID ? 'email' : 'webhook' };
}
