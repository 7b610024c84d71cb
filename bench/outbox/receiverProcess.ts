import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { serve } from '../operations.ts';
import { nowMs } from './clock.ts';

const ANSWER = Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok');
const HEAD_END = '\r\n\r\n';
const LENGTH = /\r\ncontent-length: (\d+)\r\n/i;
const ID = /\r\nwebhook-id: ([^\r]+)\r\n/i;

/** First arrival of each webhook-id since the last `take`. */
let arrivals = new Map<string, number>();
let requests = 0;
let cpuAtTake = process.cpuUsage();

/**
 * A webhook receiver that costs as little as possible: it looks for the end of the head, the length and the id,
 * and answers 200. It relies on what undici writes, and is no HTTP server for anyone else.
 */
const OPERATIONS = { listen, take };
export type ReceiverOperations = typeof OPERATIONS;

/** The origins it answers on, the origins on which it never answers, and one on which nothing listens. */
async function listen({ answering, hanging }: { answering: number; hanging: number }) {
  const refusing = await start(() => undefined);
  const origins = {
    answering: await originsOf(answering, answer),
    hanging: await originsOf(hanging, () => undefined),
    refusing: originOf(refusing),
  };
  await new Promise((resolve) => refusing.close(resolve));
  return origins;
}

/** What has come since the last call, and begins anew. Times are those of `nowMs`. */
function take(_: null) {
  const { user, system } = process.cpuUsage(cpuAtTake);
  const taken = { requests, arrivals: [...arrivals], cpuSeconds: (user + system) / 1e6 };
  arrivals = new Map();
  requests = 0;
  cpuAtTake = process.cpuUsage();
  return taken;
}

async function originsOf(count: number, onChunk: (socket: Socket, chunk: string) => void): Promise<string[]> {
  return Promise.all(Array.from({ length: count }, async () => originOf(await start(onChunk))));
}

function originOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function start(onChunk: (socket: Socket, chunk: string) => void): Promise<Server> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => onChunk(socket, String(chunk)));
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', 1_024, resolve);
  });
  return server;
}

/** What has come of a request that is not complete yet. */
const unread = new WeakMap<Socket, string>();

function answer(socket: Socket, chunk: string): void {
  let text = (unread.get(socket) ?? '') + chunk;
  for (;;) {
    const headEnd = text.indexOf(HEAD_END);
    if (headEnd < 0) break;
    const head = text.slice(0, headEnd + 2);
    const end = headEnd + HEAD_END.length + Number(LENGTH.exec(head)?.[1] ?? 0);
    if (text.length < end) break;
    const id = ID.exec(head)?.[1] ?? '';
    requests += 1;
    if (!arrivals.has(id)) arrivals.set(id, nowMs());
    socket.write(ANSWER);
    text = text.slice(end);
  }
  unread.set(socket, text);
}

serve(OPERATIONS);
