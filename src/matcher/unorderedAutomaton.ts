import type { CompiledSequence } from './compiledSequence.ts';
import type { LeadLog } from './leadLog.ts';
import type { CandidateSink } from './orderedAutomaton.ts';
import { TrieNode } from './trie.ts';

/** Room for ranks in a step key: a sequence has at most 20 steps, so at most 20 of one type. */
const RANKS = 32;

/**
 * All active unordered sequences of an OU: for each type, one trie of the multisets that this type can complete.
 *
 * A step key is (type, rank): "the rank-th latest event of the type, counted back from the completing event".
 * Keys are sorted, so that equal multisets share one path. The completing event is rank 1 of its own type, and
 * the earliest event on the path is the latest possible start (R8).
 */
export class UnorderedAutomaton {
  private readonly rootByType = new Map<number, TrieNode>();
  /** Per step key, the walk that found an event for it, and that event's position. */
  private readonly foundInWalk: number[] = [];
  private readonly positionOfKey: number[] = [];
  private readonly keysFound: number[] = [];
  private walks = 0;

  add(sequence: CompiledSequence): void {
    for (const completing of new Set(sequence.steps)) {
      let root = this.rootByType.get(completing);
      if (root === undefined) {
        root = new TrieNode(completing);
        this.rootByType.set(completing, root);
      }
      root.insert(remainingKeys(sequence, completing), sequence);
    }
  }

  remove(sequence: CompiledSequence): void {
    for (const completing of new Set(sequence.steps)) {
      const root = this.rootByType.get(completing)!;
      root.remove(remainingKeys(sequence, completing), sequence);
      if (root.isEmpty) this.rootByType.delete(completing);
    }
  }

  /** Whether an event of the type can complete some sequence. */
  completes(type: number): boolean {
    return this.rootByType.has(type);
  }

  /** Finds the multisets that the event at position `end` completes. */
  walk(log: LeadLog, end: number, sink: CandidateSink): void {
    const root = this.rootByType.get(log.types[end]!);
    if (root === undefined) return;
    if (!log.isIndexed) this.rankEvents(log, end, log.times[end]! - root.windowMicrosMax);
    this.visit(root, log, end, end, sink);
  }

  private visit(node: TrieNode, log: LeadLog, start: number, end: number, sink: CandidateSink): void {
    for (const sequence of node.terminals) sink.consider(sequence, start, end);
    if (node.childList.length === 0) return;
    if (log.isIndexed || node.childList.length <= this.keysFound.length) {
      for (const child of node.childList) this.descend(child, log, start, end, sink);
      return;
    }
    for (const key of this.keysFound) {
      const child = node.children.get(key);
      if (child !== undefined) this.descend(child, log, start, end, sink);
    }
  }

  private descend(child: TrieNode, log: LeadLog, start: number, end: number, sink: CandidateSink): void {
    const position = log.isIndexed
      ? log.nthLatestBefore(Math.floor(child.key / RANKS), end + 1, child.key % RANKS)
      : this.foundInWalk[child.key] === this.walks
        ? this.positionOfKey[child.key]!
        : -1;
    if (position < 0 || log.times[end]! - log.times[position]! > child.windowMicrosMax) return;
    this.visit(child, log, Math.min(start, position), end, sink);
  }

  /** One scan back from the completing event gives every (type, rank) its position, for short logs. */
  private rankEvents(log: LeadLog, end: number, oldestMicros: number): void {
    const walk = ++this.walks;
    this.keysFound.length = 0;
    for (let position = end; position >= 0 && log.times[position]! >= oldestMicros; position--) {
      const type = log.types[position]!;
      // Rank 0 is no step: its slot counts the events of the type met so far.
      const countKey = type * RANKS;
      const rank = this.foundInWalk[countKey] === walk ? this.positionOfKey[countKey]! + 1 : 1;
      this.foundInWalk[countKey] = walk;
      this.positionOfKey[countKey] = rank;
      if (rank >= RANKS) continue;
      const key = countKey + rank;
      this.foundInWalk[key] = walk;
      this.positionOfKey[key] = position;
      this.keysFound.push(key);
    }
  }
}

/** The sorted step keys of a multiset without the completing event, which is rank 1 of its type. */
function remainingKeys(sequence: CompiledSequence, completing: number): number[] {
  const ranks = new Map<number, number>();
  const keys: number[] = [];
  for (const type of sequence.steps) {
    const rank = (ranks.get(type) ?? 0) + 1;
    ranks.set(type, rank);
    if (type !== completing || rank > 1) keys.push(type * RANKS + rank);
  }
  return keys.sort((a, b) => a - b);
}
