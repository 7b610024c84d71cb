import type { CompiledSequence } from './compiledSequence.ts';
import type { LeadLog } from './leadLog.ts';
import { LogWindow } from './logWindow.ts';
import type { StepClasses } from './stepClasses.ts';
import { NO_NODE, ROOT, Trie, type TrieNode } from './trie.ts';

/** One for all automata, since a walk ends before the next begins. */
const window = new LogWindow();
/** What a visit found, by its depth. */
const foundByDepth: Int32Array[] = [];

/**
 * Takes each sequence that may have a match from `start` to `end`, and has none with a later start. What it leaves
 * open is for the sink to check: window and horizon, gaps, excluded types, and classes that overlap.
 */
export interface CandidateSink {
  consider(sequence: CompiledSequence, start: number, end: number): void;
}

/**
 * All active ordered sequences of an OU as one trie of classes that is read from the last step backwards.
 *
 * There is no state but the lead's log. From the completing event the walk goes back through the log: at each
 * node the latest earlier event of a child's class decides, because choosing later never makes a start earlier.
 * So the position at a terminal is the latest possible start of that sequence (R7), and sequences with a
 * common ending share the work. Gaps and excluded types it leaves to the sink: a run that keeps them is also a
 * run without them.
 */
export class OrderedAutomaton {
  private readonly trie = new Trie();
  private readonly classes: StepClasses;

  constructor(classes: StepClasses) {
    this.classes = classes;
  }

  add(sequence: CompiledSequence): void {
    this.trie.insert(sequence.steps.toReversed(), sequence);
  }

  remove(sequence: CompiledSequence): void {
    this.trie.remove(sequence.steps.toReversed(), sequence);
  }

  /** Whether some sequence ends with a step that accepts the type. */
  endsWith(type: number): boolean {
    const { trie, classes } = this;
    if (classes.isPlain) return trie.child(ROOT, type) !== NO_NODE;
    return classes.classesOf(type).some((stepClass) => trie.child(ROOT, stepClass) !== NO_NODE);
  }

  /**
   * Finds the runs that end at position `end` and contain the event at position `through` (`through` ≤ `end`;
   * equal for an event that arrived in order). Others existed before that event and have been dealt with.
   */
  walk(log: LeadLog, end: number, through: number, sink: CandidateSink): void {
    const { trie, classes } = this;
    const type = log.typeAt(end);
    if (classes.isPlain) {
      this.walkFrom(trie.child(ROOT, type), log, end, through, sink);
      return;
    }
    for (const stepClass of classes.classesOf(type)) {
      this.walkFrom(trie.child(ROOT, stepClass), log, end, through, sink);
    }
  }

  private walkFrom(node: TrieNode, log: LeadLog, end: number, through: number, sink: CandidateSink): void {
    if (node === NO_NODE) return;
    if (log.isIndexed) {
      this.visitIndexed(node, log, end, end, through, sink);
    } else {
      const endMicros = log.timeAt(end);
      window.open(log, end, endMicros - this.trie.windowMicrosMax(node), this.classes);
      this.visit(node, window.end, end, end, endMicros, through, 0, sink);
    }
  }

  /** @param bound the first entry of the event at `position`, or the end of the window. */
  private visit(
    node: TrieNode,
    bound: number,
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
    // Before reaching `through` a run must not step over it.
    let first = position > through ? Math.max(window.first, window.entryAt[through]!) : window.first;
    while (first < bound && window.times[first]! < oldestMicros) first++;
    const found = foundAtDepth(depth);
    const count = trie.childrenIn(node, window, first, bound, found);
    for (let at = 0; at < count; at += 2) {
      const entry = found[at + 1]!;
      const { starts, positions } = window;
      this.visit(found[at]!, starts[entry]!, positions[entry]!, end, endMicros, through, depth + 1, sink);
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
    const { trie, classes } = this;
    for (const sequence of trie.terminals(node)) sink.consider(sequence, position, end);
    const first = position > through ? through : 0;
    const oldestMicros = log.timeAt(end) - trie.windowMicrosMax(node);
    for (let child = trie.firstChild(node); child !== NO_NODE; child = trie.nextSibling(child)) {
      const earlier = classes.latestBefore(log, trie.key(child), position);
      if (earlier >= first && log.timeAt(earlier) >= oldestMicros) {
        this.visitIndexed(child, log, earlier, end, through, sink);
      }
    }
  }
}

function foundAtDepth(depth: number): Int32Array {
  const lengthMin = window.keys.length * 2;
  const found = foundByDepth[depth];
  if (found !== undefined && found.length >= lengthMin) return found;
  const made = new Int32Array(lengthMin);
  foundByDepth[depth] = made;
  return made;
}
