import {
  createServer as createHttpServer,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Identity } from './certificates.ts';

/** What a proxy was asked, such as `POST http://hook.example/` or `CONNECT hook.example:443`. */
export interface ForwardProxy {
  readonly url: string;
  readonly port: number;
  /** From clients, so far. */
  readonly connections: number;
  /** What clients named in TLS, by connection; false where they named nothing. */
  readonly servernames: (string | false | null)[];
  readonly requests: { readonly line: string; readonly authorization: string | undefined }[];
  close(): Promise<void>;
}

export interface ForwardProxySetup {
  /** With it, the proxy itself speaks TLS. */
  readonly identity?: Identity;
  /** What it demands in `proxy-authorization`. */
  readonly authorization?: string;
  /** Answers every CONNECT with this status. */
  readonly connectStatus?: number;
}

/** A forward proxy on the loopback. Every name resolves to 127.0.0.1 there. */
export async function startForwardProxy(setup: ForwardProxySetup = {}): Promise<ForwardProxy> {
  const { identity, authorization, connectStatus } = setup;
  const requests: ForwardProxy['requests'] = [];
  const sockets = new Set<Duplex>();
  const servernames: ForwardProxy['servernames'] = [];
  let connections = 0;
  const note = ({ method, url, headers }: IncomingMessage) => {
    requests.push({ line: `${method} ${url}`, authorization: headers['proxy-authorization'] });
    return authorization === undefined || headers['proxy-authorization'] === authorization;
  };
  const onRequest = (message: IncomingMessage, response: ServerResponse) => {
    if (!note(message)) {
      response.writeHead(407).end();
      return;
    }
    const { port, pathname, search } = new URL(message.url ?? '');
    const { 'proxy-authorization': _ours, ...headers } = message.headers;
    const options = { host: '127.0.0.1', port, path: pathname + search, method: message.method, headers };
    message.pipe(
      request(options, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      }).on('error', () => response.writeHead(502).end()),
    );
  };
  const onConnect = (message: IncomingMessage, socket: Duplex) => {
    const status = note(message) ? (connectStatus ?? 200) : 407;
    socket.write(`HTTP/1.1 ${status} So\r\n\r\n`);
    if (status !== 200) {
      socket.end();
      return;
    }
    const port = Number(message.url?.split(':').at(-1));
    const target: Socket = connect(port, '127.0.0.1');
    sockets.add(target);
    target.on('error', () => socket.destroy()).pipe(socket);
    socket.on('error', () => target.destroy()).pipe(target);
  };
  const server =
    identity === undefined ? createHttpServer(onRequest) : createHttpsServer({ ...identity }, onRequest);
  server.on('connect', onConnect).on('connection', (socket) => {
    connections += 1;
    sockets.add(socket);
  });
  server.on('secureConnection', (socket: TLSSocket) => servernames.push(socket.servername));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${identity === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    port,
    get connections() {
      return connections;
    },
    servernames,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
