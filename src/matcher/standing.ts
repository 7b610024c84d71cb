import type { ClassLookup } from './classLookup.ts';
import { type CompiledSequence, hasGap } from './compiledSequence.ts';
import { GapSearch } from './gapSearch.ts';
import type { LeadLog } from './leadLog.ts';
import { latestFilling } from './overlap.ts';

/**
 * How far the held events of a lead fill the steps of a sequence: the one place that knows which events fill
 * which steps, beside the automata, which know it for completed matches.
 *
 * An event counts when it lies above the horizon, within the window that ends at the lead's time now, and behind the
 * last excluded event. A lead stands after the largest k such that events that count fill the first k steps of an
 * ordered sequence in their order, or any k entries of an unordered one; where a gap is to be kept, also the one that
 * has begun behind the k-th. It may stand after the last step without a fire: when all of it lay before the last
 * change of the sequence (R16).
 */

/** Where in a lead's order a sequence begins to count, and where time stands; positions are those of the log. */
export interface Outlook {
  /** Time of the horizon; -Infinity: there is none. */
  readonly horizonMicros: number;
  readonly horizonStreamSequence: number;
  /** The event time that it would be for the lead now. */
  readonly nowMicros: number;
}

/** A step, counted from 0, and the position of the event that fills it. */
export interface FilledStep {
  readonly step: number;
  readonly position: number;
}

/** How many steps are filled; for counting many leads, so it makes no garbage where nothing but types is asked for. */
export function stepReached(
  log: LeadLog,
  classes: ClassLookup,
  sequence: CompiledSequence,
  outlook: Outlook,
): number {
  const first = firstCounting(log, classes, sequence, sequence.windowMicros, outlook);
  if (first === log.length) return 0;
  const { steps, ordered } = sequence;
  if (hasGap(sequence)) {
    return latestGappedRun(log, classes, sequence, first, outlook.nowMicros - sequence.maxGapMicros).length;
  }
  if (ordered) return prefixReached(log, classes, steps, first);
  if (!classes.isPlain || steps.length > BITS) return latestFilling(log, classes, steps, first).length;
  return entriesReached(log, steps, first);
}

/**
 * The filled steps in their order, each with its event: those that last the longest. Of an ordered sequence that is
 * the latest possible start and from there the earliest events (as R7 has it), or the latest run that keeps its gaps;
 * of an unordered one the latest events that fill different entries (R8).
 *
 * @param isAgeless whether age does not matter: neither that of the window nor that of a gap that has begun
 */
export function filledSteps(
  log: LeadLog,
  classes: ClassLookup,
  sequence: CompiledSequence,
  outlook: Outlook,
  isAgeless = false,
): readonly FilledStep[] {
  const { steps, ordered } = sequence;
  const windowMicros = isAgeless ? Number.POSITIVE_INFINITY : sequence.windowMicros;
  const first = firstCounting(log, classes, sequence, windowMicros, outlook);
  if (hasGap(sequence)) {
    const oldestMicros = isAgeless ? Number.NEGATIVE_INFINITY : outlook.nowMicros - sequence.maxGapMicros;
    const run = latestGappedRun(log, classes, sequence, first, oldestMicros);
    return run.map((position, step) => ({ step, position }));
  }
  if (!ordered) return inStepOrder(latestFilling(log, classes, steps, first), steps);
  const reached = prefixReached(log, classes, steps, first);
  return reached === 0 ? [] : latestPrefix(log, classes, steps.slice(0, reached));
}

/** Whether the step that an ordered sequence waits for was filled by an event that counts, but too early. */
export function cameTooEarly(
  log: LeadLog,
  classes: ClassLookup,
  sequence: CompiledSequence,
  outlook: Outlook,
  filled: readonly FilledStep[],
): boolean {
  const last = filled.at(-1);
  const awaited = sequence.steps[filled.length];
  if (!sequence.ordered || last === undefined || awaited === undefined) return false;
  const first = firstCounting(log, classes, sequence, sequence.windowMicros, outlook);
  for (let at = first; at < last.position; at++) {
    if (log.isHeld(at) && classes.accepts(awaited, log.typeAt(at))) return true;
  }
  return false;
}

/** Entries that fit into the bits of an integer. */
const BITS = 30;

/** Position of the first event that counts; the length of the log: none does. */
function firstCounting(
  log: LeadLog,
  classes: ClassLookup,
  sequence: CompiledSequence,
  windowMicros: number,
  outlook: Outlook,
): number {
  const { horizonMicros, horizonStreamSequence, nowMicros } = outlook;
  const oldestMicros = nowMicros - windowMicros;
  let first = log.length;
  while (
    first > 0 &&
    log.timeAt(first - 1) >= oldestMicros &&
    !log.isAtOrBefore(first - 1, horizonMicros, horizonStreamSequence)
  ) {
    first--;
  }
  // Whatever completes the sequence lies behind these, and so must its start.
  return Math.max(first, latestExcluded(log, classes, sequence, log.length) + 1);
}

/** Position of the latest excluded event before a position, or -1. */
export function latestExcluded(
  log: LeadLog,
  classes: ClassLookup,
  { excluded }: CompiledSequence,
  end: number,
): number {
  let latest = -1;
  for (const each of excluded) latest = Math.max(latest, classes.latestBefore(log, each, end));
  return latest;
}

function prefixReached(log: LeadLog, classes: ClassLookup, steps: readonly number[], first: number): number {
  let reached = 0;
  for (let at = first; at < log.length && reached < steps.length; at++) {
    if (log.isHeld(at) && classes.accepts(steps[reached]!, log.typeAt(at))) reached++;
  }
  return reached;
}

/** The latest run of as many steps as can be, the last of which is not before a time. */
function latestGappedRun(
  log: LeadLog,
  classes: ClassLookup,
  { steps, maxGapMicros }: CompiledSequence,
  first: number,
  oldestMicros: number,
): readonly number[] {
  const search = new GapSearch(log, classes, steps, maxGapMicros, {
    counts: (position) => position >= first,
  });
  let latest: readonly number[] = [];
  for (let stepCount = 1; stepCount <= steps.length; stepCount++) {
    const run = search.latestRun(stepCount);
    if (run === null) break;
    const isWaiting = stepCount < steps.length;
    if (!isWaiting || log.timeAt(run.at(-1)!) >= oldestMicros) latest = run;
  }
  return latest;
}

function entriesReached(log: LeadLog, steps: readonly number[], first: number): number {
  let reached = 0;
  // A bit for each entry.
  let filled = 0;
  for (let at = first; at < log.length && reached < steps.length; at++) {
    if (!log.isHeld(at)) continue;
    const entry = vacantEntry(steps, log.typeAt(at), filled);
    if (entry < 0) continue;
    filled |= 1 << entry;
    reached++;
  }
  return reached;
}

/** The first entry of a type whose bit is not set; -1: there is none. */
function vacantEntry(steps: readonly number[], type: number, filled: number): number {
  for (let entry = 0; entry < steps.length; entry++) {
    if (steps[entry] === type && (filled & (1 << entry)) === 0) return entry;
  }
  return -1;
}

/** The latest events that fill all of these steps in their order, which some do: back from the end, then forward. */
function latestPrefix(log: LeadLog, classes: ClassLookup, steps: readonly number[]): FilledStep[] {
  let position = log.length;
  for (let step = steps.length - 1; step >= 0; step--) {
    position = classes.latestBefore(log, steps[step]!, position);
  }
  const filled: FilledStep[] = [];
  for (let step = 0; step < steps.length; step++) {
    if (step > 0) position = classes.earliestAfter(log, steps[step]!, position);
    filled.push({ step, position });
  }
  return filled;
}

/** Of steps of one class, the first gets the earliest event. */
function inStepOrder(filled: readonly FilledStep[], steps: readonly number[]): FilledStep[] {
  const earliestFirst = filled.toSorted((a, b) => a.position - b.position);
  return filled
    .map(({ step }) => step)
    .sort((a, b) => a - b)
    .map((step) => {
      const at = earliestFirst.findIndex((each) => steps[each.step] === steps[step]);
      const [{ position }] = earliestFirst.splice(at, 1) as [FilledStep];
      return { step, position };
    });
}
