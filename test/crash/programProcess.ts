import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../support/nats.ts';
import { OUS } from './plannedMessages.ts';
import { built, type Mortal } from './processes.ts';

/** The line "a sequence is changed" of the log. */
export interface AuditLine {
  readonly ou: string;
  readonly sequenceId: string;
  readonly kind: 'created' | 'updated' | 'deleted';
  readonly version: number;
  readonly effectivePosition: number;
}

interface LogLine extends Partial<AuditLine> {
  readonly level: string;
  readonly msg: string;
  readonly port?: number;
  readonly position?: number;
}

const SERIOUS = new Set(['error', 'fatal']);
/** What the program has to say while the nats-server is away, and then tries again. */
const EXPECTED = new Set(['the events stream cannot be opened']);
const STOP_MS_MAX = 30_000;

/** The program, built, in a process of its own; what its log says over all its lives. */
export class ProgramProcess implements Mortal {
  /** Variables of the next start. */
  readonly env: Record<string, string>;
  readonly audit: AuditLine[] = [];
  /** Position of each "loaded the lead states", one a life. */
  readonly loadedPositions: number[] = [];
  /** Sentences about what must not happen, such as an end that nobody asked for. */
  readonly troubles: string[] = [];
  lives = 0;
  /** How many kills found a checkpoint that had begun and was not on disk. */
  checkpointsCutOff = 0;
  readonly #log: WriteStream;
  #child: ChildProcess | undefined;
  #gone: Promise<number | null> = Promise.resolve(null);
  #url: string | undefined;
  #isCheckpointUnderWay = false;
  #isAskedToEnd = false;
  /** Emits the message of each line of the log. */
  readonly #lines = new EventEmitter();

  constructor(directory: string, env: Readonly<Record<string, string>>) {
    this.#log = createWriteStream(join(directory, 'program.log'), { flags: 'a' });
    this.env = {
      PATH: process.env.PATH ?? '',
      UV_THREADPOOL_SIZE: '16',
      DATA_DIR: join(directory, 'data'),
      HTTP_PORT: '0',
      LOG_FORMAT: 'json',
      LOG_LEVEL: 'debug',
      API_TOKENS: OUS.map((ou) => `${ou}=${tokenOf(ou)}`).join(','),
      WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8',
      ...env,
    };
  }

  /** Where the present life serves HTTP; undefined until it does, and between two lives. */
  get url(): string | undefined {
    return this.#url;
  }

  async start(): Promise<void> {
    const child = spawn(process.execPath, [built('src/main.js')], {
      env: this.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#isAskedToEnd = false;
    this.lives++;
    child.stdout?.pipe(this.#log, { end: false });
    child.stderr?.pipe(this.#log, { end: false });
    createInterface({ input: child.stdout! }).on('line', (line) => this.#read(line));
    this.#gone = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.#url = undefined;
        if (!this.#isAskedToEnd) this.troubles.push(`the program ended by itself, with ${code ?? signal}`);
        resolve(code);
      });
    });
  }

  async kill(): Promise<void> {
    this.#isAskedToEnd = true;
    this.#child?.kill('SIGKILL');
    await this.#gone;
    if (this.#isCheckpointUnderWay) this.checkpointsCutOff++;
    this.#isCheckpointUnderWay = false;
  }

  /** Resolves the moment that the log says this, or when the time is up. */
  async nextLine(message: string, waitMsMax: number): Promise<void> {
    await Promise.race([once(this.#lines, message), sleep(waitMsMax)]);
  }

  /** As Ctrl-C does. */
  async stop(): Promise<void> {
    this.#isAskedToEnd = true;
    this.#child?.kill('SIGINT');
    const late = setTimeout(() => this.#child?.kill('SIGKILL'), STOP_MS_MAX);
    const code = await this.#gone;
    clearTimeout(late);
    if (code !== 0) this.troubles.push(`the program was asked to stop and ended with ${code}`);
  }

  /** Closes the log. */
  close(): void {
    this.#log.end();
  }

  /** Asks the present life, or waits for the next; rejects when there is no answer. */
  async request(ou: string, method: string, path: string, body?: unknown): Promise<Answer> {
    const url = await waitFor('the program to serve HTTP', () => this.#url);
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${tokenOf(ou)}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }

  #read(text: string): void {
    const line = parsed(text);
    switch (line?.msg) {
      case 'serving HTTP':
        this.#url = `http://127.0.0.1:${line.port}`;
        break;
      case 'loaded the lead states':
        this.loadedPositions.push(line.position!);
        break;
      case 'a sequence is changed':
        this.audit.push(line as AuditLine);
        break;
      case 'a checkpoint begins':
        this.#isCheckpointUnderWay = true;
        break;
      case 'a checkpoint is on disk':
        this.#isCheckpointUnderWay = false;
        break;
      default:
        if (SERIOUS.has(line?.level ?? '') && !EXPECTED.has(line?.msg ?? ''))
          this.troubles.push(`the log says: ${text}`);
    }
    if (line !== undefined) this.#lines.emit(line.msg);
  }
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

function tokenOf(ou: string): string {
  return `token-of-${ou}`;
}

/** Undefined for the half line of a process that was killed. */
function parsed(text: string): LogLine | undefined {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return undefined;
  }
}
