import type { CompiledSequence } from './compiledSequence.ts';
import type { LeadLog } from './leadLog.ts';
import { TrieNode } from './trie.ts';

/** Takes each sequence that has a run from `start` to `end`; window and horizon are still to be checked. */
export interface CandidateSink {
  consider(sequence: CompiledSequence, start: number, end: number): void;
}

/**
 * All active ordered sequences of an OU as one trie that is read from the last step backwards.
 *
 * There is no state but the lead's log. From the completing event the walk goes back through the log: at each
 * node the latest earlier event of a child's type decides, because choosing later never makes a start earlier.
 * So the position at a terminal is the latest possible start of that sequence (R7), and sequences with a
 * common ending share the work.
 */
export class OrderedAutomaton {
  private readonly root = new TrieNode(-1);
  /** Per depth, the visit in which a type was last met: a scan takes only the latest event of each type. */
  private readonly metInVisit: number[][] = [];
  private visits = 0;

  add(sequence: CompiledSequence): void {
    this.root.insert(sequence.steps.toReversed(), sequence);
  }

  remove(sequence: CompiledSequence): void {
    this.root.remove(sequence.steps.toReversed(), sequence);
  }

  /** Whether some sequence ends with the type. */
  endsWith(type: number): boolean {
    return this.root.children.has(type);
  }

  /**
   * Finds the runs that end at position `end` and contain the event at position `through` (`through` ≤ `end`;
   * equal for an event that arrived in order). Others existed before that event and have been dealt with.
   */
  walk(log: LeadLog, end: number, through: number, sink: CandidateSink): void {
    const node = this.root.children.get(log.types[end]!);
    if (node !== undefined) this.visit(node, log, end, end, through, 0, sink);
  }

  private visit(
    node: TrieNode,
    log: LeadLog,
    position: number,
    end: number,
    through: number,
    depth: number,
    sink: CandidateSink,
  ): void {
    for (const sequence of node.terminals) sink.consider(sequence, position, end);
    if (node.childList.length === 0) return;
    // Before reaching `through` a run must not step over it.
    const first = position > through ? through : 0;
    const oldestMicros = log.times[end]! - node.windowMicrosMax;
    if (log.isIndexed) {
      for (const child of node.childList) {
        const earlier = log.latestBefore(child.key, position);
        if (earlier >= first && log.times[earlier]! >= oldestMicros) {
          this.visit(child, log, earlier, end, through, depth + 1, sink);
        }
      }
      return;
    }
    const visit = ++this.visits;
    this.metInVisit[depth] ??= [];
    const met = this.metInVisit[depth];
    for (let earlier = position - 1; earlier >= first && log.times[earlier]! >= oldestMicros; earlier--) {
      const type = log.types[earlier]!;
      if (met[type] === visit) continue;
      met[type] = visit;
      const child = node.children.get(type);
      if (child !== undefined) this.visit(child, log, earlier, end, through, depth + 1, sink);
    }
  }
}
