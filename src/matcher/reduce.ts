import type { CompiledSequence } from './compiledSequence.ts';
import type { Lead } from './lead.ts';
import type { LeadLog } from './leadLog.ts';
import type { Program } from './program.ts';

/**
 * Reduces a lead's log to the events that some match can still report when all further events arrive in
 * order (R15). What goes can never be part of such a match:
 *
 * - Ordered: of a match whose first k steps lie in the log, the log contributes the latest start from which
 *   those k steps are complete, and from there the earliest event of each next step (R7). So for every k < n
 *   that start and its continuation stay.
 * - Unordered: a match takes the latest events of each type (R8). So of each type as many stay as the
 *   sequence that lists it most often needs.
 *
 * The size of the result depends on the sequences alone, not on the length of the log.
 */
export function reduceLog(lead: Lead, program: Program): void {
  const needed = new Set<number>();
  const latestNeeded = new Map<number, number>();
  for (const sequence of program.sequences()) {
    if (sequence.ordered) needPrefixes(lead, sequence, needed);
    else needLatest(sequence, latestNeeded);
  }
  for (const [type, count] of latestNeeded) {
    for (let n = 1; n <= count; n++) {
      const position = lead.log.nthLatestBefore(type, lead.log.length, n);
      if (position < 0) break;
      needed.add(position);
    }
  }
  lead.log.retain((position) => needed.has(position));
}

function needPrefixes(lead: Lead, sequence: CompiledSequence, needed: Set<number>): void {
  const { log } = lead;
  const { steps } = sequence;
  const mark = lead.marks?.get(sequence.key);
  for (let length = 1; length < steps.length; length++) {
    const start = latestStart(log, steps, length);
    if (start < 0) return;
    if (lead.newestMicros - log.times[start]! > sequence.windowMicros) return;
    if (mark !== undefined && log.isAtOrBefore(start, mark.horizonMicros, mark.horizonStreamSequence)) return;
    let position = start;
    for (let step = 0; step < steps.length - 1 && position >= 0; step++) {
      if (step > 0) position = log.earliestAfter(steps[step]!, position);
      if (position >= 0) needed.add(position);
    }
  }
}

/** Position of the latest event from which the first `length` steps are complete, or -1. */
function latestStart(log: LeadLog, steps: readonly number[], length: number): number {
  let position = log.length;
  for (let step = length - 1; step >= 0 && position >= 0; step--) {
    position = log.latestBefore(steps[step]!, position);
  }
  return position;
}

function needLatest(sequence: CompiledSequence, latestNeeded: Map<number, number>): void {
  const counts = new Map<number, number>();
  for (const type of sequence.steps) counts.set(type, (counts.get(type) ?? 0) + 1);
  for (const [type, count] of counts) latestNeeded.set(type, Math.max(count, latestNeeded.get(type) ?? 0));
}
