const STALL_MS_MAX = 30_000;

/** Waits for so many steps, and not for ever when one does not come. */
export class Countdown {
  /** Resolves at the last step; rejects when none has come for a long time. */
  readonly done: Promise<void>;
  #missing: number;
  #resolve: () => void = () => {};
  #watchdog: NodeJS.Timeout;

  constructor(steps: number) {
    this.#missing = steps;
    let reject: (error: Error) => void = () => {};
    this.done = new Promise<void>((resolve, refuse) => {
      this.#resolve = resolve;
      reject = refuse;
    });
    const giveUp = () => reject(new Error(`${this.#missing} of ${steps} did not come`));
    this.#watchdog = setTimeout(giveUp, STALL_MS_MAX);
    // Whoever waits for it hears of it later; until then it must not count as unhandled.
    this.done.catch(() => {});
  }

  step(): void {
    this.#missing -= 1;
    if (this.#missing > 0) {
      this.#watchdog.refresh();
      return;
    }
    clearTimeout(this.#watchdog);
    this.#resolve();
  }
}
