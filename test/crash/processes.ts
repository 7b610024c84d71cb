import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { packageDirectory } from '../../src/config/packageDirectory.ts';
import { waitFor } from '../support/nats.ts';

/** What a campaign kills and starts again. Both are right at any time, also when there is nothing to do. */
export interface Mortal {
  /** Resolves when the process is spawned; it need not be ready. */
  start(): Promise<void>;
  /** SIGKILL; resolves when the process is gone and its output is read. */
  kill(): Promise<void>;
}

/** A file of the build, by its path in the project. */
export function built(path: string): string {
  return join(packageDirectory(), 'dist', path);
}

/** A helper of the campaign with a log file of its own. */
abstract class Helper implements Mortal {
  readonly #logFile: string;
  #child: ChildProcess | undefined;
  #gone: Promise<void> = Promise.resolve();

  constructor(logFile: string) {
    this.#logFile = logFile;
  }

  protected spawn(program: string, args: readonly string[]): ChildProcess {
    const log = openSync(this.#logFile, 'a');
    const child = spawn(process.execPath, [built(program), ...args], { stdio: ['ignore', 'pipe', log] });
    closeSync(log);
    this.#child = child;
    this.#gone = new Promise((resolve) => {
      child.once('close', () => resolve());
    });
    return child;
  }

  protected async end(signal: NodeJS.Signals): Promise<void> {
    this.#child?.kill(signal);
    await this.#gone;
  }

  abstract start(): Promise<void>;

  kill(): Promise<void> {
    return this.end('SIGKILL');
  }
}

/** Receives webhooks on one port in all its lives. */
export class ReceiverProcess extends Helper {
  /** Holds a line for each request, see `readReceived`. */
  readonly file: string;
  #port = 0;

  constructor(directory: string) {
    super(join(directory, 'receiver.log'));
    this.file = join(directory, 'received.ndjson');
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const child = this.spawn('test/crash/receiverProcess.js', [this.file, String(this.#port)]);
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const port = await waitFor('the receiver to listen', () => /listening on (\d+)\n/.exec(output)?.[1]);
    this.#port = Number(port);
  }
}

export class PublisherProcess extends Helper {
  readonly #args: readonly string[];

  constructor(directory: string, natsUrl: string, seed: number, messagesPerSecond: number) {
    super(join(directory, 'publisher.log'));
    this.#args = [natsUrl, String(seed), String(messagesPerSecond), join(directory, 'published.txt')];
  }

  async start(): Promise<void> {
    this.spawn('test/crash/publisherProcess.js', this.#args);
  }

  /** Resolves when all that was begun is stored. */
  finish(): Promise<void> {
    return this.end('SIGTERM');
  }
}
