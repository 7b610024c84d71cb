import type { CompiledSequence } from './compiledSequence.ts';
import { INDEXED_LENGTH_MIN, type LeadLog } from './leadLog.ts';
import { LogWindow } from './logWindow.ts';
import { NO_NODE, ROOT, Trie, type TrieNode } from './trie.ts';

/** One for all automata, since a walk ends before the next begins. */
const window = new LogWindow();
/** What a visit found, by its depth. */
const foundByDepth: Int32Array[] = [];

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
    const { trie } = this;
    const node = trie.child(ROOT, log.typeAt(end));
    if (node === NO_NODE) return;
    if (log.isIndexed) {
      this.visitIndexed(node, log, end, end, through, sink);
    } else {
      const endMicros = log.timeAt(end);
      window.open(log, end, endMicros - trie.windowMicrosMax(node));
      this.visit(node, end, end, endMicros, through, 0, sink);
    }
  }

  private visit(
    node: TrieNode,
    position: number,
    end: number,
    endMicros: number,
    through: number,
    depth: number,
    sink: CandidateSink,
  ): void {
    const { trie } = this;
    for (const sequence of trie.terminals(node)) sink.consider(sequence, position, end);
    if (trie.firstChild(node) === NO_NODE) return;
    const oldestMicros = endMicros - trie.windowMicrosMax(node);
    let first = Math.max(window.first, firstReached(position, through));
    while (first < position && window.times[first]! < oldestMicros) first++;
    const found = foundAtDepth(depth);
    const count = trie.childrenIn(node, window, first, position, found);
    for (let at = 0; at < count; at += 2) {
      this.visit(found[at]!, found[at + 1]!, end, endMicros, through, depth + 1, sink);
    }
  }

  private visitIndexed(
    node: TrieNode,
    log: LeadLog,
    position: number,
    end: number,
    through: number,
    sink: CandidateSink,
  ): void {
    const { trie } = this;
    for (const sequence of trie.terminals(node)) sink.consider(sequence, position, end);
    const first = firstReached(position, through);
    const oldestMicros = log.timeAt(end) - trie.windowMicrosMax(node);
    for (let child = trie.firstChild(node); child !== NO_NODE; child = trie.nextSibling(child)) {
      const earlier = log.latestBefore(trie.key(child), position);
      if (earlier >= first && log.timeAt(earlier) >= oldestMicros) {
        this.visitIndexed(child, log, earlier, end, through, sink);
      }
    }
  }
}

function foundAtDepth(depth: number): Int32Array {
  const found = foundByDepth[depth];
  if (found !== undefined) return found;
  const made = new Int32Array(INDEXED_LENGTH_MIN * 2);
  foundByDepth.push(made);
  return made;
}

/** Before reaching `through` a run must not step over it. */
function firstReached(position: number, through: number): number {
  return position > through ? through : 0;
}
