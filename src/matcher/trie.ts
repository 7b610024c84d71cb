import type { CompiledSequence } from './compiledSequence.ts';
import { filterBit } from './filter.ts';
import type { LogWindow } from './logWindow.ts';

/** A node of a trie, by its number. */
export type TrieNode = number;

/** No node; what a look-up that finds nothing gives. */
export const NO_NODE: TrieNode = 0;
export const ROOT: TrieNode = 1;

/** A node takes eight 32-bit integers, which is half a cache line. */
const INTS = 8;
const KEY = 0;
const PARENT = 1;
const FIRST_CHILD = 2;
const NEXT_SIBLING = 3;
const PREVIOUS_SIBLING = 4;
const FILTER = 5;
const HAS_TERMINALS = 7;

/** An edge takes four: a hash of (node, key), the child, and a copy of the child's filter. */
const EDGE_SHIFT = 2;
const EDGE_INTS = 1 << EDGE_SHIFT;
const TAG = 0;
const CHILD = 1;
const CHILD_FILTER = 2;
/** The highest bit of an edge's filter: some path ends at the child. */
const ENDS = 1 << 31;

/** Small, because every OU has tries and anybody who may publish can name OUs. */
const NODES_MIN = 2;
const EDGES_MIN = 2;
const EDGES_LOAD_MAX = 0.6;
/** From so many entries on, a node with less than a fourth as many children has each of them looked for instead. */
const MANY_ENTRIES = 16;
const FEW_CHILDREN_SHIFT = 2;
const NO_TERMINALS: readonly CompiledSequence[] = [];

/**
 * A trie of step keys (small integers). Sequences with a common beginning of their path share its nodes.
 *
 * Nodes lie in one flat array, and edges in one hash table with linear probing: tens of thousands of nodes as
 * objects with maps would not fit the processor's caches. A node's filter is 64 bits with one set for each
 * key that leads on from it (a Bloom filter with one hash function). An edge carries that of its child,
 * and whether some path ends there, so that most nodes from which nothing leads on are not even read.
 */
export class Trie {
  private nodes = new Int32Array(NODES_MIN * INTS);
  /** Largest window of any sequence at or below a node: what lies further back cannot matter there. */
  private windowsMicrosMax = new Float64Array(NODES_MIN);
  private edges = new Int32Array(EDGES_MIN << EDGE_SHIFT);
  private nodeCount = 2;
  private readonly vacantNodes: TrieNode[] = [];
  private readonly terminalsByNode: (CompiledSequence[] | undefined)[] = [];

  /**
   * The child of a node by its key, or NO_NODE. With a filter of the keys that could come after it, low and
   * high word, also NO_NODE when no path ends at the child and none goes on with any of them.
   */
  child(node: TrieNode, key: number, nextLow = -1, nextHigh = -1): TrieNode {
    const { nodes, edges } = this;
    const bit = filterBit(key);
    if ((nodes[node * INTS + FILTER + (bit >>> 5)]! & (1 << (bit & 31))) === 0) return NO_NODE;
    const tag = edgeTag(node, key);
    const mask = edges.length - 1;
    for (let at = (tag << EDGE_SHIFT) & mask; ; at = (at + EDGE_INTS) & mask) {
      const child = edges[at + CHILD]!;
      if (child === NO_NODE) return NO_NODE;
      if (edges[at + TAG] !== tag) continue;
      if (((edges[at + CHILD_FILTER]! & nextLow) | (edges[at + CHILD_FILTER + 1]! & (nextHigh | ENDS))) === 0)
        continue;
      if (nodes[child * INTS + KEY] === key && nodes[child * INTS + PARENT] === node) return child;
    }
  }

  /** Whether a node has no more children than so many. */
  hasAtMost(node: TrieNode, count: number): boolean {
    let child = this.firstChild(node);
    for (let left = count; left > 0 && child !== NO_NODE; left--) child = this.nextSibling(child);
    return child === NO_NODE;
  }

  /**
   * The children of a node whose keys are the classes of a window's entries, each by the latest entry of its
   * class from `first` up to before `bound`, with entries. What `child` does for many keys at once.
   *
   * @param found receives child and entry in turn; returns how many numbers it got.
   */
  childrenIn(node: TrieNode, window: LogWindow, first: number, bound: number, found: Int32Array): number {
    const entries = bound - first;
    if (entries >= MANY_ENTRIES && this.hasAtMost(node, entries >>> FEW_CHILDREN_SHIFT)) {
      return this.fewChildrenIn(node, window, first, bound, found);
    }
    const { nodes, edges } = this;
    const { keys, bits, nextOfKey, beforeLow, beforeHigh } = window;
    const mask = edges.length - 1;
    const low = nodes[node * INTS + FILTER]!;
    const high = nodes[node * INTS + FILTER + 1]!;
    let count = 0;
    for (let earlier = bound - 1; earlier >= first; earlier--) {
      const bit = bits[earlier]!;
      if (((bit < 32 ? low : high) & (1 << (bit & 31))) === 0 || nextOfKey[earlier]! < bound) continue;
      const nextLow = beforeLow[earlier]!;
      const nextHigh = beforeHigh[earlier]! | ENDS;
      const key = keys[earlier]!;
      const tag = edgeTag(node, key);
      for (let at = (tag << EDGE_SHIFT) & mask; ; at = (at + EDGE_INTS) & mask) {
        const child = edges[at + CHILD]!;
        if (child === NO_NODE) break;
        if (edges[at + TAG] !== tag) continue;
        if (((edges[at + CHILD_FILTER]! & nextLow) | (edges[at + CHILD_FILTER + 1]! & nextHigh)) === 0)
          continue;
        if (nodes[child * INTS + KEY] !== key || nodes[child * INTS + PARENT] !== node) continue;
        found[count] = child;
        found[count + 1] = earlier;
        count += 2;
        break;
      }
    }
    return count;
  }

  /** The same by going through the children. */
  private fewChildrenIn(
    node: TrieNode,
    window: LogWindow,
    first: number,
    bound: number,
    found: Int32Array,
  ): number {
    let count = 0;
    for (let child = this.firstChild(node); child !== NO_NODE; child = this.nextSibling(child)) {
      const earlier = window.latestBefore(this.key(child), bound);
      if (earlier < first) continue;
      found[count] = child;
      found[count + 1] = earlier;
      count += 2;
    }
    return count;
  }

  firstChild(node: TrieNode): TrieNode {
    return this.nodes[node * INTS + FIRST_CHILD]!;
  }

  nextSibling(node: TrieNode): TrieNode {
    return this.nodes[node * INTS + NEXT_SIBLING]!;
  }

  key(node: TrieNode): number {
    return this.nodes[node * INTS + KEY]!;
  }

  /** Sequences whose path ends at the node. */
  terminals(node: TrieNode): readonly CompiledSequence[] {
    return this.hasTerminals(node) ? this.terminalsByNode[node]! : NO_TERMINALS;
  }

  windowMicrosMax(node: TrieNode): number {
    return this.windowsMicrosMax[node]!;
  }

  insert(path: readonly number[], sequence: CompiledSequence): void {
    let node = ROOT;
    this.widen(node, sequence.windowMicros);
    for (const key of path) {
      const child = this.child(node, key);
      node = child === NO_NODE ? this.addChild(node, key) : child;
      this.widen(node, sequence.windowMicros);
    }
    const terminals = this.terminalsByNode[node];
    if (terminals === undefined) this.setTerminals(node, [sequence]);
    else terminals.push(sequence);
  }

  /** Removes a sequence that was inserted with the same path. */
  remove(path: readonly number[], sequence: CompiledSequence): void {
    let node = ROOT;
    for (const key of path) node = this.child(node, key);
    const terminals = this.terminalsByNode[node]!;
    removeItem(terminals, sequence);
    if (terminals.length === 0) this.setTerminals(node, undefined);
    while (node !== NO_NODE) {
      const parent = this.nodes[node * INTS + PARENT]!;
      if (node !== ROOT && this.firstChild(node) === NO_NODE && !this.hasTerminals(node)) {
        this.removeNode(node);
      } else {
        this.narrow(node);
      }
      node = parent;
    }
  }

  private setTerminals(node: TrieNode, terminals: CompiledSequence[] | undefined): void {
    this.terminalsByNode[node] = terminals;
    this.nodes[node * INTS + HAS_TERMINALS] = terminals === undefined ? 0 : 1;
    this.copyFilter(node);
  }

  private hasTerminals(node: TrieNode): boolean {
    return this.nodes[node * INTS + HAS_TERMINALS] === 1;
  }

  private widen(node: TrieNode, windowMicros: number): void {
    if (windowMicros > this.windowsMicrosMax[node]!) this.windowsMicrosMax[node] = windowMicros;
  }

  private narrow(node: TrieNode): void {
    let windowMicrosMax = 0;
    for (const { windowMicros } of this.terminals(node)) {
      windowMicrosMax = Math.max(windowMicrosMax, windowMicros);
    }
    for (let child = this.firstChild(node); child !== NO_NODE; child = this.nextSibling(child)) {
      windowMicrosMax = Math.max(windowMicrosMax, this.windowsMicrosMax[child]!);
    }
    this.windowsMicrosMax[node] = windowMicrosMax;
  }

  private addChild(parent: TrieNode, key: number): TrieNode {
    const node = this.vacantNodes.pop() ?? this.nodeCount++;
    if (node * INTS >= this.nodes.length) this.growNodes();
    if (node > (this.edges.length >>> EDGE_SHIFT) * EDGES_LOAD_MAX) this.growEdges();
    const { nodes } = this;
    const next = nodes[parent * INTS + FIRST_CHILD]!;
    nodes.fill(0, node * INTS, (node + 1) * INTS);
    nodes[node * INTS + KEY] = key;
    nodes[node * INTS + PARENT] = parent;
    nodes[node * INTS + NEXT_SIBLING] = next;
    if (next !== NO_NODE) nodes[next * INTS + PREVIOUS_SIBLING] = node;
    nodes[parent * INTS + FIRST_CHILD] = node;
    this.windowsMicrosMax[node] = 0;
    this.addEdge(node);
    this.addToFilter(parent, key);
    this.copyFilter(parent);
    return node;
  }

  private removeNode(node: TrieNode): void {
    this.removeEdge(node);
    const { nodes } = this;
    const parent = nodes[node * INTS + PARENT]!;
    const next = nodes[node * INTS + NEXT_SIBLING]!;
    const previous = nodes[node * INTS + PREVIOUS_SIBLING]!;
    if (next !== NO_NODE) nodes[next * INTS + PREVIOUS_SIBLING] = previous;
    if (previous !== NO_NODE) nodes[previous * INTS + NEXT_SIBLING] = next;
    else nodes[parent * INTS + FIRST_CHILD] = next;
    nodes[parent * INTS + FILTER] = 0;
    nodes[parent * INTS + FILTER + 1] = 0;
    for (let child = this.firstChild(parent); child !== NO_NODE; child = this.nextSibling(child)) {
      this.addToFilter(parent, this.key(child));
    }
    this.copyFilter(parent);
    this.vacantNodes.push(node);
  }

  private addToFilter(node: TrieNode, key: number): void {
    const bit = filterBit(key);
    this.nodes[node * INTS + FILTER + (bit >>> 5)]! |= 1 << (bit & 31);
  }

  /** Brings the copy of a node's filter in its edge up to date. */
  private copyFilter(node: TrieNode): void {
    if (node === ROOT) return;
    const { nodes, edges } = this;
    const at = this.edgeOf(node);
    edges[at + CHILD_FILTER] = nodes[node * INTS + FILTER]!;
    edges[at + CHILD_FILTER + 1] = nodes[node * INTS + FILTER + 1]! | (this.hasTerminals(node) ? ENDS : 0);
  }

  private tagOf(node: TrieNode): number {
    return edgeTag(this.nodes[node * INTS + PARENT]!, this.nodes[node * INTS + KEY]!);
  }

  /** Where the edge to a node stands, or the vacant place where it belongs. */
  private edgeOf(node: TrieNode): number {
    const { edges } = this;
    const mask = edges.length - 1;
    let at = (this.tagOf(node) << EDGE_SHIFT) & mask;
    while (edges[at + CHILD] !== node && edges[at + CHILD] !== NO_NODE) at = (at + EDGE_INTS) & mask;
    return at;
  }

  private addEdge(node: TrieNode): void {
    const at = this.edgeOf(node);
    this.edges[at + TAG] = this.tagOf(node);
    this.edges[at + CHILD] = node;
    this.copyFilter(node);
  }

  /** Closes the gap as Knuth's algorithm R (6.4) does, so that no search stops too early. */
  private removeEdge(node: TrieNode): void {
    const { edges } = this;
    const mask = edges.length - 1;
    let gap = this.edgeOf(node);
    for (let at = (gap + EDGE_INTS) & mask; edges[at + CHILD] !== NO_NODE; at = (at + EDGE_INTS) & mask) {
      const home = (edges[at + TAG]! << EDGE_SHIFT) & mask;
      if (((at - home) & mask) < ((at - gap) & mask)) continue;
      edges.copyWithin(gap, at, at + EDGE_INTS);
      gap = at;
    }
    edges[gap + CHILD] = NO_NODE;
  }

  private growNodes(): void {
    const nodes = new Int32Array(this.nodes.length * 2);
    nodes.set(this.nodes);
    this.nodes = nodes;
    const windows = new Float64Array(this.windowsMicrosMax.length * 2);
    windows.set(this.windowsMicrosMax);
    this.windowsMicrosMax = windows;
  }

  private growEdges(): void {
    const { edges } = this;
    this.edges = new Int32Array(edges.length * 2);
    for (let at = 0; at < edges.length; at += EDGE_INTS) {
      if (edges[at + CHILD] !== NO_NODE) this.addEdge(edges[at + CHILD]!);
    }
  }
}

/** Two odd multipliers (of MurmurHash3, Austin Appleby, public domain) spread node and key over all bits. */
function edgeTag(node: TrieNode, key: number): number {
  const mixed = Math.imul(node, 0xcc9e2d51) ^ Math.imul(key, 0x1b873593);
  return mixed ^ (mixed >>> 15);
}

/** Removes one item by moving the last into its place; the order of these lists carries no meaning. */
function removeItem<T>(items: T[], item: T): void {
  const index = items.indexOf(item);
  const last = items.pop()!;
  if (index < items.length) items[index] = last;
}
