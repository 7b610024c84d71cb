import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { Operations } from './worker.ts';

/** The build; benchmarks and tests run from the root of the project. */
const WORKER = resolve('dist/bench/matcher/worker.js');

/** The naive matcher takes more than Node's default for the card. */
const HEAP_MB_MAX = 12_000;

interface Answer {
  readonly result?: unknown;
  readonly error?: string;
}

/** A process in which one row is measured, so that it does not inherit the heap of another. */
export class MeasuringProcess {
  private readonly child: ChildProcess;

  constructor() {
    this.child = fork(WORKER, { execArgv: ['--expose-gc', `--max-old-space-size=${HEAP_MB_MAX}`] });
  }

  /**
   * Has one operation carried out; the one before must be done.
   *
   * @throws Error of the operation, or when the process ends before it is done.
   */
  async run<Name extends keyof Operations>(
    operation: Name,
    argument: Parameters<Operations[Name]>[0],
  ): Promise<Awaited<ReturnType<Operations[Name]>>> {
    this.child.send({ operation, argument });
    const stop = new AbortController();
    const answer = once(this.child, 'message', { signal: stop.signal });
    const exit = once(this.child, 'exit', { signal: stop.signal }).then(([code, signal]) => {
      throw new Error(`the measuring process ended with ${code ?? signal} during ${operation}`);
    });
    try {
      const [{ result, error }] = (await Promise.race([answer, exit])) as [Answer];
      if (error !== undefined) throw new Error(error);
      return result as Awaited<ReturnType<Operations[Name]>>;
    } finally {
      stop.abort();
      await Promise.allSettled([answer, exit]);
    }
  }

  /** Lets the process end. */
  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.disconnect();
    await exited;
  }
}
