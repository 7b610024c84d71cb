import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import type { ApiEnv } from './request.ts';

const CONNECTIONS_MAX = 10_000;
/** Within which a request has to arrive whole, so that slow senders cannot hold connections for ever. */
const REQUEST_TIMEOUT_MS = 60_000;
const HEADERS_TIMEOUT_MS = 15_000;
/** Longer than the 60 s after which load balancers commonly drop a connection, so that they are first. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/** `close` listens on for this long, since a request may be on its way. */
const LINGER_MS = 300;
const CLOSE_GRACE_MS = 10_000;

export interface HttpServer {
  /** The port that is bound, which matters when 0 was asked for. */
  readonly port: number;
  /**
   * Stops accepting, lets requests under way finish within the grace, and resolves when every connection is
   * closed. Calling it again gives the same promise.
   */
  close(): Promise<void>;
}

/**
 * Serves the app. Rejects when the address cannot be bound, with a message that names it.
 * `closeGraceMs`: how long `close` waits for requests under way before it cuts them off.
 */
export async function serveHttp(
  app: Hono<ApiEnv>,
  host: string,
  port: number,
  { closeGraceMs = CLOSE_GRACE_MS }: { readonly closeGraceMs?: number } = {},
): Promise<HttpServer> {
  const server = createServer(
    {
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    },
    getRequestListener(app.fetch),
  );
  server.maxConnections = CONNECTIONS_MAX;
  const connections = new Connections(server);
  const address = await listen(server, host, port);
  let closing: Promise<void> | undefined;
  return {
    port: address.port,
    close: () => {
      closing ??= connections.close(closeGraceMs);
      return closing;
    },
  };
}

function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new Error(`cannot listen on ${host}:${port}: ${cause.message}`, { cause }));
    });
    server.listen(port, host, () => resolve(server.address() as AddressInfo));
  });
}

/**
 * Knows which connections have a request under way. Node's own `closeIdleConnections` leaves those alone that
 * have not sent a request yet, and a kept-alive one that becomes idle later, so either could hold up `close`.
 */
class Connections {
  readonly #server: Server;
  readonly #requestsUnderWay = new Map<Socket, number>();
  #isClosing = false;

  constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => {
      this.#requestsUnderWay.set(socket, 0);
      socket.once('close', () => this.#requestsUnderWay.delete(socket));
    });
    server.on('request', ({ socket }, response) => {
      this.#add(socket, 1);
      response.once('close', () => this.#add(socket, -1));
    });
  }

  async close(graceMs: number): Promise<void> {
    this.#isClosing = true;
    // What clients have sent already may not be accepted or read yet; closing now would reset it.
    await new Promise((resolve) => setTimeout(resolve, LINGER_MS));
    return new Promise((resolve) => {
      const cutOff = setTimeout(() => this.#server.closeAllConnections(), graceMs);
      this.#server.close(() => {
        clearTimeout(cutOff);
        resolve();
      });
      for (const socket of this.#requestsUnderWay.keys()) this.#endIfIdle(socket);
    });
  }

  #add(socket: Socket, change: 1 | -1): void {
    const before = this.#requestsUnderWay.get(socket);
    if (before === undefined) return;
    this.#requestsUnderWay.set(socket, before + change);
    this.#endIfIdle(socket);
  }

  #endIfIdle(socket: Socket): void {
    if (this.#isClosing && this.#requestsUnderWay.get(socket) === 0) socket.destroySoon();
  }
}
