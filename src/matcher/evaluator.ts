import type { LeadEvent, MatchedEvent } from '../model/event.ts';
import type { CompiledSequence } from './compiledSequence.ts';
import type { Lead } from './lead.ts';
import type { LeadLog } from './leadLog.ts';
import type { CandidateSink } from './orderedAutomaton.ts';
import type { Completion } from './outcome.ts';
import type { Program } from './program.ts';
import { suppression } from './refire.ts';

const NONE: readonly Completion[] = [];

/**
 * Finds what an event completes, moves the horizons, and applies the re-fire policy and the stale guard. One
 * object serves all events, since most complete nothing and should cost nothing to collect.
 */
export class Evaluator implements CandidateSink {
  private lead!: Lead;
  private program!: Program;
  private event!: LeadEvent;
  private late = false;
  private completions: Completion[] = [];

  /**
   * Evaluates an event that was just inserted into the lead's log; `late`: not at its end.
   *
   * Before the event no match existed above any horizon that was allowed to fire, so whatever exists now
   * contains the event and ends at it or after it (R10). The positions from it onwards are tried in order; the
   * first that ends a match wins, and the moved horizon keeps later ones from matching the same events again.
   */
  evaluate(lead: Lead, program: Program, event: LeadEvent, late: boolean): readonly Completion[] {
    const { log } = lead;
    // The usual case: in order, and of a type that ends nothing.
    if (!late && !program.completes(log.typeAt(log.length - 1))) return NONE;
    this.lead = lead;
    this.program = program;
    this.event = event;
    this.late = late;
    const inserted = late ? log.positionOf(event.streamSequence) : log.length - 1;
    for (let end = inserted; end < log.length; end++) {
      if (log.timeAt(end) - log.timeAt(inserted) > program.windowMicrosMax) break;
      this.evaluateEnd(end, inserted);
    }
    if (this.completions.length === 0) return NONE;
    const { completions } = this;
    this.completions = [];
    return completions;
  }

  private evaluateEnd(end: number, inserted: number): void {
    const before = this.completions.length;
    this.program.ordered.walk(this.lead.log, end, inserted, this);
    this.program.unordered.walk(this.lead.log, end, this);
    if (this.completions.length - before < 2) return;
    // The order must not depend on how the automata are laid out (R20).
    const found = this.completions.splice(before);
    this.completions.push(...found.sort((a, b) => (a.sequenceId < b.sequenceId ? -1 : 1)));
  }

  /** Checks what the automata leave open: the change position, the window and the horizon of the sequence. */
  consider(sequence: CompiledSequence, start: number, end: number): void {
    const { log, marks } = this.lead;
    if (log.streamSequenceAt(end) <= sequence.effectiveFrom) return;
    if (log.timeAt(end) - log.timeAt(start) > sequence.windowMicros) return;
    const mark = marks.find(sequence.key);
    if (mark >= 0) {
      const horizonMicros = marks.horizonMicrosAt(mark);
      if (log.isAtOrBefore(start, horizonMicros, marks.horizonStreamSequenceAt(mark))) return;
    }
    const lastFireMicros = mark < 0 ? Number.NaN : marks.lastFireMicrosAt(mark);
    this.completions.push(this.complete(sequence, lastFireMicros, start, end));
  }

  private complete(
    sequence: CompiledSequence,
    lastFireMicros: number,
    start: number,
    end: number,
  ): Completion {
    const { lead, event } = this;
    const { log } = lead;
    const completedAtMicros = log.timeAt(end);
    const suppressed = suppression(sequence.refire, lastFireMicros, completedAtMicros);
    lead.marks.put(sequence.key, {
      horizonMicros: completedAtMicros,
      horizonStreamSequence: log.streamSequenceAt(end),
      lastFireMicros: suppressed === null ? completedAtMicros : lastFireMicros,
      outlivesSilence: sequence.refire.mode !== 'every',
    });
    const positions = sequence.ordered
      ? orderedRun(log, sequence, start, end)
      : latestOfEach(log, sequence, end);
    return {
      sequenceId: sequence.id,
      events: positions.map((position) => matchedEvent(log, this.program, position)),
      completingEventId: log.idAt(end),
      completedAtMicros,
      late: this.late,
      suppressed,
      stale: suppressed === null && event.arrivalMicros - completedAtMicros > sequence.maxFireDelayMicros,
    };
  }
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
    id: log.idAt(position),
    type: program.typeName(log.typeAt(position)),
    timeMicros: log.timeAt(position),
  };
}
