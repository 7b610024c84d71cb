import type { CompiledSequence } from './compiledSequence.ts';

/** A node of a trie of step keys. Sequences with a common beginning of their path share its nodes. */
export class TrieNode {
  readonly key: number;
  readonly children = new Map<number, TrieNode>();
  /** The same children as a list: iterating it is cheaper than iterating the map. */
  readonly childList: TrieNode[] = [];
  /** Sequences whose path ends here. */
  readonly terminals: CompiledSequence[] = [];
  /** Largest window of any sequence at or below this node: what lies further back cannot matter here. */
  windowMicrosMax = 0;

  constructor(key: number) {
    this.key = key;
  }

  get isEmpty(): boolean {
    return this.terminals.length === 0 && this.childList.length === 0;
  }

  insert(path: readonly number[], sequence: CompiledSequence, depth = 0): void {
    this.windowMicrosMax = Math.max(this.windowMicrosMax, sequence.windowMicros);
    const key = path[depth];
    if (key === undefined) {
      this.terminals.push(sequence);
      return;
    }
    let child = this.children.get(key);
    if (child === undefined) {
      child = new TrieNode(key);
      this.children.set(key, child);
      this.childList.push(child);
    }
    child.insert(path, sequence, depth + 1);
  }

  remove(path: readonly number[], sequence: CompiledSequence, depth = 0): void {
    const key = path[depth];
    if (key === undefined) {
      removeItem(this.terminals, sequence);
    } else {
      const child = this.children.get(key)!;
      child.remove(path, sequence, depth + 1);
      if (child.isEmpty) {
        this.children.delete(key);
        removeItem(this.childList, child);
      }
    }
    let windowMicrosMax = 0;
    for (const terminal of this.terminals) windowMicrosMax = Math.max(windowMicrosMax, terminal.windowMicros);
    for (const child of this.childList) windowMicrosMax = Math.max(windowMicrosMax, child.windowMicrosMax);
    this.windowMicrosMax = windowMicrosMax;
  }
}

/** Removes one item by moving the last into its place; the order of these lists carries no meaning. */
function removeItem<T>(items: T[], item: T): void {
  const index = items.indexOf(item);
  const last = items.pop()!;
  if (index < items.length) items[index] = last;
}
