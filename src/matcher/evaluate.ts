import type { LeadEvent, MatchedEvent } from '../model/event.ts';
import type { CompiledSequence } from './compiledSequence.ts';
import type { Lead, Mark } from './lead.ts';
import type { LeadLog } from './leadLog.ts';
import type { Completion } from './outcome.ts';
import type { Program } from './program.ts';

const NONE: readonly Completion[] = [];

/**
 * Finds what an event that was just inserted into the lead's log completes, moves the horizons, and applies
 * the re-fire policy and the stale guard.
 *
 * Before the event no match existed above any horizon that was allowed to fire, so whatever exists now
 * contains the event and ends at it or after it (R10). The positions from it onwards are tried in order; the
 * first that ends a match wins, and the moved horizon keeps later ones from matching the same events again.
 */
export function evaluate(
  lead: Lead,
  program: Program,
  event: LeadEvent,
  late: boolean,
): readonly Completion[] {
  const { log } = lead;
  let completions: Completion[] | null = null;
  const consider = (sequence: CompiledSequence, start: number, end: number) => {
    if (log.streamSequences[end]! <= sequence.effectiveFrom) return;
    if (log.times[end]! - log.times[start]! > sequence.windowMicros) return;
    const mark = lead.marks?.get(sequence.key);
    if (mark !== undefined && log.isAtOrBefore(start, mark.horizonMicros, mark.horizonStreamSequence)) return;
    completions ??= [];
    completions.push(complete(lead, program, sequence, mark, start, end, event, late));
  };
  const inserted = late ? log.positionOf(event.streamSequence) : log.length - 1;
  for (let end = inserted; end < log.length; end++) {
    if (log.times[end]! - log.times[inserted]! > program.windowMicrosMax) break;
    const firstOfEnd = completions === null ? 0 : (completions as Completion[]).length;
    program.ordered.walk(log, end, inserted, consider);
    program.unordered.walk(log, end, consider);
    sortById(completions, firstOfEnd);
  }
  return completions ?? NONE;
}

/** The order of the completions of one position must not depend on how the automata are laid out (R20). */
function sortById(completions: Completion[] | null, from: number): void {
  if (completions === null || completions.length - from < 2) return;
  const sorted = completions.splice(from).sort((a, b) => (a.sequenceId < b.sequenceId ? -1 : 1));
  completions.push(...sorted);
}

function complete(
  lead: Lead,
  program: Program,
  sequence: CompiledSequence,
  previous: Mark | undefined,
  start: number,
  end: number,
  event: LeadEvent,
  late: boolean,
): Completion {
  const { log } = lead;
  const completedAtMicros = log.times[end]!;
  const suppressed = suppression(sequence, previous, completedAtMicros);
  lead.marks ??= new Map();
  lead.marks.set(sequence.key, {
    horizonMicros: completedAtMicros,
    horizonStreamSequence: log.streamSequences[end]!,
    lastFireMicros: suppressed === null ? completedAtMicros : previous!.lastFireMicros,
    outlivesSilence: sequence.refire.mode !== 'every',
  });
  const positions = sequence.ordered
    ? orderedRun(log, sequence, start, end)
    : latestOfEach(log, sequence, end);
  return {
    sequenceId: sequence.id,
    events: positions.map((position) => matchedEvent(log, program, position)),
    completingEventId: log.ids[end]!,
    completedAtMicros,
    late,
    suppressed,
    stale: suppressed === null && event.arrivalMicros - completedAtMicros > sequence.maxFireDelayMicros,
  };
}

/** Why the re-fire policy holds a completion back; null when it fires (R18). */
function suppression(
  sequence: CompiledSequence,
  previous: Mark | undefined,
  completedAtMicros: number,
): Completion['suppressed'] {
  const { refire } = sequence;
  if (refire.mode === 'every' || previous === undefined || Number.isNaN(previous.lastFireMicros)) return null;
  if (refire.mode === 'once_per_lead') return 'once_per_lead';
  return completedAtMicros - previous.lastFireMicros < refire.cooldownSeconds * 1e6 ? 'cooldown' : null;
}

/** From the latest start, each step by the earliest event that follows its predecessor (R7). */
function orderedRun(log: LeadLog, sequence: CompiledSequence, start: number, end: number): number[] {
  const { steps } = sequence;
  const positions = [start];
  for (let step = 1; step < steps.length - 1; step++) {
    positions.push(log.earliestAfter(steps[step]!, positions[step - 1]!));
  }
  if (steps.length > 1) positions.push(end);
  return positions;
}

/** The latest events of each type at or before the completing one, in time order (R8). */
function latestOfEach(log: LeadLog, sequence: CompiledSequence, end: number): number[] {
  const met = new Map<number, number>();
  const positions = sequence.steps.map((type) => {
    const rank = (met.get(type) ?? 0) + 1;
    met.set(type, rank);
    return log.nthLatestBefore(type, end + 1, rank);
  });
  return positions.sort((a, b) => a - b);
}

function matchedEvent(log: LeadLog, program: Program, position: number): MatchedEvent {
  return {
    id: log.ids[position]!,
    type: program.typeName(log.types[position]!),
    timeMicros: log.times[position]!,
  };
}
