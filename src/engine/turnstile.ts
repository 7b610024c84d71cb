/**
 * Runs one asynchronous step at a time, in the order of the calls. After a step has failed none runs any
 * more, also none that was waiting already: each rejects with the same error.
 */
export class Turnstile {
  private tail: Promise<unknown> = Promise.resolve();
  private error: Error | null = null;
  private reportFailure: (failure: Error) => void = () => {};
  /** Resolves when a step has failed. */
  readonly failed = new Promise<Error>((resolve) => {
    this.reportFailure = resolve;
  });

  /** Why no step runs any more; null while they do. */
  get failure(): Error | null {
    return this.error;
  }

  run<T>(step: () => Promise<T>): Promise<T> {
    const result = this.tail.then(async () => {
      if (this.error !== null) throw this.error;
      try {
        return await step();
      } catch (error) {
        throw this.fail(error);
      }
    });
    this.tail = result.catch(() => undefined);
    return result;
  }

  /** As if a step had failed, for what a step began and did not wait for. Gives the error that counts: the first. */
  fail(error: unknown): Error {
    if (this.error === null) {
      this.error = error instanceof Error ? error : new Error(String(error));
      this.reportFailure(this.error);
    }
    return this.error;
  }
}
