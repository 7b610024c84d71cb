/** Durations of one kind, in microseconds; `at(0.99)` is the 99th percentile. */
export class Durations {
  private readonly micros: number[] = [];
  private isSorted = true;

  add(micros: number): void {
    this.micros.push(micros);
    this.isSorted = false;
  }

  get count(): number {
    return this.micros.length;
  }

  /** The smallest duration that at least this share of them does not exceed; NaN without any. */
  at(share: number): number {
    if (!this.isSorted) this.micros.sort((a, b) => a - b);
    this.isSorted = true;
    return this.micros[Math.max(0, Math.ceil(share * this.micros.length) - 1)] ?? Number.NaN;
  }
}
