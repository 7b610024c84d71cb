import { X509Certificate } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { buildConnector, type Dispatcher, Pool } from 'undici';
import { type Cidr, guardedLookup, type Lookup } from './addressGuard.ts';

/** Undici's own default, said here because it is a limit that we rely on. */
const RESPONSE_HEADER_BYTES_MAX = 16 * 1024;
/** How long a connection without work is kept, also when the receiver offers more. */
const IDLE_MS_MAX = 4_000;
/** Origins whose connections are kept; the one that came first makes room, and may come again. */
const ORIGINS_MAX = 512;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

export interface ConnectionsOptions {
  /** For making one connection: name resolution, TCP and TLS. */
  readonly timeoutMs: number;
  readonly allowedCidrs: readonly Cidr[];
  /** Connections to one origin, and to the proxy, at a time. */
  readonly perOriginMax: number;
  /** `http://user:password@host:port` or https; names are resolved there. null: connections are direct. */
  readonly proxyUrl: string | null;
  /** Certificates that are trusted beside the built-in ones. */
  readonly caPem: string | null;
  readonly lookup: Lookup;
}

/** What a request for a URL looks like on its way, and where it is handed in. */
export interface Route {
  /** null: the proxy. */
  readonly origin: string | null;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Whom TLS speaks to, where that is not the host of the URL. */
  readonly servername?: string;
}

/** The forward proxy could not be reached, or refused to connect. */
export class ProxyError extends Error {
  readonly code = 'PROXY_FAILED';
}

/**
 * The connections that webhooks go over. Direct ones are guarded: every address is checked before a socket is
 * opened to it, and a connection that is kept leads to an address that was checked. Through a proxy, https goes
 * in a tunnel (CONNECT) and http by its absolute URL. Certificates are always verified.
 */
export class Connections {
  readonly #pools = new Map<string, Pool>();
  readonly #poolOptions: Pool.Options;
  readonly #proxy: ForwardProxy | null;

  constructor(options: ConnectionsOptions) {
    const { timeoutMs, allowedCidrs, perOriginMax, proxyUrl, caPem, lookup } = options;
    const tls = { secureContext: secureContext(caPem), timeout: timeoutMs };
    const poolOptions = {
      connections: perOriginMax,
      keepAliveTimeout: IDLE_MS_MAX,
      keepAliveMaxTimeout: IDLE_MS_MAX,
      maxHeaderSize: RESPONSE_HEADER_BYTES_MAX,
      // Each exchange has a deadline of its own.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    this.#proxy = proxyUrl === null ? null : new ForwardProxy(new URL(proxyUrl), tls, poolOptions);
    const connect =
      this.#proxy?.tunnel ?? buildConnector({ ...tls, lookup: guardedLookup(allowedCidrs, lookup) });
    this.#poolOptions = { ...poolOptions, connect };
  }

  /** Origins in memory. */
  get originCount(): number {
    return this.#pools.size;
  }

  route(url: URL): Route {
    if (this.#proxy !== null && url.protocol === 'http:') return this.#proxy.route(url);
    return { origin: url.origin, path: url.pathname + url.search, headers: {} };
  }

  dispatcher({ origin }: Route): Dispatcher {
    if (origin === null) return (this.#proxy as ForwardProxy).pool;
    return this.#pools.get(origin) ?? this.#newPool(origin);
  }

  async destroy(): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all([...pools.map((pool) => pool.destroy()), this.#proxy?.destroy()]);
  }

  #newPool(origin: string): Pool {
    for (const [oldest, pool] of this.#pools) {
      if (this.#pools.size < ORIGINS_MAX) break;
      this.#pools.delete(oldest);
      // What is under way there is finished first.
      void pool.close();
    }
    const pool = new Pool(origin, this.#poolOptions);
    this.#pools.set(origin, pool);
    return pool;
  }
}

/** An HTTP proxy that carries everything. Its own address is not guarded: the operator chose it. */
class ForwardProxy {
  readonly pool: Pool;
  readonly #headers: Readonly<Record<string, string>>;
  /** Undici would take the `host` of a request for it, and connect anew whenever that changes. */
  readonly #servername: string;
  readonly #connectTls: buildConnector.connector;

  constructor(url: URL, tls: { secureContext: SecureContext; timeout: number }, poolOptions: Pool.Options) {
    const connect = buildConnector(tls);
    this.#connectTls = connect;
    this.#headers = credentials(url);
    this.#servername = url.hostname;
    this.pool = new Pool(url.origin, {
      ...poolOptions,
      headersTimeout: tls.timeout,
      connect: ({ servername: _known, ...options }, callback) =>
        connect(options, (...[error, socket]) => {
          if (error === null) callback(null, socket);
          else callback(new ProxyError(`the proxy cannot be reached (${codeOf(error)})`), null);
        }),
    });
  }

  route(url: URL): Route {
    const headers = { host: url.host, ...this.#headers };
    const path = url.origin + url.pathname + url.search;
    return { origin: null, path, headers, servername: this.#servername };
  }

  /** Connects to an https origin through the proxy. */
  readonly tunnel: buildConnector.connector = (options, callback) => {
    const host = isIPv6(options.hostname) ? `[${options.hostname}]` : options.hostname;
    const authority = `${host}:${options.port || 443}`;
    const headers = { host: authority, ...this.#headers };
    const request = { path: authority, headers, servername: this.#servername };
    this.pool.connect(request, (error, data) => {
      if (error !== null) {
        callback(error instanceof ProxyError ? error : new ProxyError('the proxy gave no answer'), null);
      } else if (data.statusCode !== 200) {
        data.socket.on('error', () => {}).destroy();
        callback(new ProxyError(`the proxy answered ${data.statusCode} to CONNECT`), null);
      } else {
        // It is the socket of the connection to the proxy, which the types do not tell.
        const httpSocket = data.socket as NonNullable<buildConnector.Options['httpSocket']>;
        this.#connectTls({ ...options, httpSocket }, callback);
      }
    });
  };

  destroy(): Promise<void> {
    return this.pool.destroy();
  }
}

function credentials({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const pair = `${decoded(username)}:${decoded(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error('WEBHOOK_PROXY_URL has a % in its user name or password that should be written %25');
  }
}

function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : error.name;
}

/** Throws an error that says what is wrong with the certificates. */
function secureContext(caPem: string | null): SecureContext {
  if (caPem === null) return createSecureContext();
  const certificates = caPem.match(CERTIFICATE);
  if (certificates === null) throw new Error('WEBHOOK_CA_FILE holds no certificate in PEM form');
  certificates.forEach((certificate, index) => {
    try {
      new X509Certificate(certificate);
    } catch {
      throw new Error(`certificate ${index + 1} in WEBHOOK_CA_FILE cannot be read`);
    }
  });
  return createSecureContext({ ca: [...rootCertificates, ...certificates] });
}
