import type { Bounds, ClassLookup } from './classLookup.ts';
import { type CompiledSequence, hasGap } from './compiledSequence.ts';
import { GapSearch } from './gapSearch.ts';
import type { LeadLog } from './leadLog.ts';
import { overlappingEvents } from './overlap.ts';

/**
 * The match of a sequence that ends at position `end`, as positions: in step order for an ordered sequence, else in
 * the order of time. Null: there is none, since the automata look at types and order alone.
 *
 * @param start where the automata found that it starts, which counts; no match starts later, but it may start
 *   earlier where a gap or an overlap is to be minded.
 */
export function matchAt(
  log: LeadLog,
  classes: ClassLookup,
  sequence: CompiledSequence,
  start: number,
  end: number,
  bounds: Bounds,
): readonly number[] | null {
  const events = eventsOf(log, classes, sequence, start, end, bounds);
  if (events === null) return null;
  // They start as late as any match, so an excluded event behind their start lies within every match.
  return latestExcluded(log, classes, sequence, end) > events[0]! ? null : events;
}

function eventsOf(
  log: LeadLog,
  classes: ClassLookup,
  sequence: CompiledSequence,
  start: number,
  end: number,
  bounds: Bounds,
): readonly number[] | null {
  const { steps } = sequence;
  if (sequence.overlaps) return overlappingEvents(log, classes, steps, end, bounds);
  if (!sequence.ordered) return latestOfEach(log, classes, steps, end);
  if (!hasGap(sequence)) return orderedRun(log, classes, steps, start, end);
  return new GapSearch(log, classes, steps, sequence.maxGapMicros, bounds).runEndingAt(end);
}

/** Position of the latest excluded event before a position, or -1. */
function latestExcluded(
  log: LeadLog,
  classes: ClassLookup,
  { excluded }: CompiledSequence,
  end: number,
): number {
  let latest = -1;
  for (const stepClass of excluded) latest = Math.max(latest, classes.latestBefore(log, stepClass, end));
  return latest;
}

/** From the latest start, each step by the earliest event that follows its predecessor (R7). */
function orderedRun(
  log: LeadLog,
  classes: ClassLookup,
  steps: readonly number[],
  start: number,
  end: number,
): number[] {
  const positions = [start];
  for (let step = 1; step < steps.length - 1; step++) {
    positions.push(classes.earliestAfter(log, steps[step]!, positions[step - 1]!));
  }
  if (steps.length > 1) positions.push(end);
  return positions;
}

/** The latest events of each class at or before the completing one, in time order (R8). */
function latestOfEach(log: LeadLog, classes: ClassLookup, steps: readonly number[], end: number): number[] {
  const met = new Map<number, number>();
  const positions = steps.map((stepClass) => {
    const rank = (met.get(stepClass) ?? 0) + 1;
    met.set(stepClass, rank);
    return classes.nthLatestBefore(log, stepClass, end + 1, rank);
  });
  return positions.sort((a, b) => a - b);
}
