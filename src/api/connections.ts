import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { answerToUnreadable } from './refusals.ts';

/** `close` listens on for this long, since a request may be on its way. */
const LINGER_MS = 300;
/** A client that is cut off while it still sends gets this long to read why, before the connection is reset. */
const REFUSAL_LINGER_MS = 1_000;

/** One connection. */
interface Connection {
  /** Requests whose answers are not complete. */
  underWay: number;
  latest: { readonly request: IncomingMessage; readonly response: ServerResponse } | undefined;
  /** The last answer on it, to what could not be read; nothing that comes after is. */
  refusal: string | undefined;
}

/**
 * Knows which connections have a request under way. Node's own `closeIdleConnections` leaves those alone that
 * have not sent a request yet, and a kept-alive one that becomes idle later, so either could hold up `close`.
 * It also ends the connections on which something came that is not HTTP, or not in time.
 */
export class Connections {
  readonly #server: Server;
  readonly #connections = new Map<Duplex, Connection>();
  #isClosing = false;

  constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => {
      this.#connections.set(socket, { underWay: 0, latest: undefined, refusal: undefined });
      socket.once('close', () => this.#connections.delete(socket));
    });
    server.on('request', (request, response) => {
      const connection = this.#connections.get(request.socket);
      if (connection !== undefined) connection.latest = { request, response };
      this.#add(request.socket, 1);
      response.once('close', () => this.#add(request.socket, -1));
    });
    server.on('clientError', (error, socket) => this.#refuse(error, socket));
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
      for (const socket of this.#connections.keys()) this.#endIfIdle(socket);
    });
  }

  #add(socket: Duplex, change: 1 | -1): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    connection.underWay += change;
    this.#endIfIdle(socket);
  }

  #endIfIdle(socket: Duplex): void {
    const connection = this.#connections.get(socket);
    if (connection?.underWay !== 0) return;
    if (connection.refusal !== undefined) endWith(connection.refusal, socket);
    else if (this.#isClosing) socket.end(() => socket.destroy());
  }

  /** The parser reports again for whatever follows on the connection; only the first counts. */
  #refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
    const connection = this.#connections.get(socket);
    if (connection?.refusal !== undefined) return;
    if (connection === undefined || !socket.writable) {
      socket.destroy();
      return;
    }
    connection.refusal = answerToUnreadable(error);
    const { underWay, latest } = connection;
    // What came whole before gets its answer first; ours would be taken for it.
    if (underWay === 0 || latest?.request.complete === true) this.#endIfIdle(socket);
    else if (underWay === 1 && latest?.response.headersSent === false) endWith(connection.refusal, socket);
    else socket.destroy();
  }
}

/** The client may be sending still, and would lose the answer if the connection were reset at once. */
function endWith(answer: string, socket: Duplex): void {
  if (socket.writableEnded) return;
  socket.end(answer);
  const cutOff = setTimeout(() => socket.destroy(), REFUSAL_LINGER_MS);
  socket.once('close', () => clearTimeout(cutOff));
}
