import type { CompiledSequence } from './compiledSequence.ts';

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
/** 64 bits, one for each key modulo 64: most keys that are no child's are told without a look-up. */
const FILTER = 5;
const HAS_TERMINALS = 7;

const NODES_MIN = 16;
const EDGES_MIN = 32;
const EDGES_LOAD_MAX = 0.5;
const NO_TERMINALS: readonly CompiledSequence[] = [];

/**
 * A trie of step keys (small integers). Sequences with a common beginning of their path share its nodes.
 *
 * Nodes lie in one flat array and edges in one hash table from (node, key) to the child, with linear
 * probing: tens of thousands of nodes as objects with maps would not fit the processor's caches.
 */
export class Trie {
  private nodes = new Int32Array(NODES_MIN * INTS);
  /** Largest window of any sequence at or below a node: what lies further back cannot matter there. */
  private windowsMicrosMax = new Float64Array(NODES_MIN);
  private edges = new Int32Array(EDGES_MIN);
  private nodeCount = 2;
  private readonly vacantNodes: TrieNode[] = [];
  private readonly terminalsByNode: (CompiledSequence[] | undefined)[] = [];

  get isEmpty(): boolean {
    return this.nodes[ROOT * INTS + FIRST_CHILD] === NO_NODE && !this.hasTerminals(ROOT);
  }

  /** The child of a node by its key, or NO_NODE. */
  child(node: TrieNode, key: number): TrieNode {
    const { nodes, edges } = this;
    if ((nodes[node * INTS + FILTER + ((key >>> 5) & 1)]! & (1 << (key & 31))) === 0) return NO_NODE;
    const mask = edges.length - 1;
    for (let at = edgeSlot(node, key, mask); ; at = (at + 1) & mask) {
      const child = edges[at]!;
      if (child === NO_NODE) return NO_NODE;
      if (nodes[child * INTS + KEY] === key && nodes[child * INTS + PARENT] === node) return child;
    }
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
    this.nodes[node * INTS + HAS_TERMINALS] = 1;
    const terminals = this.terminalsByNode[node];
    if (terminals === undefined) this.terminalsByNode[node] = [sequence];
    else terminals.push(sequence);
  }

  /** Removes a sequence that was inserted with the same path. */
  remove(path: readonly number[], sequence: CompiledSequence): void {
    let node = ROOT;
    for (const key of path) node = this.child(node, key);
    const terminals = this.terminalsByNode[node]!;
    removeItem(terminals, sequence);
    if (terminals.length === 0) {
      this.terminalsByNode[node] = undefined;
      this.nodes[node * INTS + HAS_TERMINALS] = 0;
    }
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
    if (node > this.edges.length * EDGES_LOAD_MAX) this.growEdges();
    const { nodes } = this;
    const next = nodes[parent * INTS + FIRST_CHILD]!;
    nodes.fill(0, node * INTS, (node + 1) * INTS);
    nodes[node * INTS + KEY] = key;
    nodes[node * INTS + PARENT] = parent;
    nodes[node * INTS + NEXT_SIBLING] = next;
    if (next !== NO_NODE) nodes[next * INTS + PREVIOUS_SIBLING] = node;
    nodes[parent * INTS + FIRST_CHILD] = node;
    this.addToFilter(parent, key);
    this.windowsMicrosMax[node] = 0;
    this.addEdge(node);
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
    this.vacantNodes.push(node);
  }

  private addToFilter(node: TrieNode, key: number): void {
    this.nodes[node * INTS + FILTER + ((key >>> 5) & 1)]! |= 1 << (key & 31);
  }

  private addEdge(node: TrieNode): void {
    const { edges } = this;
    const mask = edges.length - 1;
    let at = this.homeOf(node);
    while (edges[at] !== NO_NODE) at = (at + 1) & mask;
    edges[at] = node;
  }

  /** Closes the gap as Knuth's algorithm R (6.4) does, so that no search stops too early. */
  private removeEdge(node: TrieNode): void {
    const { edges } = this;
    const mask = edges.length - 1;
    let gap = this.homeOf(node);
    while (edges[gap] !== node) gap = (gap + 1) & mask;
    for (let at = (gap + 1) & mask; edges[at] !== NO_NODE; at = (at + 1) & mask) {
      if (((at - this.homeOf(edges[at]!)) & mask) < ((at - gap) & mask)) continue;
      edges[gap] = edges[at]!;
      gap = at;
    }
    edges[gap] = NO_NODE;
  }

  private homeOf(node: TrieNode): number {
    const { nodes } = this;
    return edgeSlot(nodes[node * INTS + PARENT]!, nodes[node * INTS + KEY]!, this.edges.length - 1);
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
    for (const node of edges) if (node !== NO_NODE) this.addEdge(node);
  }
}

/** Two odd multipliers (of MurmurHash3, Austin Appleby, public domain) spread node and key over all bits. */
function edgeSlot(node: TrieNode, key: number, mask: number): number {
  const mixed = Math.imul(node, 0xcc9e2d51) ^ Math.imul(key, 0x1b873593);
  return (mixed ^ (mixed >>> 15)) & mask;
}

/** Removes one item by moving the last into its place; the order of these lists carries no meaning. */
function removeItem<T>(items: T[], item: T): void {
  const index = items.indexOf(item);
  const last = items.pop()!;
  if (index < items.length) items[index] = last;
}
