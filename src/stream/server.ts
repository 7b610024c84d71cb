import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { endOrphan } from './orphan.ts';
import { type Logger, messageOf, pause, type Readiness } from './ports.ts';

export interface ServerSettings {
  /** From `findServerBinary`. */
  readonly binary: string;
  /** The server's files go to `nats/` in here. */
  readonly dataDir: string;
  /** 0 takes any free port. */
  readonly port: number;
}

/** A nats-server with JetStream as a child process, on 127.0.0.1. */
export interface EmbeddedServer {
  /** `nats://127.0.0.1:<port>`, the same for as long as this object lives. */
  readonly url: string;
  readonly pid: number | undefined;
  readonly state: Readiness;
  /** Stops the server: SIGTERM, and after a deadline SIGKILL. Resolves when it is gone. */
  close(): Promise<void>;
}

/** Above the 1 MiB that events may have, so that a larger one reaches us and is kept with its reason. */
const PAYLOAD_BYTES_MAX = 4 * 2 ** 20;
const LOG_BYTES_MAX = 10 * 2 ** 20;
/** After a crash the server checks its whole store first, which takes long for a large one. */
const READY_TIMEOUT_MS = 5 * 60_000;
const READY_POLL_MS = 20;
const STOP_DEADLINE_MS = 10_000;
const RESTART_WAIT_MIN_MS = 100;
const RESTART_WAIT_MAX_MS = 5_000;
/** A server that ran for this long starts the restart pauses anew. */
const STABLE_AFTER_MS = 30_000;
const ERROR_TEXT_MAX = 2_000;
/**
 * Processors that the server's goroutines share. On all of them idle ones look for work of others, and take the time
 * from us: with one of two the server needs a quarter less, and fires arrive in two thirds of the time (bench/README).
 * No more than four: Node does not know of a container's quota, and one stream has no use for more.
 */
const PROCESSORS = Math.min(4, Math.max(1, Math.floor(availableParallelism() / 2)));

const OWNER_PATTERN = /--name sequence-triggers-(\d+)/;

/** Where the URL of the running server of a data directory is written, for the commands beside the program. */
export function serverUrlPath(dataDir: string): string {
  return join(dataDir, 'nats', 'url');
}

/**
 * Starts the server and waits until it accepts JetStream clients. It runs in a process group of its own, so
 * that a Ctrl-C reaches this program only, which drains before it stops the server. When it dies
 * unexpectedly it is started again on the same port, with growing pauses (0.1 s to 5 s).
 *
 * Throws an Error with the server's own words when it cannot start, or when the data directory is in use.
 */
export async function startEmbeddedServer(settings: ServerSettings, logger: Logger): Promise<EmbeddedServer> {
  const server = new ServerProcess(settings, logger);
  await server.start();
  return server;
}

/**
 * Modes: starting (no child or one that is not ready) → running → died (the child ended by itself; a timer
 * leads back to starting) … → closing (nothing is restarted any more).
 */
class ServerProcess implements EmbeddedServer {
  readonly #settings: ServerSettings;
  readonly #logger: Logger;
  readonly #directory: string;
  readonly #configPath: string;
  readonly #pidPath: string;
  #port: number;
  #child: ChildProcess | undefined;
  #state: Readiness = { ready: false, reason: 'nats-server is starting' };
  #closing = false;
  #restartWaitMs = RESTART_WAIT_MIN_MS;
  readonly #killAtExit = (): void => {
    this.#child?.kill('SIGTERM');
  };

  constructor(settings: ServerSettings, logger: Logger) {
    this.#settings = settings;
    this.#logger = logger;
    this.#port = settings.port;
    this.#directory = resolve(settings.dataDir, 'nats');
    this.#configPath = join(this.#directory, 'server.conf');
    this.#pidPath = join(this.#directory, 'server.pid');
  }

  get url(): string {
    return `nats://127.0.0.1:${this.#port}`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get state(): Readiness {
    return this.#state;
  }

  async start(): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    await endOrphan(
      {
        pidPath: this.#pidPath,
        configPath: this.#configPath,
        ownerPattern: OWNER_PATTERN,
        deadlineMs: STOP_DEADLINE_MS,
      },
      this.#logger,
    );
    process.once('exit', this.#killAtExit);
    try {
      await this.#launch();
    } catch (error) {
      await this.close();
      throw error;
    }
    await writeFile(serverUrlPath(this.#settings.dataDir), `${this.url}\n`);
    this.#logger.info({ url: this.url, pid: this.pid }, 'started nats-server');
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#state = { ready: false, reason: 'nats-server is stopped' };
    process.removeListener('exit', this.#killAtExit);
    const child = this.#child;
    if (child && isRunning(child)) await stopChild(child);
    await rm(serverUrlPath(this.#settings.dataDir), { force: true });
  }

  /** Starts the child and resolves when it is ready; rejects with its last words when it ends before. */
  async #launch(): Promise<void> {
    await this.#writeConfig();
    if (this.#closing) throw new Error('it was stopped meanwhile');
    const owner = `sequence-triggers-${process.pid}`;
    const child = spawn(this.#settings.binary, ['--config', this.#configPath, '--name', owner], {
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
      // And nothing of our own environment, which holds secrets.
      env: { GOMAXPROCS: String(PROCESSORS) },
    });
    this.#child = child;
    const startedAtMs = Date.now();
    let lastWords = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      lastWords = (lastWords + chunk.toString()).slice(-ERROR_TEXT_MAX);
    });
    const ended = new Promise<string>((resolveEnd) => {
      child.once('error', (error) => resolveEnd(error.message));
      child.once('exit', (code, signal) => resolveEnd(`it ended with ${signal ?? `code ${code}`}`));
    });
    let isReady = false;
    void ended.then((how) => {
      if (isReady) this.#restartLater(how, startedAtMs);
    });
    const failed = ended.then(async (how) => {
      const why = lastWords.trim() || (await this.#lastError());
      throw new Error(`nats-server did not start: ${how}; ${why}`);
    });
    failed.catch(() => undefined);
    await Promise.race([failed, this.#ready(child)]);
    isReady = true;
    this.#state = { ready: true };
    if (!isRunning(child)) this.#restartLater('it ended at once', startedAtMs);
  }

  async #ready(child: ChildProcess): Promise<void> {
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (isRunning(child)) {
      // Only this file tells that it is our child that listens: the port may be held by a stranger.
      const port = await this.#readPort(child.pid);
      if (port !== undefined && (await offersJetStream(port))) {
        this.#port = port;
        return;
      }
      if (Date.now() > deadline) {
        await stopChild(child);
        throw new Error(
          `nats-server was not ready within ${READY_TIMEOUT_MS / 1000} s; see ${this.#logPath}`,
        );
      }
      await pause(READY_POLL_MS);
    }
    // The end of the child is reported by the other side of the race.
    await new Promise<never>(() => undefined);
  }

  /** The server writes the ports it got into `<program>_<pid>.ports`. */
  async #readPort(pid: number | undefined): Promise<number | undefined> {
    const name = (await readdir(this.#directory)).find((entry) => entry.endsWith(`_${pid}.ports`));
    if (!name) return undefined;
    try {
      const ports = JSON.parse(await readFile(join(this.#directory, name), 'utf8')) as { nats?: string[] };
      return Number(new URL(ports.nats?.[0] ?? '').port);
    } catch {
      // Written halfway.
      return undefined;
    }
  }

  /** The last thing that went wrong, from the server's log, where it writes once it has read its configuration. */
  async #lastError(): Promise<string> {
    const log = await readFile(this.#logPath, 'utf8').catch(() => '');
    const line = log.split('\n').findLast((entry) => /\[(?:FTL|ERR)\]/.test(entry));
    return line?.replace(/^.*?\[(?:FTL|ERR)\] /, '') ?? `see ${this.#logPath}`;
  }

  #restartLater(how: string, startedAtMs: number): void {
    if (this.#closing) return;
    this.#state = { ready: false, reason: `nats-server died: ${how}` };
    if (Date.now() - startedAtMs > STABLE_AFTER_MS) this.#restartWaitMs = RESTART_WAIT_MIN_MS;
    const waitMs = this.#restartWaitMs;
    this.#restartWaitMs = Math.min(waitMs * 2, RESTART_WAIT_MAX_MS);
    this.#logger.error({ how, waitMs, log: this.#logPath }, 'nats-server died; starting it again');
    setTimeout(() => void this.#relaunch(), waitMs).unref();
  }

  async #relaunch(): Promise<void> {
    if (this.#closing) return;
    try {
      await this.#launch();
      this.#logger.info({ url: this.url, pid: this.pid }, 'started nats-server again');
    } catch (error) {
      this.#restartLater(messageOf(error), Date.now());
    }
  }

  get #logPath(): string {
    return join(this.#directory, 'server.log');
  }

  async #writeConfig(): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      if (name.endsWith('.ports')) await rm(join(this.#directory, name), { force: true });
    }
    const lines = [
      'host: "127.0.0.1"',
      `port: ${this.#port === 0 ? -1 : this.#port}`,
      `max_payload: ${PAYLOAD_BYTES_MAX}`,
      `pid_file: ${JSON.stringify(this.#pidPath)}`,
      `ports_file_dir: ${JSON.stringify(this.#directory)}`,
      `log_file: ${JSON.stringify(this.#logPath)}`,
      `logfile_size_limit: ${LOG_BYTES_MAX}`,
      `jetstream { store_dir: ${JSON.stringify(this.#directory)} }`,
    ];
    await writeFile(this.#configPath, `${lines.join('\n')}\n`);
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

async function stopChild(child: ChildProcess): Promise<void> {
  const gone = new Promise<void>((resolveGone) => {
    child.once('exit', () => resolveGone());
  });
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
  await gone;
  clearTimeout(timer);
}

/** Every nats-server greets with a line `INFO {…}` that says whether JetStream is on. */
function offersJetStream(port: number): Promise<boolean> {
  return new Promise((resolveOffer) => {
    const socket = connect({ host: '127.0.0.1', port });
    let greeting = '';
    const finish = (offers: boolean): void => {
      socket.destroy();
      resolveOffer(offers);
    };
    socket.setTimeout(1_000, () => finish(false));
    socket.on('error', () => finish(false));
    socket.on('close', () => finish(false));
    socket.on('data', (chunk) => {
      greeting += chunk.toString('latin1');
      if (greeting.includes('\r\n')) finish(/"jetstream":\s*true/.test(greeting));
    });
  });
}
