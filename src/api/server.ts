import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import { Connections } from './connections.ts';
import { refuseExpectation, refuseTarget } from './refusals.ts';
import type { ApiEnv } from './request.ts';

const CONNECTIONS_MAX = 10_000;
/** Longer than the 60 s after which load balancers commonly drop a connection, so that they are first. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;

export interface ServerTimes {
  readonly closeGraceMs: number;
  /** A request has to arrive in time, so that slow senders cannot hold connections for ever. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
}
const TIMES: ServerTimes = { closeGraceMs: 10_000, headersTimeoutMs: 15_000, requestTimeoutMs: 60_000 };

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
 * `closeGraceMs`: how long `close` waits for requests under way before it cuts them off. The timeouts: within
 * which the headers, and the whole of a request, have to arrive.
 */
export async function serveHttp(
  app: Hono<ApiEnv>,
  host: string,
  port: number,
  times: Partial<ServerTimes> = {},
): Promise<HttpServer> {
  const { closeGraceMs, headersTimeoutMs, requestTimeoutMs } = { ...TIMES, ...times };
  const server = createServer(
    {
      requestTimeout: requestTimeoutMs,
      headersTimeout: headersTimeoutMs,
      connectionsCheckingInterval: Math.ceil(headersTimeoutMs / 4),
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      // Node would answer with an empty 400; without, the listener below misses the header and says so.
      requireHostHeader: false,
    },
    getRequestListener(app.fetch, { errorHandler: refuseTarget }),
  );
  server.on('checkExpectation', refuseExpectation);
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
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'another program has that port (EADDRINUSE)' : cause.message;
      reject(new Error(`cannot listen on HTTP_HOST ${host}, HTTP_PORT ${port}: ${why}`, { cause }));
    });
    server.listen(port, host, () => resolve(server.address() as AddressInfo));
  });
}
