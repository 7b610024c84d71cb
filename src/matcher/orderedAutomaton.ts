import type { CompiledSequence } from './compiledSequence.ts';
import type { LeadLog } from './leadLog.ts';
import { NO_NODE, ROOT, Trie, type TrieNode } from './trie.ts';

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
  private readonly trie = new Trie();
  /** Per depth, the visit in which a type was last met: a scan takes only the latest event of each type. */
  private readonly metInVisit: number[][] = [];
  private visits = 0;

  add(sequence: CompiledSequence): void {
    this.trie.insert(sequence.steps.toReversed(), sequence);
  }

  remove(sequence: CompiledSequence): void {
    this.trie.remove(sequence.steps.toReversed(), sequence);
  }

  /** Whether some sequence ends with the type. */
  endsWith(type: number): boolean {
    return this.trie.child(ROOT, type) !== NO_NODE;
  }

  /**
   * Finds the runs that end at position `end` and contain the event at position `through` (`through` ≤ `end`;
   * equal for an event that arrived in order). Others existed before that event and have been dealt with.
   */
  walk(log: LeadLog, end: number, through: number, sink: CandidateSink): void {
    const node = this.trie.child(ROOT, log.typeAt(end));
    if (node !== NO_NODE) this.visit(node, log, end, end, through, 0, sink);
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
    const { trie } = this;
    for (const sequence of trie.terminals(node)) sink.consider(sequence, position, end);
    if (trie.firstChild(node) === NO_NODE) return;
    // Before reaching `through` a run must not step over it.
    const first = position > through ? through : 0;
    const oldestMicros = log.timeAt(end) - trie.windowMicrosMax(node);
    if (log.isIndexed) {
      for (let child = trie.firstChild(node); child !== NO_NODE; child = trie.nextSibling(child)) {
        const earlier = log.latestBefore(trie.key(child), position);
        if (earlier >= first && log.timeAt(earlier) >= oldestMicros) {
          this.visit(child, log, earlier, end, through, depth + 1, sink);
        }
      }
      return;
    }
    const visit = ++this.visits;
    this.metInVisit[depth] ??= [];
    const met = this.metInVisit[depth];
    for (let earlier = position - 1; earlier >= first && log.timeAt(earlier) >= oldestMicros; earlier--) {
      const type = log.typeAt(earlier);
      const child = trie.child(node, type);
      if (child === NO_NODE || met[type] === visit) continue;
      met[type] = visit;
      this.visit(child, log, earlier, end, through, depth + 1, sink);
    }
  }
}
