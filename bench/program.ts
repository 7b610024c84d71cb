import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** The build; benchmarks and tests run from the root of the project. */
const MAIN = resolve('dist/src/main.js');
const TOKEN = 'bench-token';
const START_MS_MAX = 60_000;
/** Requests of `createAll` under way at once. */
const CREATING_MAX = 50;
/** Only the start of the output is of interest; later there is a line per delivery. */
const OUTPUT_CHARACTERS_MAX = 100_000;

/** A line of the program's log; `time` is ISO 8601, the other fields are the line's own. */
export interface LogLine {
  readonly time: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** The program under measurement: a process of its own, with an embedded nats-server unless told otherwise. */
export interface RunningProgram {
  readonly process: ChildProcess;
  readonly url: string;
  readonly natsUrl: string;
  /** Wall clock at which the process was asked for. */
  readonly spawnedAtMs: number;
  /** What it logged until it had found the stream. */
  readonly startLog: readonly LogLine[];
  /** Posts to the API of OU `default`; throws when the answer is not 201. */
  create(path: string, body: object): Promise<void>;
  /** The same for each of many, several at a time. */
  createAll(path: string, bodies: readonly object[]): Promise<void>;
  /** Any call of the same API. */
  request(method: string, path: string, body?: object): Promise<Response>;
  /** As Ctrl-C does; resolves when the process is gone. */
  stop(): Promise<void>;
  /** As a power cut does to the process; resolves when it is gone. */
  kill(): Promise<void>;
}

/**
 * Starts the program on a data directory and waits until it has found the stream.
 *
 * @param env variables of the configuration that differ from the defaults of a benchmark.
 * @param execArgv options of Node for the process, such as an `--import` of a file that observes it from
 *   within; such a file can talk to the benchmark by `process.send`.
 * @throws Error with the program's output when it does not start.
 */
export async function startProgram(
  dataDir: string,
  env: Readonly<Record<string, string>> = {},
  execArgv: readonly string[] = [],
): Promise<RunningProgram> {
  const spawnedAtMs = Date.now();
  const child = spawn(process.execPath, [...execArgv, MAIN], {
    env: {
      PATH: process.env.PATH,
      NATS_SERVER_BIN: process.env.NATS_SERVER_BIN,
      UV_THREADPOOL_SIZE: '16',
      DATA_DIR: dataDir,
      HTTP_PORT: '0',
      LOG_FORMAT: 'json',
      API_TOKENS: `default=${TOKEN}`,
      WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    if (output.length < OUTPUT_CHARACTERS_MAX) output += chunk.toString();
  });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await exited;
  };
  for (let waitedMs = 0; waitedMs < START_MS_MAX && child.exitCode === null; waitedMs += 20) {
    const port = /"port":(\d+),"msg":"serving HTTP"/.exec(output)?.[1];
    const natsUrl = env.NATS_URL ?? /"url":"(nats:[^"]+)".*"msg":"started nats-server"/.exec(output)?.[1];
    if (port !== undefined && natsUrl !== undefined && output.includes('"msg":"found the stream"')) {
      const url = `http://127.0.0.1:${port}`;
      return {
        process: child,
        url,
        natsUrl,
        spawnedAtMs,
        startLog: parseLines(output),
        create: (path, body) => create(`${url}${path}`, body),
        createAll: (path, bodies) => createAll(`${url}${path}`, bodies),
        request: (method, path, body) => request(method, `${url}${path}`, body),
        stop: () => end('SIGTERM'),
        kill: () => end('SIGKILL'),
      };
    }
    await sleep(20);
  }
  await end('SIGKILL');
  throw new Error(`the program did not start:\n${output}`);
}

/** The line with a message. */
export function lineOf(log: readonly LogLine[], message: string): LogLine {
  const line = log.find(({ msg }) => msg === message);
  if (line === undefined) throw new Error(`the program logged no line "${message}"`);
  return line;
}

/** When a line was logged, by the wall clock. */
export function timeOf({ time }: LogLine): number {
  return Date.parse(time);
}

/** The last line may be written halfway. */
function parseLines(output: string): LogLine[] {
  const lines = output.slice(0, output.lastIndexOf('\n')).split('\n');
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as LogLine);
}

async function create(url: string, body: object): Promise<void> {
  const answer = await request('POST', url, body);
  // Read in any case, so that the connection is free for the next call.
  const text = await answer.text();
  if (answer.status !== 201) throw new Error(`${url} answered ${answer.status}: ${text}`);
}

async function createAll(url: string, bodies: readonly object[]): Promise<void> {
  for (let from = 0; from < bodies.length; from += CREATING_MAX) {
    await Promise.all(bodies.slice(from, from + CREATING_MAX).map((body) => create(url, body)));
  }
}

function request(method: string, url: string, body?: object): Promise<Response> {
  return fetch(url, {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}
