import type { LeadEvent } from '../../src/model/event.ts';
import type { SequenceDefinition } from '../../src/model/sequence.ts';
import type { FieldTest, StepEntry, Where } from '../../src/model/step.ts';
import { comparePositions, type OrderedEvent } from './oracle.ts';

/**
 * What a match is, for the oracle: every choice of events that the rules allow is looked at, in the order in which
 * they prefer them. Only what cannot lead to another answer is left out: a state that failed once is not tried again.
 */

export interface WrittenStep {
  readonly types: readonly string[];
  readonly where: Where | null;
}

/** Of a sequence, what makes a match. */
export type Criteria = Pick<
  SequenceDefinition,
  'eventTypes' | 'windowMicros' | 'ordered' | 'exclude' | 'maxGapMicros'
>;

/** Each entry as many times as its count says. */
export function stepsOf(entries: readonly StepEntry[]): WrittenStep[] {
  const steps: WrittenStep[] = [];
  for (const entry of entries) {
    if (typeof entry === 'string') steps.push({ types: [entry], where: null });
    else for (let written = 0; written < entry.count; written++) steps.push(entry);
  }
  return steps;
}

/** Whether an event, as held, is what a step asks for (S1, S2). */
export function fulfils(event: OrderedEvent, { types, where }: WrittenStep): boolean {
  return types.includes(event.type) && (where === null || event.fulfilled.has(JSON.stringify(where)));
}

/** Whether an event, as it comes, is what a condition asks for. */
export function judgedBy(where: Where, event: LeadEvent): boolean {
  return Object.entries(where).every(([path, test]) => passes(valueAt(path, event), test));
}

function valueAt(path: string, event: LeadEvent): unknown {
  let value: unknown = event;
  for (const name of path.split('.')) {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    value = isObject ? Object.entries(value as object).find(([key]) => key === name)?.[1] : undefined;
  }
  return value === null ? undefined : value;
}

function passes(value: unknown, test: FieldTest): boolean {
  if (value === undefined) return test.exists === false;
  const verdicts = [
    test.exists !== false,
    test.eq === undefined || test.eq === value,
    test.in === undefined || test.in.includes(value as string),
    test.prefix === undefined ||
      (typeof value === 'string' && value.slice(0, test.prefix.length) === test.prefix),
    test.gte === undefined || (typeof value === 'number' && !(value < test.gte)),
    test.lte === undefined || (typeof value === 'number' && !(value > test.lte)),
  ];
  return verdicts.every((verdict) => verdict);
}

/**
 * The match among `events` (in the lead's order) whose last event is `completing`, chosen as R7, R8 and S5, S6
 * say; null where there is none.
 */
export function matchEndingAt(
  criteria: Criteria,
  events: readonly OrderedEvent[],
  completing: OrderedEvent,
): readonly OrderedEvent[] | null {
  const past = events.filter((event) => comparePositions(event, completing) <= 0);
  const steps = stepsOf(criteria.eventTypes);
  if (!criteria.ordered) return unorderedMatch(criteria, steps, past);
  return typeof criteria.maxGapMicros === 'number'
    ? gappedMatch(criteria, steps, past, criteria.maxGapMicros)
    : orderedMatch(criteria, steps, past);
}

/** Whether a match may reach from one of the events of `past` to the last: window and excluded types (R5, S4). */
function maySpan(criteria: Criteria, past: readonly OrderedEvent[], first: number): boolean {
  const spanMicros = past.at(-1)!.timeMicros - past[first]!.timeMicros;
  const within = past.slice(first + 1, -1);
  return (
    spanMicros <= criteria.windowMicros &&
    !within.some(({ type }) => criteria.exclude?.includes(type) === true)
  );
}

/**
 * Tries every way to fill the steps in the order of preference: the first step from its latest event
 * backwards, each further step from its earliest event forwards. The first way that ends at the last
 * event of `past`, within the window, is the answer.
 */
function orderedMatch(
  criteria: Criteria,
  steps: readonly WrittenStep[],
  past: readonly OrderedEvent[],
): readonly OrderedEvent[] | null {
  const last = past.length - 1;
  const failed = new Set<string>();
  for (let first = last; first >= 0; first--) {
    if (!maySpan(criteria, past, first)) continue;
    if (!fulfils(past[first]!, steps[0]!)) continue;
    const indices = fillSteps(steps, past, [first], failed);
    if (indices !== null) return indices.map((index) => past[index]!);
  }
  return null;
}

function fillSteps(
  steps: readonly WrittenStep[],
  past: readonly OrderedEvent[],
  chosen: readonly number[],
  failed: Set<string>,
): readonly number[] | null {
  const last = past.length - 1;
  if (chosen.length === steps.length) return chosen.at(-1) === last ? chosen : null;
  const state = `${chosen.length} ${chosen.at(-1)}`;
  if (failed.has(state)) return null;
  for (let next = chosen.at(-1)! + 1; next <= last; next++) {
    if (!fulfils(past[next]!, steps[chosen.length]!)) continue;
    const filled = fillSteps(steps, past, [...chosen, next], failed);
    if (filled !== null) return filled;
  }
  failed.add(state);
  return null;
}

/** Going back from the last event, each step by the latest event from which a run still leads to the first (S5). */
function gappedMatch(
  criteria: Criteria,
  steps: readonly WrittenStep[],
  past: readonly OrderedEvent[],
  maxGapMicros: number,
): readonly OrderedEvent[] | null {
  const failed = new Set<string>();
  const backFrom = (step: number, index: number): readonly number[] | null => {
    if (step === 0) return maySpan(criteria, past, index) ? [index] : null;
    const state = `${step} ${index}`;
    if (failed.has(state)) return null;
    for (let before = index - 1; before >= 0; before--) {
      if (past[index]!.timeMicros - past[before]!.timeMicros > maxGapMicros) continue;
      if (!fulfils(past[before]!, steps[step - 1]!)) continue;
      const run = backFrom(step - 1, before);
      if (run !== null) return [...run, index];
    }
    failed.add(state);
    return null;
  };
  const lastStep = steps.length - 1;
  if (!fulfils(past.at(-1)!, steps[lastStep]!)) return null;
  const run = backFrom(lastStep, past.length - 1);
  return run === null ? null : run.map((index) => past[index]!);
}

/**
 * Different events for all steps, the last of `past` among them, as late as can be (R8, S6): of two choices, the one
 * with the later event where, going back from the last, they first differ.
 */
function unorderedMatch(
  criteria: Criteria,
  steps: readonly WrittenStep[],
  past: readonly OrderedEvent[],
): readonly OrderedEvent[] | null {
  const last = past.length - 1;
  const usable = past.map((_, index) => maySpan(criteria, past, index));
  const everyStep = 2 ** steps.length - 1;
  const found = new Map<string, readonly number[] | null>();
  /** The latest events at or before `index` that fill the steps whose bits are not set in `filled`. */
  const fill = (index: number, filled: number): readonly number[] | null => {
    if (filled === everyStep) return [];
    if (index < 0 || !usable[index]) return null;
    const state = `${index} ${filled}`;
    const known = found.get(state);
    if (known !== undefined) return known;
    let best: readonly number[] | null = null;
    for (const [step, each] of steps.entries()) {
      if ((filled & (2 ** step)) !== 0 || !fulfils(past[index]!, each)) continue;
      const rest = fill(index - 1, filled | (2 ** step));
      if (rest !== null && (best === null || isLater([index, ...rest], best))) best = [index, ...rest];
    }
    if (best === null && index !== last) best = fill(index - 1, filled);
    found.set(state, best);
    return best;
  };
  const chosen = fill(last, 0);
  return chosen === null ? null : chosen.toReversed().map((index) => past[index]!);
}

function isLater(one: readonly number[], other: readonly number[]): boolean {
  const differing = one.findIndex((index, place) => index !== other[place]);
  return differing >= 0 && one[differing]! > other[differing]!;
}
