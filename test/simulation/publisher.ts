import { formatMicros } from '../../src/model/time.ts';
import type { World } from './world.ts';

const SECOND_MICROS = 1_000_000;
const HOUR_MICROS = 3_600 * SECOND_MICROS;

/** Events at random moments, some of them twice, late, far in the future, or not events at all. */
export function schedulePublishing(world: World): void {
  const { profile, chance, time } = world;
  const silentFromMs = profile.longSilence ? profile.activeMs / 3 : Number.POSITIVE_INFINITY;
  for (let count = 0; count < profile.messages; count++) {
    let atMs = chance.between(0, profile.activeMs);
    // Everything of the middle third comes at its end: leads go silent meanwhile.
    if (atMs > silentFromMs && atMs < 2 * silentFromMs) atMs = 2 * silentFromMs + chance.delayMs(1_000);
    time.after(atMs, () => {
      if (!world.isCalm) publish(world);
    });
  }
}

function publish(world: World): void {
  const { profile, chance, time } = world;
  const ou = `ou-${chance.integer(1, profile.ous)}`;
  const isMalformed = chance.happens(profile.malformedShare);
  const subject = isMalformed && chance.happens(0.1) ? 'events' : `events.${ou}`;
  const data = Buffer.from(isMalformed ? malformed(world) : JSON.stringify(anEvent(world)));
  send(world, subject, data);
  // A publisher that heard no answer sends the same once more; here the server does not notice.
  if (!chance.happens(profile.retriedShare)) return;
  time.after(chance.delayMs(20_000), () => {
    if (!world.isCalm) send(world, subject, data);
  });
}

function send(world: World, subject: string, data: Uint8Array): void {
  world.counts.messages++;
  const sequence = world.stream.publish(subject, data, undefined, world.arrivalMicros);
  world.trace.add(`published ${sequence} on ${subject}: ${Buffer.from(data).toString()}`);
}

function anEvent(world: World): object {
  const { profile, chance } = world;
  const number = world.counts.messages + 1;
  const id = profile.sharedIds > 0 ? `shared-${chance.integer(1, profile.sharedIds)}` : `own-${number}`;
  return {
    ...(chance.happens(0.9) ? { id } : {}),
    lead_id: `lead-${chance.integer(1, profile.leads)}`,
    event_type: `type-${chance.integer(1, profile.types)}`,
    ...(chance.happens(0.8) ? { created_at: formatMicros(world.arrivalMicros - lagMicros(world)) } : {}),
  };
}

function lagMicros({ profile, chance }: World): number {
  if (!chance.happens(profile.lateShare)) return 0;
  if (chance.happens(0.05)) return -HOUR_MICROS;
  return Math.floor(chance.between(-1, 1.5 * profile.latenessSeconds + 5)) * SECOND_MICROS;
}

function malformed({ chance }: World): string {
  return chance.pick([
    'not JSON',
    '[]',
    '{"event_type":"type-1"}',
    '{"lead_id":"lead-1"}',
    '{"lead_id":"lead-1","event_type":7}',
    '{"lead_id":"lead-1","event_type":"type-1","created_at":"yesterday"}',
  ]);
}
