import type { LeadEvent, MatchedEvent } from '../model/event.ts';
import type { Bounds } from './classLookup.ts';
import type { CompiledSequence } from './compiledSequence.ts';
import type { Lead } from './lead.ts';
import type { LeadLog } from './leadLog.ts';
import { matchAt } from './match.ts';
import type { CandidateSink } from './orderedAutomaton.ts';
import type { Completion } from './outcome.ts';
import type { Program } from './program.ts';
import { suppression } from './refire.ts';

const NONE: readonly Completion[] = [];

/**
 * Finds what an event completes, moves the horizons, and applies the re-fire policy and the stale guard. One
 * object serves all events, since most complete nothing and should cost nothing to collect.
 */
export class Evaluator implements CandidateSink, Bounds {
  private lead!: Lead;
  private program!: Program;
  private event!: LeadEvent;
  private late = false;
  /** Position of the event. */
  private inserted = 0;
  private completions: Completion[] = [];
  /** Of the sequence that is considered: no match reaches further back, or to the horizon. */
  private oldestMicros = 0;
  private horizonMicros = 0;
  private horizonStreamSequence = 0;

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
    this.inserted = inserted;
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
    const { ordered, gapped, unordered } = this.program;
    const { log } = this.lead;
    ordered.walk(log, end, inserted, this);
    // A run beside the inserted event is no match, for its gaps, and must not hide one that goes through it.
    gapped.walk(log, end, end, this);
    unordered.walk(log, end, this);
    if (this.completions.length - before < 2) return;
    // The order must not depend on how the automata are laid out (R20).
    const found = this.completions.splice(before);
    this.completions.push(...found.sort((a, b) => (a.sequenceId < b.sequenceId ? -1 : 1)));
  }

  /**
   * Checks what the automata leave open: the change position, the window and the horizon of the sequence, then
   * what `matchAt` does.
   */
  consider(sequence: CompiledSequence, start: number, end: number): void {
    const { log, marks } = this.lead;
    if (log.streamSequenceAt(end) <= sequence.effectiveFrom) return;
    this.oldestMicros = log.timeAt(end) - sequence.windowMicros;
    if (log.timeAt(start) < this.oldestMicros) return;
    const mark = marks.find(sequence.key);
    this.horizonMicros = mark < 0 ? Number.NEGATIVE_INFINITY : marks.horizonMicrosAt(mark);
    this.horizonStreamSequence = mark < 0 ? 0 : marks.horizonStreamSequenceAt(mark);
    if (!this.counts(start)) return;
    const positions = matchAt(log, this.program.classes, sequence, start, end, this);
    if (positions === null) return;
    // A match beside the event is one of the past, whose events a backfill brought together.
    if (!positions.includes(this.inserted)) return;
    const lastFireMicros = mark < 0 ? Number.NaN : marks.lastFireMicrosAt(mark);
    this.completions.push(this.complete(sequence, lastFireMicros, positions, end));
  }

  counts(position: number): boolean {
    const { log } = this.lead;
    if (log.timeAt(position) < this.oldestMicros) return false;
    return !log.isAtOrBefore(position, this.horizonMicros, this.horizonStreamSequence);
  }

  private complete(
    sequence: CompiledSequence,
    lastFireMicros: number,
    positions: readonly number[],
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

function matchedEvent(log: LeadLog, program: Program, position: number): MatchedEvent {
  return {
    id: log.idAt(position),
    type: program.classes.nameOf(log.typeAt(position)),
    timeMicros: log.timeAt(position),
  };
}
