/**
 * So many go on at once, while more are being made: then two threads work side by side also where few attempts are
 * under way. Each message costs some microseconds in both.
 */
const ITEMS_MAX = 3;

/** Hands items on together: when there are some, or at the end of this turn of the event loop. */
export class Bundle<T> {
  readonly #handOn: (items: readonly T[]) => void;
  #items: T[] = [];
  #isScheduled = false;

  constructor(handOn: (items: readonly T[]) => void) {
    this.#handOn = handOn;
  }

  add(item: T): void {
    if (this.#items.push(item) === ITEMS_MAX) this.#flush();
    if (this.#isScheduled || this.#items.length === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (this.#items.length > 0) this.#flush();
    });
  }

  #flush(): void {
    const items = this.#items;
    this.#items = [];
    this.#handOn(items);
  }
}
