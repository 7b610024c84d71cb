/** Lines that wait are written at this many characters at the latest. */
const WAITING_CHARS_MAX = 64 * 1024;

/**
 * Writes the lines that one synchronous run of code logs with one call of the system, as soon as the run ends and
 * before anything else happens: hundreds of lines may come at once, and each call costs as much as making a line.
 */
export class LinesTogether {
  readonly #destination: { write(text: string): unknown };
  #waiting = '';

  /** @param destination writes before it returns */
  constructor(destination: { write(text: string): unknown }) {
    this.#destination = destination;
  }

  write(line: string): void {
    if (this.#waiting === '') queueMicrotask(() => this.flush());
    this.#waiting += line;
    if (this.#waiting.length >= WAITING_CHARS_MAX) this.flush();
  }

  flush(): void {
    if (this.#waiting === '') return;
    const text = this.#waiting;
    this.#waiting = '';
    this.#destination.write(text);
  }
}
