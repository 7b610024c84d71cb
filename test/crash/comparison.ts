import { isDeepStrictEqual } from 'node:util';
import { Webhook } from 'standardwebhooks';
import type { MadeChange } from './changes.ts';
import { type Expected, type ExpectedFire, keyOf } from './expected.ts';
import type { DeliveryView, FireView, History, Observed } from './observed.ts';
import type { ReceivedRequest } from './received.ts';
import { microsOf, timeText } from './times.ts';

/** Something that is not as it has to be. */
export interface Difference {
  readonly what: string;
  /** The fire that it is about, where there is one. */
  readonly fire?: ExpectedFire;
  readonly detail?: unknown;
}

/** Every difference between what must be and what is; none is what a campaign is for. */
export function differences(
  expected: Expected,
  observed: Observed,
  changes: readonly MadeChange[],
): Difference[] {
  const { histories, received } = observed;
  return [
    ...observed.troubles.map((what) => ({ what })),
    ...historyDifferences(expected, histories),
    ...histories.flatMap(deliveryDifferences),
    ...receivedDifferences(expected, histories, received, secretsOf(changes), changes),
    ...rejectionDifferences(expected, histories),
    ...positionDifferences(observed, changes),
  ];
}

/** The fires by key, one to one and alike in every field. */
function historyDifferences({ fires }: Expected, histories: readonly History[]): Difference[] {
  const found: Difference[] = [];
  const seen = new Set<string>();
  for (const { ou, fires: views } of histories) {
    for (const view of views) {
      const key = keyOfView(ou, view);
      const fire = fires.get(key);
      if (fire === undefined) found.push({ what: 'a fire that must not be', detail: view });
      else if (seen.has(key)) found.push({ what: 'a fire that is there twice', fire, detail: view });
      else if (!isDeepStrictEqual(comparableView(view), comparable(fire))) {
        found.push({ what: 'a fire that is not as it must be', fire, detail: view });
      }
      seen.add(key);
    }
  }
  for (const [key, fire] of fires) if (!seen.has(key)) found.push({ what: 'a fire that is missing', fire });
  return found;
}

/** Every delivery belongs to a fire that knows of it, and the other way round. */
function deliveryDifferences({ ou, fires, deliveries }: History): Difference[] {
  const claimed = fires.flatMap(({ id, deliveries }) => deliveries.map((one) => `${id} ${one.id}`));
  const listed = deliveries.map(({ fire_id, id }) => `${fire_id} ${id}`);
  return [
    ...without(listed, claimed).map((one) => ({ what: `${ou}: a delivery that no fire knows: ${one}` })),
    ...without(claimed, listed).map((one) => ({ what: `${ou}: a delivery that is not listed: ${one}` })),
    ...repeated(listed).map((one) => ({ what: `${ou}: a delivery that is listed twice: ${one}` })),
  ];
}

/** Who is owed a webhook got it, under one id and with one body, and nobody else got any. */
function receivedDifferences(
  { fires }: Expected,
  histories: readonly History[],
  received: readonly ReceivedRequest[],
  secrets: ReadonlyMap<string, readonly string[] | null>,
  changes: readonly MadeChange[],
): Difference[] {
  const requestsById = grouped(received, ({ id }) => id);
  const found: Difference[] = [];
  for (const { ou, fires: views, deliveries } of histories) {
    const deliveriesByFire = grouped(deliveries, ({ fire_id }) => fire_id);
    for (const view of views) {
      const fire = fires.get(keyOfView(ou, view));
      const requests = requestsById.get(view.id) ?? [];
      requestsById.delete(view.id);
      if (fire === undefined) continue;
      const known = secrets.get(fire.sequence.id) ?? null;
      const laterUrls = laterUrlsOf(fire, changes);
      for (const what of faultsOf(fire, deliveriesByFire.get(view.id) ?? [], requests, known, laterUrls)) {
        found.push({ what, fire, detail: { view, requests } });
      }
    }
  }
  for (const [id, requests] of requestsById) {
    found.push({ what: `received under the id ${id}, which no fire has`, detail: requests });
  }
  return found;
}

function faultsOf(
  fire: ExpectedFire,
  deliveries: readonly DeliveryView[],
  requests: readonly ReceivedRequest[],
  secrets: readonly string[] | null,
  laterUrls: readonly string[],
): string[] {
  const { webhook_url: url } = fire.sequence.body;
  // A repetition goes where the sequence points by then.
  const isMoved = ({ destination, attempts }: DeliveryView) =>
    attempts > 1 && laterUrls.includes(destination);
  const states = deliveries.map((one) => `${one.state} ${isMoved(one) ? url : one.destination}`);
  const wanted = url === null ? [] : [`${fire.stale ? 'skipped_stale' : 'delivered'} ${url}`];
  const faults: string[] = [];
  if (!isDeepStrictEqual(states, wanted)) faults.push(`deliveries ${states} instead of ${wanted}`);
  if (url === null || fire.stale) {
    if (requests.length > 0) faults.push('a webhook that nobody asked for');
    return faults;
  }
  if (!requests.some(({ status }) => status < 300)) faults.push('a webhook that was never received');
  if (requests.some(({ body }) => body !== bodyOf(fire))) faults.push('a webhook with another body');
  const paths = (deliveries.some(isMoved) ? [url, ...laterUrls] : [url]).map((one) => new URL(one).pathname);
  if (requests.some(({ path }) => !paths.includes(path))) faults.push('a webhook to another path');
  if (requests.some((request) => !isSigned(request, secrets)))
    faults.push('a webhook with a wrong signature');
  return faults;
}

/** Where the sequence pointed after the fire. */
function laterUrlsOf({ sequence }: ExpectedFire, changes: readonly MadeChange[]): string[] {
  return changes.flatMap(({ id, after }) => {
    const isLater = id === sequence.id && after !== null && after.version > sequence.version;
    return isLater && after.body.webhook_url !== null ? [after.body.webhook_url] : [];
  });
}

function bodyOf({ sequence, leadId, events }: ExpectedFire): string {
  return JSON.stringify({
    trigger: { id: sequence.id, name: sequence.body.name, type: 'sequence' },
    lead_id: leadId,
    sequence: sequence.body.event_types,
    events: events.map(({ id, type, timeMicros }) => ({
      id,
      event_type: type,
      created_at: timeText(timeMicros),
    })),
  });
}

/** By one of the sequence's secrets; true also where they are not known, by a kill that cut off an answer. */
function isSigned(
  { id, timestamp, signature, body }: ReceivedRequest,
  secrets: readonly string[] | null,
): boolean {
  const sent = signature.split(' ');
  const at = new Date(Number(timestamp) * 1_000);
  return secrets?.some((secret) => sent.includes(new Webhook(secret).sign(id, at, body))) ?? true;
}

/** What was rejected is listed, at least once, with its reason; nothing else is. */
function rejectionDifferences({ rejections }: Expected, histories: readonly History[]): Difference[] {
  return histories.flatMap(({ ou, rejected }) => {
    const wanted = [...(rejections.get(ou) ?? [])].map(([sequence, reason]) => `${sequence} ${reason}`);
    const listed = rejected.map(({ stream_sequence, reason }) => `${stream_sequence} ${reason}`);
    return [
      ...without(wanted, listed).map((one) => ({
        what: `${ou}: a rejected message that is not listed: ${one}`,
      })),
      ...without(listed, wanted).map((one) => ({ what: `${ou}: listed as rejected, but is not: ${one}` })),
    ];
  });
}

/** Positions only go forward: within a life, from start to start, and from one change of an OU to the next. */
function positionDifferences(
  { positions, loadedPositions }: Observed,
  changes: readonly MadeChange[],
): Difference[] {
  const isBackward = (value: number, index: number, all: readonly number[]) => value < (all[index - 1] ?? 0);
  const backward = (what: string, values: readonly number[]) =>
    values.some(isBackward) ? [{ what: `${what} went back: ${values}` }] : [];
  return [
    ...positions.flatMap((values) => backward('the position in the metrics', values)),
    ...backward('the position of the loaded lead states', loadedPositions),
    ...changes.flatMap(({ ou, position, id }, index) =>
      ou === changes[index - 1]?.ou && position < changes[index - 1]!.position
        ? [{ what: `a change of ${id} took effect at ${position}, before one that was made earlier` }]
        : [],
    ),
  ];
}

function comparable(fire: ExpectedFire) {
  return {
    name: fire.sequence.body.name,
    eventTypes: fire.sequence.body.event_types,
    events: fire.events.map(({ id, type, timeMicros }) => [id, type, timeMicros]),
    late: fire.late,
    stale: fire.stale,
    firedAt: fire.arrivalMicros,
  };
}

function comparableView(view: FireView) {
  return {
    name: view.sequence_name,
    eventTypes: view.event_types,
    events: view.events.map(({ id, event_type, created_at }) => [id, event_type, microsOf(created_at)]),
    late: view.late,
    stale: view.delivery === 'skipped_stale',
    firedAt: microsOf(view.fired_at),
  };
}

function keyOfView(ou: string, { sequence_id, lead_id, events }: FireView): string {
  return keyOf(ou, sequence_id, lead_id, events.at(-1)?.id ?? '');
}

function secretsOf(changes: readonly MadeChange[]): ReadonlyMap<string, readonly string[] | null> {
  // The last version knows of all earlier secrets; a deletion keeps them.
  return new Map(changes.flatMap(({ id, after }) => (after === null ? [] : [[id, after.secrets] as const])));
}

function without(list: readonly string[], others: readonly string[]): string[] {
  const known = new Set(others);
  return list.filter((item) => !known.has(item));
}

function repeated(list: readonly string[]): string[] {
  const seen = new Set<string>();
  return list.filter((item) => seen.has(item) || !seen.add(item));
}

function grouped<T>(list: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of list) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}
