import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type ConnectionOptions, connect, type NatsConnection } from 'nats';

const PAYLOAD_BYTES_MAX = 4 * 2 ** 20;
const WAIT_MS_MAX = 60_000;

/** A real nats-server with JetStream on a free port of 127.0.0.1 and a store of its own. */
export interface TestServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** The store, to be copied while the server is down. */
  readonly directory: string;
  /** Ends the process with the signal (SIGKILL unless told) and waits for it; the store stays. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port and store. */
  start(): Promise<void>;
  /** Has the running server read its configuration again, with these lines in the place of `lines`. */
  reload(lines: readonly string[]): Promise<void>;
  /** A client that reconnects without limit and is closed by `stop`. */
  connect(): Promise<NatsConnection>;
  /** Closes the clients, ends the server, removes the store unless the caller named its directory. */
  stop(): Promise<void>;
}

export interface TestServerOptions {
  /** For the store, where it is to stay when the server is stopped. */
  readonly directory?: string;
  /** In bytes, 4 MiB unless told. */
  readonly maxPayload?: number;
  /** Of the file storage, in bytes. */
  readonly storageMax?: number;
  /** More lines of configuration, such as who may connect. */
  readonly lines?: readonly string[];
  /** How the clients of the tests connect, where that takes more than an address. */
  readonly client?: Partial<ConnectionOptions>;
}

/** Starts a server. */
export async function startNats(options: TestServerOptions = {}): Promise<TestServer> {
  const directory = options.directory ?? (await temporaryDirectory('nats'));
  const configPath = join(directory, 'server.conf');
  const clients: NatsConnection[] = [];
  let child: ChildProcess;
  let port = 0;
  let lines = options.lines ?? [];

  const configure = (): Promise<void> => {
    const storage = options.storageMax === undefined ? '' : `, max_file_store: ${options.storageMax}`;
    const config = [
      `host: "127.0.0.1"`,
      `port: ${port === 0 ? -1 : port}`,
      `max_payload: ${options.maxPayload ?? PAYLOAD_BYTES_MAX}`,
      `ports_file_dir: ${JSON.stringify(directory)}`,
      `jetstream { store_dir: ${JSON.stringify(directory)}${storage} }`,
      ...lines,
    ];
    return writeFile(configPath, config.join('\n'));
  };
  const start = async (): Promise<void> => {
    await configure();
    child = spawn(natsServerBinary(), ['--config', configPath], { stdio: 'ignore' });
    if (port === 0) port = await waitFor('the port of the server', () => readPort(directory, child.pid));
    await waitFor('the server to accept clients', async () => {
      const probe = await connect({
        ...options.client,
        servers: `127.0.0.1:${port}`,
        reconnect: false,
        timeout: 1_000,
      });
      await probe.close();
      return true;
    });
  };
  const kill = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  };

  await start();
  return {
    get url() {
      return `nats://127.0.0.1:${port}`;
    },
    get port() {
      return port;
    },
    get pid() {
      return child.pid ?? 0;
    },
    directory,
    kill,
    start,
    reload: async (newLines) => {
      lines = newLines;
      await configure();
      child.kill('SIGHUP');
    },
    connect: async () => {
      const client = await connect({
        ...options.client,
        servers: `127.0.0.1:${port}`,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 50,
      });
      clients.push(client);
      return client;
    },
    stop: async () => {
      await Promise.all(clients.map((client) => client.close()));
      await kill();
      if (options.directory === undefined) await rm(directory, { recursive: true, force: true });
    },
  };
}

async function readPort(directory: string, pid: number | undefined): Promise<number | undefined> {
  const name = (await readdir(directory)).find((entry) => entry.endsWith(`_${pid}.ports`));
  if (!name) return undefined;
  const ports = JSON.parse(await readFile(join(directory, name), 'utf8')) as { nats: string[] };
  return Number(new URL(ports.nats[0] ?? '').port);
}

/** The nats-server of this machine. */
export function natsServerBinary(): string {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin'];
  const named = process.env.NATS_SERVER_BIN;
  const found =
    named ?? directories.map((path) => join(path, 'nats-server')).find((path) => existsSync(path));
  if (!found) throw new Error('these tests need a nats-server: on PATH, or in NATS_SERVER_BIN');
  return found;
}

export function temporaryDirectory(topic: string): Promise<string> {
  return mkdtemp(join(tmpdir(), `sequence-triggers-${topic}-`));
}

/**
 * Asks again every 20 ms until the answer is neither undefined nor false, and gives it back. Errors count as
 * "not yet". Throws after `waitMsMax` (20 s unless told), with the last error.
 */
export async function waitFor<T>(
  what: string,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  waitMsMax = WAIT_MS_MAX,
): Promise<T> {
  const deadline = Date.now() + waitMsMax;
  let lastError: unknown;
  while (Date.now() < deadline) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      lastError = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`waited too long for ${what}`, { cause: lastError });
}

/** A logger that keeps what it is told. */
export function recordingLogger() {
  const entries: { level: string; fields: object; message: string }[] = [];
  const at = (level: string) => (fields: object, message: string) => {
    entries.push({ level, fields, message });
  };
  return { entries, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
