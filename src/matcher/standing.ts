import type { CompiledSequence } from './compiledSequence.ts';
import type { LeadLog } from './leadLog.ts';

/**
 * How far the held events of a lead fill the steps of a sequence: the one place that knows which events fill
 * which steps, beside the automata, which know it for completed matches.
 *
 * An event counts when it lies above the horizon and within the window that ends at the lead's time now. A lead
 * stands after the largest k such that events that count fill the first k steps of an ordered sequence in their
 * order, or any k entries of an unordered one. It may stand after the last step without a fire: when all of it lay
 * before the last change of the sequence (R16).
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

/** How many steps are filled; for counting many leads, so it makes no garbage. */
export function stepReached(log: LeadLog, sequence: CompiledSequence, outlook: Outlook): number {
  const first = firstCounting(log, sequence.windowMicros, outlook);
  if (first === log.length) return 0;
  return sequence.ordered
    ? prefixReached(log, sequence.steps, first)
    : entriesReached(log, sequence.steps, first);
}

/**
 * The filled steps in their order, each with its event: those that last the longest. Of an ordered sequence that is
 * the latest possible start and from there the earliest events (as R7 has it), of an unordered one the latest of
 * each type (R8).
 *
 * @param windowMicros instead of that of the sequence; Infinity: age does not matter
 */
export function filledSteps(
  log: LeadLog,
  sequence: CompiledSequence,
  outlook: Outlook,
  windowMicros = sequence.windowMicros,
): readonly FilledStep[] {
  const { steps, ordered } = sequence;
  const first = firstCounting(log, windowMicros, outlook);
  if (!ordered) return latestEntries(log, steps, first);
  const reached = prefixReached(log, steps, first);
  return reached === 0 ? [] : latestPrefix(log, steps.slice(0, reached));
}

/** Whether the step that an ordered sequence waits for was filled by an event that counts, but too early. */
export function cameTooEarly(
  log: LeadLog,
  sequence: CompiledSequence,
  outlook: Outlook,
  filled: readonly FilledStep[],
): boolean {
  const last = filled.at(-1);
  const awaited = sequence.steps[filled.length];
  if (!sequence.ordered || last === undefined || awaited === undefined) return false;
  for (let at = firstCounting(log, sequence.windowMicros, outlook); at < last.position; at++) {
    if (log.typeAt(at) === awaited) return true;
  }
  return false;
}

/** Position of the first event that counts; the length of the log: none does. */
function firstCounting(log: LeadLog, windowMicros: number, outlook: Outlook): number {
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
  return first;
}

function prefixReached(log: LeadLog, steps: readonly number[], first: number): number {
  let reached = 0;
  for (let at = first; at < log.length && reached < steps.length; at++) {
    if (log.typeAt(at) === steps[reached]) reached++;
  }
  return reached;
}

function entriesReached(log: LeadLog, steps: readonly number[], first: number): number {
  let reached = 0;
  // A bit for each entry; there are 20 at most.
  let filled = 0;
  for (let at = first; at < log.length && reached < steps.length; at++) {
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
function latestPrefix(log: LeadLog, steps: readonly number[]): FilledStep[] {
  let position = log.length;
  for (let step = steps.length - 1; step >= 0; step--) position = log.latestBefore(steps[step]!, position);
  const filled: FilledStep[] = [];
  for (let step = 0; step < steps.length; step++) {
    if (step > 0) position = log.earliestAfter(steps[step]!, position);
    filled.push({ step, position });
  }
  return filled;
}

function latestEntries(log: LeadLog, steps: readonly number[], first: number): FilledStep[] {
  const positions: number[] = [];
  let taken = 0;
  for (let at = log.length - 1; at >= first; at--) {
    const entry = vacantEntry(steps, log.typeAt(at), taken);
    if (entry < 0) continue;
    taken |= 1 << entry;
    positions.push(at);
  }
  // Of entries of one type, the first has the earliest event.
  let filled = 0;
  return positions
    .reverse()
    .map((position) => {
      const step = vacantEntry(steps, log.typeAt(position), filled);
      filled |= 1 << step;
      return { step, position };
    })
    .sort((a, b) => a.step - b.step);
}
