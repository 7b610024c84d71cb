import type { Bounds, ClassLookup } from './classLookup.ts';
import type { LeadLog } from './leadLog.ts';

/**
 * The events of an unordered match that ends at position `end`, where an event may be of the classes of several
 * steps. Going back from the completing event, each is taken that can fill a step in addition to those taken
 * already, which may change steps for it. Sets of events that can fill different steps are the independent sets of a
 * transversal matroid, so this finds as many events as can be, and the latest ones: no match starts later.
 *
 * @returns positions in the order of time; null: there is no match.
 */
export function overlappingEvents(
  log: LeadLog,
  classes: ClassLookup,
  steps: readonly number[],
  end: number,
  bounds: Bounds,
): number[] | null {
  /** By step: the event that fills it. */
  const takenBy: (number | undefined)[] = steps.map(() => undefined);
  const taken: number[] = [];
  const openClasses = new Set(steps);
  let position = end + 1;
  while (taken.length < steps.length) {
    position = latestOfAny(log, classes, openClasses, position);
    if (position < 0 || !bounds.counts(position)) return null;
    const asked = new Set<number>();
    if (findStep(log, classes, steps, takenBy, position, asked)) {
      taken.push(position);
    } else {
      // Whatever fills these steps can only change among them: no event that fits nowhere else will find room.
      for (const step of asked) openClasses.delete(steps[step]!);
    }
  }
  return taken.reverse();
}

function latestOfAny(
  log: LeadLog,
  classes: ClassLookup,
  among: ReadonlySet<number>,
  position: number,
): number {
  let latest = -1;
  for (const stepClass of among) latest = Math.max(latest, classes.latestBefore(log, stepClass, position));
  return latest;
}

/** The same of as many events as there are, from a position on: steps with the events that fill them. */
export function latestFilling(
  log: LeadLog,
  classes: ClassLookup,
  steps: readonly number[],
  first: number,
): { readonly step: number; readonly position: number }[] {
  const takenBy: (number | undefined)[] = steps.map(() => undefined);
  let taken = 0;
  for (let at = log.length - 1; at >= first && taken < steps.length; at--) {
    if (log.isHeld(at) && findStep(log, classes, steps, takenBy, at, new Set())) taken++;
  }
  return takenBy.flatMap((position, step) => (position === undefined ? [] : [{ step, position }]));
}

/** Finds a step for an event along an augmenting path, on which others may give theirs up for another. */
function findStep(
  log: LeadLog,
  classes: ClassLookup,
  steps: readonly number[],
  takenBy: (number | undefined)[],
  position: number,
  asked: Set<number>,
): boolean {
  const type = log.typeAt(position);
  for (const [step, stepClass] of steps.entries()) {
    if (asked.has(step) || !classes.accepts(stepClass, type)) continue;
    asked.add(step);
    const holder = takenBy[step];
    if (holder === undefined || findStep(log, classes, steps, takenBy, holder, asked)) {
      takenBy[step] = position;
      return true;
    }
  }
  return false;
}
