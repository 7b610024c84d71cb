import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Authority, Identity } from './certificates.ts';

/** A receiver at the level of bytes. */
export interface RawBehaviour {
  /** Called for each complete request, the first of which has the number 1; or for each connection, with 0. */
  readonly behave: (socket: Socket, number: number) => void;
  /** It behaves so as soon as it is connected to, whatever is sent. */
  readonly atOnce?: boolean;
  /** What it listens with; plain TCP unless told otherwise. */
  readonly identity?: (authority: Authority) => Identity;
  /** Of the URL; http, or https where it has an identity, unless told otherwise. */
  readonly scheme?: 'http' | 'https';
}

export interface RunningReceiver {
  readonly url: string;
  readonly port: number;
  /** So far. */
  readonly connections: number;
  /** Complete requests so far. */
  readonly requests: number;
  close(): Promise<void>;
}

export const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

export async function startRawReceiver(
  { behave, atOnce, identity, scheme }: RawBehaviour,
  authority: Authority,
  host = '127.0.0.1',
  port = 0,
): Promise<RunningReceiver> {
  const sockets = new Set<Socket>();
  let connections = 0;
  let requests = 0;
  const serve = (socket: Socket) => {
    sockets.add(socket);
    connections += 1;
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    if (atOnce === true) behave(socket, 0);
    onRequest(socket, () => {
      requests += 1;
      behave(socket, requests);
    });
  };
  const server = identity === undefined ? createServer(serve) : createTlsServer(identity(authority), serve);
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the receiver has no port');
  return {
    url: `${scheme ?? (identity === undefined ? 'http' : 'https')}://${host}:${address.port}/hook`,
    port: address.port,
    get connections() {
      return connections;
    },
    get requests() {
      return requests;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Calls back for each complete request with a `content-length`. */
function onRequest(socket: Socket, callback: () => void): void {
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk) => {
    text += chunk;
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) return;
    const length = Number(/^content-length: (\d+)$/im.exec(text.slice(0, end))?.[1] ?? 0);
    if (text.length < end + 4 + length) return;
    text = text.slice(end + 4 + length);
    callback();
  });
}
