import { readFileSync } from 'node:fs';
import {
  type Authenticator,
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  Events,
  type NatsConnection,
  NatsError,
} from 'nats';
import pRetry, { AbortError } from 'p-retry';
import { endAbandonedAttempt, watchSilence } from './liveness.ts';
import { type Logger, messageOf, type Readiness } from './ports.ts';

export interface ConnectionSettings {
  /** One URL, or several with commas; a scheme of `tls` asks for TLS. May carry `user:password@` or `token@`. */
  readonly url: string;
  readonly credsFile?: string | null;
  readonly token?: string | null;
  /** How the connection is called in the server's own listings. */
  readonly name: string;
  /** Attempts at the first connect; without it, forever. Once connected, reconnects go on without limit. */
  readonly attemptsMax?: number;
  /** Ends the attempts. */
  readonly signal?: AbortSignal;
  /** Called with the reason for each attempt at the first connect that fails. */
  readonly onFailedAttempt?: (reason: string) => void;
}

/** A connection with its state. */
export interface StreamConnection {
  readonly nats: NatsConnection;
  /** The servers without their credentials, for logs. */
  readonly servers: readonly string[];
  readonly state: Readiness;
  /** Sends what is buffered and closes; after `deadlineMs` it closes anyway. */
  close(deadlineMs?: number): Promise<void>;
}

/** An attempt that began just before the end of a trouble delays the next one by this. */
const CONNECT_TIMEOUT_MS = 3_000;
const CONNECT_WAIT_MIN_MS = 250;
const CONNECT_WAIT_MAX_MS = 2_000;
const RECONNECT_WAIT_MS = 250;
const RECONNECT_JITTER_MS = 100;
const CLOSE_DEADLINE_MS = 5_000;
const PING_INTERVAL_MS = 10_000;
/** Silence is watched for by other means, see `watchSilence`; these pings are for a line that is slow beyond use. */
const PINGS_OUT_MAX = 12;

/** Codes by which a server refuses credentials: no further attempt with the same ones can change that. */
const REFUSAL_CODES = new Set([
  'AUTHORIZATION_VIOLATION',
  'AUTHENTICATION_EXPIRED',
  'ACCOUNT_EXPIRED',
  'BAD_AUTHENTICATION',
  'BAD_CREDS',
]);

/**
 * Connects, trying again with growing pauses (0.25 s to 2 s). Throws an Error in plain words when the
 * credentials are refused or unreadable, when `attemptsMax` is reached, or when `signal` aborts. Once connected
 * it connects anew for as long as it takes, also while the credentials are refused: a file with credentials is
 * read at each attempt, so that they can be changed under a running program.
 */
export async function openConnection(
  settings: ConnectionSettings,
  logger: Logger,
): Promise<StreamConnection> {
  const { servers, ...fromUrl } = parseServers(settings.url);
  const authenticator = credentials(settings.credsFile, logger);
  let opened: NatsConnection | undefined;
  const options: ConnectionOptions = {
    ...fromUrl,
    ...(settings.token ? { token: settings.token } : {}),
    ...(authenticator ? { authenticator } : {}),
    servers,
    name: settings.name,
    timeout: CONNECT_TIMEOUT_MS,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: () => {
      endAbandonedAttempt(opened);
      return RECONNECT_WAIT_MS + Math.random() * RECONNECT_JITTER_MS;
    },
    ignoreAuthErrorAbort: true,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: PINGS_OUT_MAX,
    // A stack for each of hundreds of publishes under way costs more than the publish.
    noAsyncTraces: true,
  };
  opened = await firstConnect(options, settings, logger);
  logger.info({ servers, server: opened.getServer() }, 'connected to NATS');
  return watched(opened, servers, logger);
}

function firstConnect(
  options: ConnectionOptions,
  settings: ConnectionSettings,
  logger: Logger,
): Promise<NatsConnection> {
  const { attemptsMax, signal } = settings;
  return pRetry(
    async () => {
      try {
        return await connect(options);
      } catch (error) {
        const code = error instanceof NatsError ? error.code : '';
        const text = `cannot connect to NATS at ${String(options.servers)}: ${messageOf(error)}`;
        throw REFUSAL_CODES.has(code) ? new AbortError(text) : new Error(text);
      }
    },
    {
      retries: attemptsMax === undefined ? Number.POSITIVE_INFINITY : attemptsMax - 1,
      minTimeout: CONNECT_WAIT_MIN_MS,
      maxTimeout: CONNECT_WAIT_MAX_MS,
      ...(signal ? { signal } : {}),
      onFailedAttempt: ({ error, attemptNumber }) => {
        logger.warn({ attempt: attemptNumber }, error.message);
        settings.onFailedAttempt?.(error.message);
      },
    },
  );
}

function watched(nats: NatsConnection, servers: readonly string[], logger: Logger): StreamConnection {
  let state: Readiness = { ready: true };
  const endWatch = watchSilence(nats, () => state.ready, logger);
  const follow = async (): Promise<void> => {
    let errorBefore: string | undefined;
    for await (const status of nats.status()) {
      const data = String(status.data);
      if (status.type === Events.Disconnect) {
        // Every attempt that fails ends with another of these.
        if (state.ready) logger.warn({ server: data }, 'disconnected from NATS, reconnecting without limit');
        if (state.ready) state = { ready: false, reason: 'disconnected from NATS' };
      } else if (status.type === Events.Reconnect) {
        state = { ready: true };
        errorBefore = undefined;
        logger.info({ server: data }, 'reconnected to NATS');
      } else if (status.type === Events.Error) {
        if (REFUSAL_CODES.has(data))
          state = { ready: false, reason: `NATS refuses the credentials: ${data}` };
        if (data !== errorBefore) logger.error({ error: data }, 'NATS reports an error');
        errorBefore = data;
      } else if (status.type === Events.LDM) {
        logger.warn({}, 'the NATS server is about to shut down');
      }
    }
  };
  follow().catch((error: unknown) => {
    logger.error({ error: messageOf(error) }, 'the listener on the NATS connection ended');
  });
  void nats.closed().then((error) => {
    endWatch();
    state = { ready: false, reason: 'the connection to NATS is closed' };
    if (error) logger.error({ error: error.message }, 'the connection to NATS closed for good');
  });
  return {
    nats,
    servers,
    get state() {
      return state;
    },
    close: (deadlineMs = CLOSE_DEADLINE_MS) => closeConnection(nats, deadlineMs),
  };
}

async function closeConnection(nats: NatsConnection, deadlineMs: number): Promise<void> {
  if (nats.isClosed()) return;
  const deadline = new Promise<void>((resolve) => {
    setTimeout(resolve, deadlineMs).unref();
  });
  // A drain waits for the server, which may be gone.
  await Promise.race([nats.drain().catch(() => undefined), deadline]);
  if (!nats.isClosed()) await nats.close();
}

/** Reads the file at each attempt to connect; while it cannot be used, what it held before is. */
function credentials(file: string | null | undefined, logger: Logger): Authenticator | undefined {
  if (!file) return undefined;
  const read = (): Uint8Array => {
    try {
      return usableCredentials(readFileSync(file));
    } catch (error) {
      throw new Error(`NATS_CREDS_FILE ${file} cannot be used: ${messageOf(error)}`);
    }
  };
  let last = read();
  const readAgain = (): void => {
    try {
      last = read();
    } catch (error) {
      // Thrown from an authenticator it would end the connection for good.
      logger.warn({}, `${messageOf(error)}; going on with what it held before`);
    }
  };
  const authenticate = credsAuthenticator(() => last);
  return (nonce) => {
    readAgain();
    return authenticate(nonce);
  };
}

/** The same bytes. Throws when they hold no credentials. */
function usableCredentials(bytes: Uint8Array): Uint8Array {
  credsAuthenticator(bytes)('nonce');
  return bytes;
}

interface ParsedServers {
  readonly servers: string[];
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  readonly tls?: Record<string, never>;
}

/**
 * Splits `nats://user:password@host:port,…` into what the client takes: it reads neither the scheme nor the
 * credentials of a URL itself. The credentials of the first URL that has any serve for all.
 */
export function parseServers(urls: string): ParsedServers {
  const parsed = urls.split(',').map((text) => parseServer(text.trim()));
  const withUser = parsed.find((url) => url.username !== '');
  const user = withUser && decodeURIComponent(withUser.username);
  const pass = withUser && decodeURIComponent(withUser.password);
  return {
    servers: parsed.map((url) => url.host),
    ...(user && pass ? { user, pass } : {}),
    ...(user && !pass ? { token: user } : {}),
    ...(parsed.some((url) => url.protocol === 'tls:') ? { tls: {} } : {}),
  };
}

function parseServer(text: string): URL {
  const withScheme = text.includes('://') ? text : `nats://${text}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  if (!url || !['nats:', 'tls:'].includes(url.protocol) || url.hostname === '') {
    // The text may hold a password, so it is not repeated.
    throw new Error('NATS_URL is not a list of nats:// or tls:// URLs with commas between them');
  }
  return url;
}
