import type { ClassLookup } from './classLookup.ts';
import type { CompiledSequence } from './compiledSequence.ts';
import type { LeadLog } from './leadLog.ts';
import { type FilledStep, filledSteps, latestExcluded, type Outlook } from './standing.ts';

/**
 * What keeps held events from counting, found by leaving a rule out: what would stand without it, and does not, is
 * what the rule takes away. Positions are those of the log.
 */
export type FoundHindrance =
  /** All steps are filled within the window. `last` is the completing event. */
  | { readonly kind: 'completed'; readonly last: FilledStep; readonly isBeforeChange: boolean }
  /** The window that began with `first` is over, and `tooLate` came behind it; null: nothing did. */
  | { readonly kind: 'window'; readonly first: FilledStep; readonly tooLate: FilledStep | null }
  /** The gap after `after` is over, and `tooLate`, of the next step, came behind it; null: none is held. */
  | { readonly kind: 'gap'; readonly after: FilledStep; readonly tooLate: FilledStep | null }
  /** An excluded event came behind `first`; `last` is of the same run and came behind that; null: none did. */
  | {
      readonly kind: 'excluded';
      readonly position: number;
      readonly first: FilledStep;
      readonly last: FilledStep | null;
    };

interface Case {
  readonly log: LeadLog;
  readonly classes: ClassLookup;
  readonly sequence: CompiledSequence;
}

/** @param filled the steps that stand */
export function hindrancesOf(
  log: LeadLog,
  classes: ClassLookup,
  sequence: CompiledSequence,
  outlook: Outlook,
  filled: readonly FilledStep[],
): readonly FoundHindrance[] {
  const given: Case = { log, classes, sequence };
  const ageless = filledSteps(log, classes, sequence, outlook, true);
  const isComplete = filled.length === sequence.steps.length;
  const ofTime = isComplete || ageless.length > filled.length ? [hindranceOfTime(given, ageless)] : [];
  const found = hindranceOfExclusion(given, outlook, ageless.length);
  return found === null ? ofTime : [...ofTime, found];
}

/** Why no more steps than `reached` stand at any time, where that is for an excluded event. */
function hindranceOfExclusion(given: Case, outlook: Outlook, reached: number): FoundHindrance | null {
  const { log, classes, sequence } = given;
  const excludedAt = latestExcluded(log, classes, sequence, log.length);
  if (excludedAt < 0) return null;
  const free = filledSteps(log, classes, { ...sequence, excluded: [] }, outlook, true);
  if (free.length <= reached) return null;
  const run = inLeadsOrder(free);
  const first = run[0]!;
  const last = run.at(-1)!;
  const between = latestExcluded(log, classes, sequence, last.position);
  if (between > first.position) return { kind: 'excluded', position: between, first, last };
  // What is complete was so before the excluded event came.
  if (run.length === sequence.steps.length) return hindranceOfTime(given, free);
  return { kind: 'excluded', position: excludedAt, first, last: null };
}

/** Of steps that would stand at any time, and do not now or are all: which time is over. */
function hindranceOfTime({ log, classes, sequence }: Case, filled: readonly FilledStep[]): FoundHindrance {
  const { steps, windowMicros, maxGapMicros, effectiveFrom, active } = sequence;
  const run = inLeadsOrder(filled);
  const first = run[0]!;
  const last = run.at(-1)!;
  const endMicros = log.timeAt(first.position) + windowMicros;
  const tooLate = run.find(({ position }) => log.timeAt(position) > endMicros) ?? null;
  if (tooLate !== null) return { kind: 'window', first, tooLate };
  if (run.length === steps.length) {
    const isBeforeChange = log.streamSequenceAt(last.position) <= effectiveFrom;
    if (isBeforeChange || !active) return { kind: 'completed', last, isBeforeChange };
    // It would have fired. An excluded event kept it from that, which is not held any more since no match needs it.
    return { kind: 'window', first, tooLate: null };
  }
  if (log.timeAt(last.position) + maxGapMicros >= endMicros) return { kind: 'window', first, tooLate };
  const position = classes.earliestAfter(log, steps[run.length]!, last.position);
  return { kind: 'gap', after: last, tooLate: position < 0 ? null : { step: run.length, position } };
}

function inLeadsOrder(filled: readonly FilledStep[]): readonly FilledStep[] {
  return filled.toSorted((a, b) => a.position - b.position);
}

/**
 * For each awaited step with conditions, the latest event of its types that is held and does not meet them: of an
 * ordered sequence behind the last filled step, of an unordered one any above the horizon.
 *
 * @param namesOf the types of a class
 */
export function unmetConditions(
  log: LeadLog,
  classes: ClassLookup & { nameOf(type: number): string; namesOf(stepClass: number): readonly string[] },
  sequence: CompiledSequence,
  { horizonMicros, horizonStreamSequence }: Outlook,
  filled: readonly FilledStep[],
): readonly FilledStep[] {
  const { steps, ordered } = sequence;
  if (classes.isPlain) return [];
  const isFilled = new Set(filled.map(({ step }) => step));
  const missing = [...steps.keys()].filter((step) => !isFilled.has(step));
  const awaited = ordered
    ? missing.slice(0, 1)
    : missing.filter((step) => steps.indexOf(steps[step]!) === step);
  const end = ordered ? (filled.at(-1)?.position ?? -1) : -1;
  return awaited.flatMap((step): FilledStep[] => {
    const names = classes.namesOf(steps[step]!);
    for (let position = log.length - 1; position > end; position--) {
      if (log.isAtOrBefore(position, horizonMicros, horizonStreamSequence)) break;
      if (!log.isHeld(position) || !names.includes(classes.nameOf(log.typeAt(position)))) continue;
      if (!classes.accepts(steps[step]!, log.typeAt(position))) return [{ step, position }];
    }
    return [];
  });
}
