import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';

/** What a process offers: functions of one argument; argument and result travel as JSON. */
// biome-ignore lint/suspicious/noExplicitAny: only as a bound; each use names the argument's own type.
type Operations = Readonly<Record<string, (argument: any) => unknown>>;

interface Request {
  readonly operation: string;
  readonly argument: unknown;
}

interface Answer {
  readonly result?: unknown;
  readonly error?: string;
}

/** As many threads as the program has, which LMDB commits on. */
const THREADS = '16';
const OPTIONS = ['--expose-gc'];

/** In the child: answers requests, one at a time, until the channel to the parent closes. */
export function serve(operations: Operations): void {
  process.on('message', async ({ operation, argument }: Request) => {
    try {
      process.send!({ result: await operations[operation]!(argument) });
    } catch (error) {
      process.send!({ error: error instanceof Error ? error.stack : String(error) });
    }
  });
  process.on('disconnect', () => process.exit());
}

/** A process of its own that carries out operations; its standard output is thrown away. */
export class OperatingProcess<Offered extends Operations> {
  readonly #child: ChildProcess;

  /** @param script below `bench`, without its ending; it calls `serve`. */
  constructor(script: string) {
    // The build; benchmarks and tests run from the root of the project.
    this.#child = fork(resolve(`dist/bench/${script}.js`), {
      execArgv: OPTIONS,
      env: { ...process.env, UV_THREADPOOL_SIZE: THREADS },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
  }

  /**
   * Has one operation carried out; the one before must be done.
   *
   * @throws Error of the operation, or when the process ends before it is done.
   */
  async run<Name extends keyof Offered & string>(
    operation: Name,
    argument: Parameters<Offered[Name]>[0],
  ): Promise<Awaited<ReturnType<Offered[Name]>>> {
    this.#child.send({ operation, argument });
    const stop = new AbortController();
    const answer = once(this.#child, 'message', { signal: stop.signal });
    const exit = once(this.#child, 'exit', { signal: stop.signal }).then(([code, signal]) => {
      throw new Error(`the process ended with ${code ?? signal} during ${operation}`);
    });
    try {
      const [{ result, error }] = (await Promise.race([answer, exit])) as [Answer];
      if (error !== undefined) throw new Error(error);
      return result as Awaited<ReturnType<Offered[Name]>>;
    } finally {
      stop.abort();
      await Promise.allSettled([answer, exit]);
    }
  }

  /** Lets the process end. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.disconnect();
    await exited;
  }
}
