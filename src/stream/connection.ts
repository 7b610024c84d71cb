import { readFile } from 'node:fs/promises';
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

const CONNECT_TIMEOUT_MS = 5_000;
const RECONNECT_WAIT_MS = 250;
const CLOSE_DEADLINE_MS = 5_000;
const PING_INTERVAL_MS = 10_000;

/** Codes that no further attempt can change. */
const FINAL_CODES = new Set([
  'AUTHORIZATION_VIOLATION',
  'AUTHENTICATION_EXPIRED',
  'BAD_AUTHENTICATION',
  'BAD_CREDS',
]);

/**
 * Connects, trying again with growing pauses (0.25 s to 5 s). Throws an Error in plain words when the
 * credentials are refused or unreadable, when `attemptsMax` is reached, or when `signal` aborts.
 */
export async function openConnection(
  settings: ConnectionSettings,
  logger: Logger,
): Promise<StreamConnection> {
  const { servers, ...fromUrl } = parseServers(settings.url);
  const authenticator = await credentials(settings.credsFile);
  const options: ConnectionOptions = {
    ...fromUrl,
    ...(settings.token ? { token: settings.token } : {}),
    ...(authenticator ? { authenticator } : {}),
    servers,
    name: settings.name,
    timeout: CONNECT_TIMEOUT_MS,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    ignoreAuthErrorAbort: true,
    pingInterval: PING_INTERVAL_MS,
    // A stack for each of hundreds of publishes under way costs more than the publish.
    noAsyncTraces: true,
  };
  const nats = await firstConnect(options, settings, logger);
  logger.info({ servers, server: nats.getServer() }, 'connected to NATS');
  return watched(nats, servers, logger);
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
        throw FINAL_CODES.has(code) ? new AbortError(text) : new Error(text);
      }
    },
    {
      retries: attemptsMax === undefined ? Number.POSITIVE_INFINITY : attemptsMax - 1,
      minTimeout: 250,
      maxTimeout: 5_000,
      ...(signal ? { signal } : {}),
      onFailedAttempt: ({ error, attemptNumber }) => {
        logger.warn({ attempt: attemptNumber }, error.message);
      },
    },
  );
}

function watched(nats: NatsConnection, servers: readonly string[], logger: Logger): StreamConnection {
  let state: Readiness = { ready: true };
  const follow = async (): Promise<void> => {
    for await (const status of nats.status()) {
      if (status.type === Events.Disconnect) {
        state = { ready: false, reason: 'disconnected from NATS' };
        logger.warn({ server: String(status.data) }, 'disconnected from NATS, reconnecting without limit');
      } else if (status.type === Events.Reconnect) {
        state = { ready: true };
        logger.info({ server: String(status.data) }, 'reconnected to NATS');
      } else if (status.type === Events.Error) {
        logger.error({ error: String(status.data) }, 'NATS reports an error');
      } else if (status.type === Events.LDM) {
        logger.warn({}, 'the NATS server is about to shut down');
      }
    }
  };
  follow().catch((error: unknown) => {
    logger.error({ error: messageOf(error) }, 'the listener on the NATS connection ended');
  });
  void nats.closed().then((error) => {
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

async function credentials(credsFile: string | null | undefined): Promise<Authenticator | undefined> {
  if (!credsFile) return undefined;
  try {
    return credsAuthenticator(await readFile(credsFile));
  } catch (error) {
    throw new Error(`NATS_CREDS_FILE ${credsFile} cannot be used: ${messageOf(error)}`);
  }
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
