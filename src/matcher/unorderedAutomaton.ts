import type { CompiledSequence } from './compiledSequence.ts';
import { filterBit } from './filter.ts';
import type { LeadLog } from './leadLog.ts';
import type { CandidateSink } from './orderedAutomaton.ts';
import type { StepClasses } from './stepClasses.ts';
import { classOfKey, RANKS, rankOfKey, stepKeys } from './stepKeys.ts';
import { NO_NODE, ROOT, Trie, type TrieNode } from './trie.ts';

/**
 * All active unordered sequences of an OU as one trie: below each class, the multisets that it can complete.
 *
 * Step keys are sorted, so that equal multisets share one path. The earliest event on the path is the latest
 * possible start (R8). Where classes of a sequence overlap, one event may stand on it twice: then a match has
 * that start or an earlier one, or there is none, which is for the sink to find out.
 */
export class UnorderedAutomaton {
  private readonly trie = new Trie();
  /** Per step key, the walk that found an event for it, and that event's position. */
  private readonly foundInWalk: number[] = [];
  private readonly positionOfKey: number[] = [];
  private readonly keysFound: number[] = [];
  /** Filter of the keys found, low and high word. */
  private foundLow = 0;
  private foundHigh = 0;
  private walks = 0;
  private readonly classes: StepClasses;

  constructor(classes: StepClasses) {
    this.classes = classes;
  }

  add(sequence: CompiledSequence): void {
    for (const path of pathsOf(sequence)) this.trie.insert(path, sequence);
  }

  remove(sequence: CompiledSequence): void {
    for (const path of pathsOf(sequence)) this.trie.remove(path, sequence);
  }

  /** Whether an event of the type can complete some sequence. */
  completes(type: number): boolean {
    const { trie, classes } = this;
    if (classes.isPlain) return trie.child(ROOT, type) !== NO_NODE;
    return classes.classesOf(type).some((stepClass) => trie.child(ROOT, stepClass) !== NO_NODE);
  }

  /** Finds the multisets that the event at position `end` completes. */
  walk(log: LeadLog, end: number, sink: CandidateSink): void {
    const { trie, classes } = this;
    const type = log.typeAt(end);
    if (classes.isPlain) {
      this.walkFrom(trie.child(ROOT, type), log, end, sink);
      return;
    }
    for (const stepClass of classes.classesOf(type)) {
      this.walkFrom(trie.child(ROOT, stepClass), log, end, sink);
    }
  }

  private walkFrom(node: TrieNode, log: LeadLog, end: number, sink: CandidateSink): void {
    if (node === NO_NODE) return;
    if (!log.isIndexed) this.rankEvents(log, end, log.timeAt(end) - this.trie.windowMicrosMax(node));
    this.visit(node, log, end, end, sink);
  }

  private visit(node: TrieNode, log: LeadLog, start: number, end: number, sink: CandidateSink): void {
    const { trie } = this;
    for (const sequence of trie.terminals(node)) sink.consider(sequence, start, end);
    if (trie.firstChild(node) === NO_NODE) return;
    if (log.isIndexed) {
      for (let child = trie.firstChild(node); child !== NO_NODE; child = trie.nextSibling(child)) {
        const key = trie.key(child);
        const position = this.classes.nthLatestBefore(log, classOfKey(key), end + 1, rankOfKey(key));
        if (position >= 0) this.descend(child, log, position, start, end, sink);
      }
      return;
    }
    if (trie.hasAtMost(node, this.keysFound.length)) {
      for (let child = trie.firstChild(node); child !== NO_NODE; child = trie.nextSibling(child)) {
        const key = trie.key(child);
        if (this.foundInWalk[key] !== this.walks) continue;
        this.descend(child, log, this.positionOfKey[key]!, start, end, sink);
      }
      return;
    }
    for (const key of this.keysFound) {
      const child = trie.child(node, key, this.foundLow, this.foundHigh);
      if (child !== NO_NODE) this.descend(child, log, this.positionOfKey[key]!, start, end, sink);
    }
  }

  /** Goes on below a key whose event lies at a position, where the window reaches so far. */
  private descend(
    child: TrieNode,
    log: LeadLog,
    position: number,
    start: number,
    end: number,
    sink: CandidateSink,
  ): void {
    if (log.timeAt(end) - log.timeAt(position) > this.trie.windowMicrosMax(child)) return;
    this.visit(child, log, Math.min(start, position), end, sink);
  }

  /** One scan back from the completing event gives every (class, rank) its position, for short logs. */
  private rankEvents(log: LeadLog, end: number, oldestMicros: number): void {
    const { classes } = this;
    const { isPlain } = classes;
    const walk = ++this.walks;
    this.keysFound.length = 0;
    this.foundLow = 0;
    this.foundHigh = 0;
    for (let position = end; position >= 0 && log.timeAt(position) >= oldestMicros; position--) {
      const type = log.typeAt(position);
      if (isPlain) this.rankEvent(type, position, walk);
      else for (const stepClass of classes.classesOf(type)) this.rankEvent(stepClass, position, walk);
    }
  }

  private rankEvent(stepClass: number, position: number, walk: number): void {
    // Rank 0 is no step: its slot counts the events of the class met so far.
    const countKey = stepClass * RANKS;
    const rank = this.foundInWalk[countKey] === walk ? this.positionOfKey[countKey]! + 1 : 1;
    this.foundInWalk[countKey] = walk;
    this.positionOfKey[countKey] = rank;
    if (rank >= RANKS) return;
    const key = countKey + rank;
    this.foundInWalk[key] = walk;
    this.positionOfKey[key] = position;
    this.keysFound.push(key);
    const bit = filterBit(key);
    if (bit < 32) this.foundLow |= 1 << bit;
    else this.foundHigh |= 1 << (bit & 31);
  }
}

/**
 * One path for each class of a multiset: the class that completes it, then the step keys that remain, sorted;
 * the completing event is rank 1 of its class.
 */
function pathsOf(sequence: CompiledSequence): number[][] {
  const keys = stepKeys(sequence.steps).sort((a, b) => a - b);
  return [...new Set(sequence.steps)].map((completing) => [
    completing,
    ...keys.filter((key) => key !== completing * RANKS + 1),
  ]);
}
