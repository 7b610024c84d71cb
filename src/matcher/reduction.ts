import type { CompiledSequence } from './compiledSequence.ts';
import type { Lead } from './lead.ts';
import type { LeadLog } from './leadLog.ts';
import { rankOfKey, stepKeys, typeOfKey } from './stepKeys.ts';
import { NO_NODE, ROOT, Trie, type TrieNode } from './trie.ts';

/**
 * Reduces a lead's log to the events that some match can still report when all further events arrive in
 * order (R15). What goes can never be part of such a match:
 *
 * - Ordered: of a match whose first k steps lie in the log, the log contributes the latest start from which
 *   those k steps are complete, and from there the earliest event of each next step (R7). So for every k < n
 *   that run stays; sequences that begin alike need the same runs.
 * - Unordered: a match takes the latest events of each type (R8). So of each type as many stay as the
 *   sequence that lists it most often needs.
 *
 * The size of the result depends on the sequences alone, not on the length of the log. Inactive sequences
 * count, because what is held while they are inactive counts when they are active again (R17).
 */
export class Reduction {
  /** The ordered sequences, read from the first step on. */
  private readonly prefixes = new Trie();
  /** Step keys of the unordered sequences, with the number of sequences that have each. */
  private readonly countByStepKey = new Map<number, number>();

  add(sequence: CompiledSequence): void {
    if (sequence.ordered) {
      this.prefixes.insert(sequence.steps, sequence);
      return;
    }
    for (const key of stepKeys(sequence.steps)) {
      this.countByStepKey.set(key, (this.countByStepKey.get(key) ?? 0) + 1);
    }
  }

  remove(sequence: CompiledSequence): void {
    if (sequence.ordered) {
      this.prefixes.remove(sequence.steps, sequence);
      return;
    }
    for (const key of stepKeys(sequence.steps)) {
      const count = this.countByStepKey.get(key)!;
      if (count === 1) this.countByStepKey.delete(key);
      else this.countByStepKey.set(key, count - 1);
    }
  }

  reduce({ log, newestMicros }: Lead): void {
    const needed = new Set<number>();
    this.needRuns(ROOT, [], log, newestMicros, needed);
    for (const key of this.countByStepKey.keys()) {
      const position = log.nthLatestBefore(typeOfKey(key), log.length, rankOfKey(key));
      if (position >= 0) needed.add(position);
    }
    log.retain(needed);
  }

  /** The latest run of every beginning at or below a node that a further event can continue. */
  private needRuns(
    node: TrieNode,
    steps: number[],
    log: LeadLog,
    newestMicros: number,
    needed: Set<number>,
  ): void {
    const { prefixes } = this;
    if (prefixes.firstChild(node) === NO_NODE) return;
    if (node !== ROOT) {
      const start = latestStart(log, steps);
      // What cannot begin, or began too long ago, cannot do so with more steps either.
      if (start < 0 || newestMicros - log.timeAt(start) > prefixes.windowMicrosMax(node)) return;
      let position = start;
      needed.add(position);
      for (let step = 1; step < steps.length; step++) {
        position = log.earliestAfter(steps[step]!, position);
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
function latestStart(log: LeadLog, steps: readonly number[]): number {
  let position = log.length;
  for (let step = steps.length - 1; step >= 0 && position >= 0; step--) {
    position = log.latestBefore(steps[step]!, position);
  }
  return position;
}
