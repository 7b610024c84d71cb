import type { Delivery } from '../../src/model/delivery.ts';
import type { LeadEvent } from '../../src/model/event.ts';
import type { Fire } from '../../src/model/fire.ts';
import { definitionOf, type Sequence } from '../../src/model/sequence.ts';
import { labelsOf } from '../../src/model/step.ts';
import type { Trigger, TriggerChange } from '../../src/model/trigger.ts';
import { Oracle, type OracleCompletion } from '../support/oracle.ts';
import { REFUSED_DETAIL, receiptKey } from '../support/simulatedReceivers.ts';
import { sequenceKey } from '../support/simulatedTables.ts';
import { matcherLimits } from './life.ts';
import type { World } from './world.ts';

/** What the rules make of the stream and of the changes that are on disk. */
interface Expected {
  readonly fires: Map<string, { readonly fire: Omit<Fire, 'id'>; readonly destinations: readonly string[] }>;
  readonly rejected: Map<number, string>;
  readonly sequences: Map<string, Sequence>;
}

/** Compares all that is left when everything has come to rest with what the rules say; fails the world. */
export function judge(world: World): void {
  const expected = expectedOf(world);
  judgeSequences(world, expected);
  judgeRejected(world, expected);
  judgeFires(world, expected);
  for (const delivery of world.disk.deliveries.values()) judgeDelivery(world, delivery);
  const { counts, receivers } = world;
  counts.changesLost = changesLost(world);
  for (const { count } of receivers.receipts.values()) {
    counts.received++;
    counts.duplicates += count - 1;
  }
}

/** Plays the stream to the slow oracle, with each change at its position. */
function expectedOf(world: World): Expected {
  const { stream, disk } = world;
  const oracle = new Oracle(matcherLimits(world));
  const expected: Expected = { fires: new Map(), rejected: new Map(), sequences: new Map() };
  // The users of a simulation change sequences alone.
  const changes = [...disk.changesEver] as TriggerChange<Sequence>[];
  const changeThrough = (position: number): void => {
    while (changes[0] !== undefined && changes[0].position <= position) {
      make(world, oracle, expected.sequences, changes.shift()!);
    }
  };
  for (let position = 1; position <= stream.lastSequence; position++) {
    changeThrough(position - 1);
    const { decoded } = stream.read(position);
    if ('rejection' in decoded) {
      expected.rejected.set(position, decoded.rejection.reason);
      continue;
    }
    const outcome = oracle.apply(decoded.event);
    if (outcome.kind === 'rejected') expected.rejected.set(position, outcome.reason);
    if (outcome.kind !== 'held') continue;
    for (const completion of outcome.completions) addFire(expected, decoded.event, completion);
  }
  changeThrough(Number.POSITIVE_INFINITY);
  return expected;
}

function make(
  world: World,
  oracle: Oracle,
  sequences: Expected['sequences'],
  change: TriggerChange<Sequence>,
): void {
  const { before, after, position } = change;
  const key = sequenceKey((after ?? before)!);
  const standing = sequences.get(key) ?? null;
  if (JSON.stringify(standing) !== JSON.stringify(before))
    world.fail(`a change of ${key} was made on another form`);
  if (after === null) {
    sequences.delete(key);
    oracle.removeSequence(before!.ou, before!.id);
    return;
  }
  const effectiveFrom = before === null || looksBackAnew(before, after) ? position : before.effectiveFrom;
  if (after.effectiveFrom !== effectiveFrom) world.fail(`${key} counts from ${after.effectiveFrom}`);
  sequences.set(key, after);
  oracle.setSequence(definitionOf(after));
}

function looksBackAnew(before: Sequence, after: Sequence): boolean {
  const shape = ({ eventTypes, windowSeconds, ordered }: Sequence) =>
    JSON.stringify([eventTypes, windowSeconds, ordered]);
  return shape(before) !== shape(after) || (after.active && !before.active);
}

function addFire({ fires, sequences }: Expected, event: LeadEvent, completion: OracleCompletion): void {
  if (completion.suppressed !== null) return;
  const sequence = sequences.get(`${event.ou}/${completion.sequenceId}`)!;
  const { ou, leadId, arrivalMicros, streamSequence } = event;
  const key = fireKey(ou, sequence.id, leadId, completion.completingEventId);
  // An id that is used again after its first use was forgotten makes no second fire.
  if (fires.has(key)) return;
  const fire = {
    ou,
    sequenceId: sequence.id,
    sequenceName: sequence.name,
    sequenceVersion: sequence.version,
    leadId,
    eventTypes: labelsOf(sequence.eventTypes),
    events: completion.events,
    completedAtMicros: completion.completedAtMicros,
    firedAtMicros: arrivalMicros,
    streamSequence,
    late: completion.late,
    stale: completion.stale,
    isSample: false,
  };
  const webhooks = sequence.webhookUrl === null ? [] : [`webhook ${sequence.webhookUrl}`];
  const emails = sequence.emails.map((address) => `email ${address}`);
  fires.set(key, { fire, destinations: [...webhooks, ...emails] });
}

function fireKey(...parts: readonly string[]): string {
  return JSON.stringify(parts);
}

function judgeSequences(world: World, { sequences }: Expected): void {
  const sorted = (all: Iterable<Trigger>) =>
    JSON.stringify([...all].sort((a, b) => (sequenceKey(a) < sequenceKey(b) ? -1 : 1)));
  const expected = sorted(sequences.values());
  const listed = [1, 2].flatMap((number) => world.life!.catalog.list(`ou-${number}`));
  if (sorted(world.disk.sequences.values()) !== expected) world.fail('the sequences on disk are other ones');
  if (sorted(listed) !== expected) world.fail('the catalog shows other sequences');
}

function judgeRejected(world: World, { rejected }: Expected): void {
  const { stored } = world.rejected;
  world.counts.rejected = rejected.size;
  for (const [position, reason] of rejected) {
    if (stored.get(position) !== reason) {
      world.fail(`message ${position} was to be rejected as ${reason}, but was as ${stored.get(position)}`);
    }
  }
  // What a crash took back may be told otherwise by the replay, under changes that were made since; the server
  // keeps both.
  if (world.counts.crashes > 0 || changesLost(world) > 0) return;
  for (const position of stored.keys()) {
    if (!rejected.has(position)) world.fail(`message ${position} was rejected for nothing`);
  }
}

function changesLost({ disk, requests, requestsRefused }: World): number {
  return requests - requestsRefused - disk.changesEver.length;
}

function judgeFires(world: World, { fires }: Expected): void {
  const { disk, counts } = world;
  counts.fires = disk.fires.size;
  const seen = new Set<string>();
  for (const { fire, deliveryIds } of disk.fires.values()) {
    const { id, ...row } = fire;
    // The last event of a match is the completing one, in step order and in time order alike.
    const key = fireKey(fire.ou, fire.sequenceId, fire.leadId, fire.events.at(-1)!.id);
    const wanted = fires.get(key);
    if (wanted === undefined) world.fail(`${id} ${key} is against the rules`);
    else if (JSON.stringify(sortedEntries(row)) !== JSON.stringify(sortedEntries(wanted.fire))) {
      world.fail(`${id} is ${JSON.stringify(row)}, but should be ${JSON.stringify(wanted.fire)}`);
    }
    if (seen.has(key)) world.fail(`${id} ${key} fired a second time`);
    seen.add(key);
    const planned = deliveryIds.map((deliveryId) => disk.deliveries.get(deliveryId));
    if (wanted !== undefined) judgeDestinations(world, id, planned, wanted.destinations);
  }
  for (const key of fires.keys()) if (!seen.has(key)) world.fail(`${key} never fired`);
}

/** A first attempt goes where the sequence pointed at the fire, a later one where it points by then. */
function judgeDestinations(
  world: World,
  fireId: string,
  planned: readonly (Delivery | undefined)[],
  wanted: readonly string[],
): void {
  const isRight = (delivery: Delivery | undefined, index: number): boolean => {
    if (`${delivery?.channel} ${delivery?.destination}` === wanted[index]) return true;
    if (delivery?.channel !== 'webhook' || delivery.attemptsMade < 2) return false;
    const { ou, sequenceId, destination } = delivery;
    return world.disk.changesEver.some(
      ({ after }) => after?.ou === ou && after.id === sequenceId && after.webhookUrl === destination,
    );
  };
  if (planned.length === wanted.length && planned.every(isRight)) return;
  const destinations = planned.map((delivery) => `${delivery?.channel} ${delivery?.destination}`);
  world.fail(`${fireId} goes to ${destinations.join()}, but should to ${wanted.join()}`);
}

function sortedEntries(row: object): [string, unknown][] {
  return Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1));
}

function judgeDelivery(world: World, delivery: Delivery): void {
  const { disk, receivers, profile, counts } = world;
  const { id, state, attemptsMade, attemptsBefore, reason } = delivery;
  const fail = (what: string) => world.fail(`${id} is ${state} after ${attemptsMade} attempts: ${what}`);
  counts.deliveries++;
  const numbers = (disk.attempts.get(id) ?? []).map(({ number }) => number);
  if (numbers.some((number, index) => number !== index + 1)) fail(`its attempts are ${numbers.join()}`);
  if (numbers.length !== attemptsMade) fail(`it has ${numbers.length} attempts on record`);
  const receipt = receivers.receipts.get(receiptKey(delivery));
  const isStale = disk.fires.get(delivery.fireId)?.fire.stale;
  if (isStale !== (state === 'skipped_stale')) fail('only what is stale is skipped');
  switch (state) {
    case 'delivered':
      if (receipt === undefined || receipt.taken === 0) fail('it was never received');
      return;
    case 'dead': {
      counts.dead++;
      const isExhausted = attemptsMade - attemptsBefore === profile.retryDelaysMs.length;
      if (!isExhausted && reason !== REFUSED_DETAIL) fail(`it was given up early: ${reason}`);
      return;
    }
    case 'skipped_stale':
      if (receipt !== undefined) fail('it was sent');
      return;
    default:
      fail('it has no end');
  }
}
