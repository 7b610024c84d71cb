import { MANNERS } from '../support/simulatedReceivers.ts';
import { DESTINATIONS } from './users.ts';
import type { World } from './world.ts';

const FAULT_MS_MAX = 60_000;

/** All that goes wrong, at moments drawn beforehand; each fault that lasts ends by itself. */
export function scheduleFaults(world: World): void {
  const { profile, chance, stream, rejected, receivers } = world;
  const forAWhile = (name: string, set: (isOn: boolean) => void) => () => {
    world.trace.add(`${name} begins`);
    set(true);
    world.time.after(chance.delayMs(FAULT_MS_MAX), () => {
      world.trace.add(`${name} ends`);
      set(false);
    });
  };
  world.scatter(
    profile.diskFaults,
    forAWhile('a full disk', (isOn) => {
      world.faults.diskFull = isOn;
    }),
  );
  const loseStream = forAWhile('the absence of the stream', (isOn) => {
    stream.isGone = isOn;
  });
  world.scatter(profile.streamFaults, loseStream);
  world.scatter(
    profile.rejectedFaults,
    forAWhile('the absence of the rejected stream', (isOn) => {
      rejected.isGone = isOn;
    }),
  );
  world.scatter(profile.receiverChanges, () => {
    const destination = chance.pick([...DESTINATIONS, 'email']);
    const manner = chance.pick(MANNERS.filter((manner) => destination === 'email' || manner !== 'refuses'));
    world.trace.add(`${destination} now ${manner}`);
    receivers.setManner(destination, manner);
  });
  world.scatter(profile.clockSteps, () =>
    world.stepClock(Math.round(chance.between(-profile.clockStepMsMax, profile.clockStepMsMax))),
  );
  world.scatter(profile.crashes, () => {
    crashSoon(world);
    // Trouble comes in company: a server that is not back when the program is.
    if (chance.happens(0.4)) loseStream();
  });
  world.scatter(profile.stops, () => stop(world));
}

/** A program that has just come back may go down again before it has found its place. */
export function endAgain(world: World): void {
  const { profile, chance, time } = world;
  if (profile.crashes === 0 || !chance.happens(0.4)) return;
  if (chance.happens(0.5)) crashSoon(world);
  else time.after(chance.delayMs(20_000), () => !world.isCalm && stop(world));
}

/** Kills at some later step, so that crashes also come between events that lie close together. */
function crashSoon(world: World): void {
  const { chance, time } = world;
  time.after(chance.delayMs(20_000), () => {
    const { life } = world;
    if (life === null || world.isCalm) return;
    world.counts.crashes++;
    const isPowerCut = chance.happens(0.6);
    world.trace.add(isPowerCut ? 'a power cut' : 'a kill');
    world.endLife(life, (count) => (isPowerCut ? chance.integer(0, count) : count));
  });
}

function stop(world: World): void {
  const { life } = world;
  if (life === null || !life.isUp || life.isStopping) return;
  world.counts.stops++;
  world.trace.add('a stop');
  life.stop().then(
    () => world.endLife(life, (count) => count),
    (error: unknown) => {
      world.trace.add(`the stop failed: ${String(error)}`);
      world.endLife(life, (count) => count);
    },
  );
}
