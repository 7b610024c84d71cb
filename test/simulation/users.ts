import type { Sequence } from '../../src/model/sequence.ts';
import { aSequence } from '../support/outbox.ts';
import type { Life } from './life.ts';
import { changeName, type World } from './world.ts';

/** Two differ in the query alone, and are two destinations all the same. */
export const DESTINATIONS = [
  'https://one.example/hook',
  'https://one.example/hook?from=us',
  'https://two.example/hook',
  'https://three.example/',
] as const;
const MAILBOXES = ['a@example.com', 'b@example.com'] as const;

/** People who create, edit and delete sequences; the first create some at once. */
export function scheduleUsers(world: World): void {
  const { profile, chance, time } = world;
  for (let count = 0; count < 3; count++) time.after(chance.delayMs(3_000), () => create(world));
  world.scatter(profile.changes, () => changeSomething(world));
}

/** Somebody who could not change anything for a while tries again. */
export function returnSoon(world: World): void {
  const { chance, time } = world;
  if (!chance.happens(0.4)) return;
  time.after(chance.delayMs(500), () => {
    if (!world.isCalm) changeSomething(world);
  });
}

function changeSomething(world: World): void {
  const act = world.chance.pick([create, edit, edit, edit, remove, pauseOrResume]);
  act(world);
}

/** Pauses a destination, or resumes it when it is paused. */
function pauseOrResume({ life, chance, profile, time }: World): void {
  if (life?.isUp !== true || life.isStopping) return;
  const destination = {
    ou: `ou-${chance.integer(1, profile.ous)}`,
    channel: chance.happens(0.8) ? ('webhook' as const) : ('email' as const),
    destination: chance.pick(DESTINATIONS),
  };
  const pause = { sinceMs: time.nowMs, reason: 'asked to' };
  const change = life.outbox.changeDestination(destination, (current) => ({
    ...current,
    pause: current.pause === null ? pause : null,
  }));
  // It is cut off by a crash, like any request.
  void change.catch(() => {});
}

function create(world: World): void {
  const { life, chance, profile } = world;
  if (life === null) return;
  const name = newName(world);
  const ou = `ou-${chance.integer(1, profile.ous)}`;
  const sequence = { ...aSequence({ ou, id: `seq-${name}`, name }), ...drawn(world) };
  request(world, life, { before: null, after: sequence }, () => life.catalog.create(sequence));
}

function edit(world: World): void {
  const { life, chance } = world;
  const before = anyOf(world);
  if (life === null || before === undefined) return;
  const wanted = drawn(world);
  const fields = Object.entries(wanted).filter(() => chance.happens(0.3));
  const name = newName(world);
  const after = { ...before, ...Object.fromEntries(fields), name, version: before.version + 1 };
  request(world, life, { before, after }, () => life.catalog.update(before.ou, before.id, () => after));
}

function remove(world: World): void {
  const { life } = world;
  const before = anyOf(world);
  if (life === null || before === undefined) return;
  request(world, life, { before, after: null }, () => life.catalog.remove(before.ou, before.id));
}

function request(
  world: World,
  life: Life,
  change: { readonly before: Sequence | null; readonly after: Sequence | null },
  make: () => Promise<{ readonly ok: boolean }>,
): void {
  const name = changeName({ position: 0, ...change });
  world.requests++;
  world.trace.add(`asked at ${life.engine.position}: ${name} ${JSON.stringify(summaryOf(change.after))}`);
  make().then(
    ({ ok }) => {
      world.trace.add(`${ok ? 'acknowledged' : 'refused'}: ${name}`);
      if (!ok) {
        world.requestsRefused++;
        return;
      }
      world.counts.changesAcknowledged++;
      world.acknowledged.add(name);
    },
    (error: unknown) => world.trace.add(`not acknowledged: ${name}: ${String(error)}`),
  );
}

function summaryOf(sequence: Sequence | null): object | null {
  if (sequence === null) return null;
  const { ou, eventTypes, windowSeconds, ordered, active, refire } = sequence;
  return { ou, eventTypes, windowSeconds, ordered, active, refire };
}

function anyOf({ life, chance, profile }: World): Sequence | undefined {
  const ou = `ou-${chance.integer(1, profile.ous)}`;
  return life === null ? undefined : chance.pick(life.catalog.list(ou));
}

/** Every request gives the sequence another name, by which it is known again on disk. */
function newName(world: World): string {
  return String(world.namesGiven++);
}

function drawn({ chance, profile }: World): Partial<Sequence> {
  const steps = chance.integer(1, 3);
  return {
    eventTypes: Array.from({ length: steps }, () => `type-${chance.integer(1, profile.types)}`),
    windowSeconds: chance.integer(1, profile.windowSecondsMax),
    ordered: chance.happens(0.6),
    webhookUrl: chance.happens(0.8) ? chance.pick(DESTINATIONS) : null,
    emails: MAILBOXES.filter(() => chance.happens(0.3)),
    active: chance.happens(0.85),
    refire: chance.pick([
      { mode: 'every' },
      { mode: 'every' },
      { mode: 'once_per_lead' },
      { mode: 'cooldown', cooldownSeconds: chance.integer(1, 30) },
    ] as const),
    maxFireDelaySeconds: chance.happens(0.2) ? chance.integer(1, 20) : null,
  };
}
