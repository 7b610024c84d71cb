import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { packageDirectory } from '../../src/config/packageDirectory.ts';
import { waitFor } from './nats.ts';

const ROOT = packageDirectory();
const MAIN = join(ROOT, 'dist', 'src', 'main.js');
const STOP_MS_MAX = 20_000;

/** OU `default` in every program that these tests start. */
export const TOKEN = 'test-token-of-ou-default';

export interface RunningProgram {
  readonly url: string;
  /** Lines of the log so far. */
  readonly log: () => string;
  readonly process: ChildProcess;
  /** Calls the API with the token and gives back the parsed answer; throws on a status other than 2xx. */
  call<T>(method: string, path: string, body?: unknown): Promise<T>;
  kill(): Promise<void>;
  /** As Ctrl-C does. Resolves to the exit code. */
  stop(): Promise<number | null>;
}

export interface ProgramOptions {
  readonly dataDir: string;
  /** Variables as in the configuration; HTTP_PORT is any free one. */
  readonly env?: Readonly<Record<string, string>>;
  /** Wait until it consumes; the default. */
  readonly ready?: boolean;
}

/** Starts the built program as a process of its own. */
export async function startProgram({
  dataDir,
  env = {},
  ready = true,
}: ProgramOptions): Promise<RunningProgram> {
  const child = spawn(process.execPath, [MAIN], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH,
      NATS_SERVER_BIN: process.env.NATS_SERVER_BIN,
      DATA_DIR: dataDir,
      HTTP_PORT: '0',
      LOG_FORMAT: 'json',
      API_TOKENS: `default=${TOKEN}`,
      WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const keep = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => resolve(code));
  });
  const url = await waitFor('the HTTP port', () => {
    if (child.exitCode !== null) throw new Error(`the program ended with ${child.exitCode}:\n${output}`);
    const port = /"port":(\d+),"msg":"serving HTTP"/.exec(output)?.[1];
    return port === undefined ? undefined : `http://127.0.0.1:${port}`;
  });
  const program: RunningProgram = {
    url,
    log: () => output,
    process: child,
    call: (method, path, body) => call(url, method, path, body),
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
    stop: async () => {
      child.kill('SIGINT');
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
      const code = await exited;
      clearTimeout(late);
      return code;
    },
  };
  if (ready) {
    const isReady = async () => (await fetch(`${url}/readyz`)).status === 200;
    // Whoever waited for it has nothing to stop it by.
    await waitFor('readiness', isReady).catch(async (error: unknown) => {
      await program.kill();
      throw error;
    });
  }
  return program;
}

/** Starts the built program where it is to end by itself. Resolves to its exit code and its lines apart from the log's. */
export async function runToEnd(
  { dataDir, env = {} }: ProgramOptions,
  program = MAIN,
  args: readonly string[] = [],
): Promise<{ readonly code: number | null; readonly lines: readonly string[] }> {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, DATA_DIR: dataDir, HTTP_PORT: '0', LOG_FORMAT: 'json', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(late);
  const lines = output.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
  return { code, lines };
}

async function call<T>(url: string, method: string, path: string, body?: unknown): Promise<T> {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

export function temporaryDataDir(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'sequence-triggers-program-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export interface FireView {
  readonly id: string;
  readonly sequence_id: string;
  readonly lead_id: string;
  readonly late: boolean;
  readonly events: readonly { readonly id: string; readonly event_type: string }[];
  readonly deliveries: readonly { readonly id: string; readonly state: string; readonly channel: string }[];
}

/** Every fire in the history, or those of one sequence. */
export async function allFires(program: RunningProgram, sequenceId?: string): Promise<FireView[]> {
  const fires: FireView[] = [];
  const filter = sequenceId === undefined ? '' : `&sequence_id=${sequenceId}`;
  for (let page = 1; ; page++) {
    const { events, total } = await program.call<{ events: FireView[]; total: number }>(
      'GET',
      `/sequence-events?limit=100&page=${page}${filter}`,
    );
    fires.push(...events);
    if (fires.length >= total) return fires;
  }
}

/** Messages that the program has not applied yet, as its metrics tell. */
export async function lagOf(program: RunningProgram): Promise<number> {
  const body = await (await fetch(`${program.url}/metrics`)).text();
  return Number(/^sequence_triggers_stream_lag_messages (\d+)/m.exec(body)?.[1] ?? Number.NaN);
}

export async function positionOf(program: RunningProgram): Promise<number> {
  const body = await (await fetch(`${program.url}/metrics`)).text();
  return Number(/^sequence_triggers_stream_position (\d+)/m.exec(body)?.[1] ?? Number.NaN);
}

/** What `/readyz` answers, with its status. */
export async function readinessOf(program: RunningProgram) {
  const answer = await fetch(`${program.url}/readyz`);
  const body = (await answer.json()) as {
    reasons: string[];
    stream: { verdict: string; policy: string; halted: boolean } | null;
  };
  return { status: answer.status, reasons: body.reasons.join('; '), stream: body.stream };
}

/** A sample of `/metrics`, by its name without the prefix and with its labels; NaN where there is none. */
export async function metricOf(program: RunningProgram, name: string): Promise<number> {
  const body = await (await fetch(`${program.url}/metrics`)).text();
  const line = body.split('\n').find((text) => text.startsWith(`sequence_triggers_${name} `));
  return Number(line?.split(' ').at(-1) ?? Number.NaN);
}

const DATA = join(ROOT, '..', 'shared', 'data');

export interface DataSet {
  readonly file: string;
  readonly lines: readonly string[];
  readonly expected: readonly {
    readonly sequence: string;
    readonly event_types: readonly string[];
    readonly window_seconds: number;
    readonly leads_ordered: number;
    readonly leads_unordered: number;
  }[];
}

/** The real events beside the repository, with their answers; undefined where the folder is absent. */
export function dataSets(): DataSet[] | undefined {
  if (!existsSync(join(DATA, 'expected.json'))) return undefined;
  const { sets } = JSON.parse(readFileSync(join(DATA, 'expected.json'), 'utf8')) as {
    sets: { file: string; expected: DataSet['expected'] }[];
  };
  return sets.map(({ file, expected }) => ({
    file,
    expected,
    lines: gunzipSync(readFileSync(join(DATA, file)))
      .toString()
      .trimEnd()
      .split('\n'),
  }));
}

/** One sequence for each row of a data set's answers, ordered and unordered. */
export function sequencesOf(set: DataSet): { body: object; leads: number }[] {
  return set.expected.flatMap(({ sequence, event_types, window_seconds, leads_ordered, leads_unordered }) =>
    [true, false].map((ordered) => ({
      body: {
        name: `${sequence} ${window_seconds} ${ordered ? 'ordered' : 'unordered'}`,
        event_types,
        window_seconds,
        ordered,
      },
      leads: ordered ? leads_ordered : leads_unordered,
    })),
  );
}

/** Creates an ordered sequence of `a` and `b` within a minute that fires at a receiver. */
export async function createTwoSteps(program: RunningProgram, receiverUrl: string): Promise<void> {
  await program.call('POST', '/sequences', {
    name: 'two steps',
    event_types: ['a', 'b'],
    window_seconds: 60,
    ordered: true,
    webhook_url: `${receiverUrl}/hook`,
  });
}
