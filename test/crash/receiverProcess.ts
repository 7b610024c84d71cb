import { appendFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReceivedRequest } from './received.ts';

/**
 * A receiver of webhooks in a process of its own: each request is a line of a file before it is answered, so
 * what was answered is not lost when the process is killed. Now and then it is out of order, or slow.
 *
 *   node dist/test/crash/receiverProcess.js FILE PORT
 */

const REFUSED_SHARE = 0.02;
const SLOW_SHARE = 0.03;
const SLOW_MS = 200;

const [file = '', port = '0'] = process.argv.slice(2);
// Ends a line that a kill has cut in half.
appendFileSync(file, '\n');

const server = createServer(async (message, response) => {
  const body = await readBody(message).catch(() => undefined);
  if (body === undefined) return;
  const status = Math.random() < REFUSED_SHARE ? 503 : 204;
  const request: ReceivedRequest = {
    id: String(message.headers['webhook-id']),
    timestamp: String(message.headers['webhook-timestamp']),
    signature: String(message.headers['webhook-signature']),
    path: message.url ?? '',
    body,
    status,
    atMs: Date.now(),
  };
  appendFileSync(file, `${JSON.stringify(request)}\n`);
  if (Math.random() < SLOW_SHARE) await sleep(SLOW_MS);
  response.writeHead(status).end();
});
server.listen(Number(port), '127.0.0.1', () => {
  process.stdout.write(`listening on ${(server.address() as AddressInfo).port}\n`);
});

async function readBody(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
