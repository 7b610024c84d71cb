import { type CompiledSequence, hasGap } from './compiledSequence.ts';
import { GapSearch } from './gapSearch.ts';
import type { Lead } from './lead.ts';
import type { LeadLog } from './leadLog.ts';
import type { StepClasses } from './stepClasses.ts';
import { classOfKey, RANKS, rankOfKey, stepKeys } from './stepKeys.ts';
import { NO_NODE, ROOT, Trie, type TrieNode } from './trie.ts';

/**
 * Reduces a lead's log to the events that some match can still report when all further events arrive in
 * order (R15). What goes can never be part of such a match:
 *
 * - Ordered: of a match whose first k steps lie in the log, the log contributes the latest start from which
 *   those k steps are complete, and from there the earliest event of each next step (R7). So for every k < n
 *   that run stays; sequences that begin alike need the same runs.
 * - Ordered with a largest gap: for every k < n the latest run of the first k steps, with its gaps kept, is as good
 *   as any other for whatever follows (`gapSearch.ts`), and all k of its events are reported. So it stays.
 * - Unordered: a match takes the latest events of each class (R8). So of each class as many stay as the
 *   sequence that lists it most often needs.
 * - Unordered with classes that overlap, n steps: an event behind which lie n others of its class is never taken. If
 *   it could fill a step of the class in addition to the later ones taken, so could one of the n that was not
 *   taken, of which there is one, and would have been. So the latest n of each class stay.
 * - Of excluded types, the latest event decides.
 *
 * The size of the result depends on the sequences alone, not on the length of the log. Inactive sequences
 * count, because what is held while they are inactive counts when they are active again (R17).
 */
export class Reduction {
  private readonly classes: StepClasses;
  /** The ordered sequences without a largest gap, read from the first step on. */
  private readonly prefixes = new Trie();
  /** The ordered sequences with a largest gap. */
  private readonly gapped = new Set<CompiledSequence>();
  /** Step keys of which the events are needed, with the number of sequences that need each. */
  private readonly countByStepKey = new Map<number, number>();

  constructor(classes: StepClasses) {
    this.classes = classes;
  }

  add(sequence: CompiledSequence): void {
    if (hasGap(sequence)) this.gapped.add(sequence);
    else if (sequence.ordered) this.prefixes.insert(sequence.steps, sequence);
    for (const key of neededKeys(sequence)) {
      this.countByStepKey.set(key, (this.countByStepKey.get(key) ?? 0) + 1);
    }
  }

  remove(sequence: CompiledSequence): void {
    if (hasGap(sequence)) this.gapped.delete(sequence);
    else if (sequence.ordered) this.prefixes.remove(sequence.steps, sequence);
    for (const key of neededKeys(sequence)) {
      const count = this.countByStepKey.get(key)!;
      if (count === 1) this.countByStepKey.delete(key);
      else this.countByStepKey.set(key, count - 1);
    }
  }

  reduce({ log, newestMicros }: Lead): void {
    const needed = new Set<number>();
    this.needRuns(ROOT, [], log, newestMicros, needed);
    for (const sequence of this.gapped) this.needGappedRuns(sequence, log, newestMicros, needed);
    for (const key of this.countByStepKey.keys()) {
      const position = this.classes.nthLatestBefore(log, classOfKey(key), log.length, rankOfKey(key));
      if (position >= 0) needed.add(position);
    }
    log.retain(needed);
  }

  /** The latest run of every beginning of a sequence with a largest gap. */
  private needGappedRuns(
    { steps, maxGapMicros, windowMicros }: CompiledSequence,
    log: LeadLog,
    newestMicros: number,
    needed: Set<number>,
  ): void {
    const oldestMicros = newestMicros - windowMicros;
    const bounds = { counts: (position: number): boolean => log.timeAt(position) >= oldestMicros };
    const search = new GapSearch(log, this.classes, steps, maxGapMicros, bounds);
    for (let stepCount = 1; stepCount < steps.length; stepCount++) {
      const run = search.latestRun(stepCount);
      if (run === null) return;
      for (const position of run) needed.add(position);
    }
  }

  /** The latest run of every beginning at or below a node that a further event can continue. */
  private needRuns(
    node: TrieNode,
    steps: number[],
    log: LeadLog,
    newestMicros: number,
    needed: Set<number>,
  ): void {
    const { prefixes, classes } = this;
    if (prefixes.firstChild(node) === NO_NODE) return;
    if (node !== ROOT) {
      const start = latestStart(log, classes, steps);
      // What cannot begin, or began too long ago, cannot do so with more steps either.
      if (start < 0 || newestMicros - log.timeAt(start) > prefixes.windowMicrosMax(node)) return;
      let position = start;
      needed.add(position);
      for (let step = 1; step < steps.length; step++) {
        position = classes.earliestAfter(log, steps[step]!, position);
        needed.add(position);
      }
    }
    for (let child = prefixes.firstChild(node); child !== NO_NODE; child = prefixes.nextSibling(child)) {
      steps.push(prefixes.key(child));
      this.needRuns(child, steps, log, newestMicros, needed);
      steps.pop();
    }
  }
}

/** Position of the latest event from which the steps are complete, or -1. */
function latestStart(log: LeadLog, classes: StepClasses, steps: readonly number[]): number {
  let position = log.length;
  for (let step = steps.length - 1; step >= 0 && position >= 0; step--) {
    position = classes.latestBefore(log, steps[step]!, position);
  }
  return position;
}

/** The events that a sequence needs by class and rank, wherever they lie. */
function neededKeys({ ordered, overlaps, steps, excluded }: CompiledSequence): readonly number[] {
  const filling = ordered ? [] : overlaps ? latestKeys(new Set(steps), steps.length) : stepKeys(steps);
  return [...filling, ...stepKeys(excluded)];
}

/** The keys of the latest events, so many, of each class. */
function latestKeys(classes: Iterable<number>, count: number): number[] {
  return [...classes].flatMap((stepClass) =>
    Array.from({ length: count }, (_, index) => stepClass * RANKS + index + 1),
  );
}
