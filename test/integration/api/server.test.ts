import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createApp } from '../../../src/api/app.ts';
import type { ApiPorts, PublishResult } from '../../../src/api/ports.ts';
import { type HttpServer, serveHttp } from '../../../src/api/server.ts';
import { MINIMAL_SEQUENCE, memoryPorts, TOKEN_ONE } from '../../support/api.ts';

const HOST = '127.0.0.1';
let server: HttpServer | undefined;

afterEach(async () => {
  await server?.close();
  server = undefined;
});

/** Longer than a test may take: one that closes only by the cut-off does not pass. */
const GRACE_MS = 600_000;

async function listen(replaced: Partial<ApiPorts> = {}, closeGraceMs: number = GRACE_MS) {
  const { ports, world } = memoryPorts(replaced);
  server = await serveHttp(createApp(ports), HOST, 0, { closeGraceMs });
  return { base: `http://${HOST}:${server.port}`, port: server.port, world, server };
}

const HEADERS = { authorization: `Bearer ${TOKEN_ONE}`, 'content-type': 'application/json' };

function post(base: string, path: string, body: unknown): Promise<Response> {
  return fetch(base + path, { method: 'POST', headers: HEADERS, body: JSON.stringify(body) });
}

/** A request of which the test writes the body itself. Without content-length it goes out chunked. */
function open(port: number, path: string, headers: Record<string, string> = {}) {
  const request = httpRequest({
    host: HOST,
    port,
    path,
    method: 'POST',
    headers: { ...HEADERS, ...headers },
  });
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    request.on('response', resolve);
    // A server that refuses a body may close while the rest of it is still being sent.
    request.on('error', reject);
  });
  return { request, answer };
}

async function writeChunks(request: ClientRequest, chunk: string, count: number): Promise<void> {
  for (let sent = 0; sent < count && !request.destroyed; sent += 1) {
    if (!request.write(chunk)) await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('the HTTP server', () => {
  it('serves the app on the free port that it reports', async () => {
    const { base } = await listen();
    const health = await fetch(`${base}/healthz`);
    expect([health.status, await health.json()]).toEqual([200, { status: 'ok' }]);
    const created = await post(base, '/sequences', MINIMAL_SEQUENCE);
    expect(created.status).toBe(201);
    const location = String(created.headers.get('location'));
    const read = await fetch(base + location, { headers: HEADERS });
    expect(await read.json()).toMatchObject(MINIMAL_SEQUENCE);
    expect((await fetch(base + location, { method: 'DELETE', headers: HEADERS })).status).toBe(204);
  });

  it('says which address it cannot bind', async () => {
    const { port } = await listen();
    const again = serveHttp(createApp(memoryPorts().ports), HOST, port);
    await expect(again).rejects.toThrow(
      `cannot listen on HTTP_HOST ${HOST}, HTTP_PORT ${port}: another program has that port (EADDRINUSE)`,
    );
  });

  it('answers 413 to a chunked body as soon as it passes 1 MiB, without its end', async () => {
    const { port, world } = await listen();
    const { request, answer } = open(port, '/ingest');
    await writeChunks(request, ' '.repeat(65_536), 17);
    const { statusCode, headers } = await answer;
    expect([statusCode, headers['content-type']]).toEqual([413, 'application/problem+json']);
    request.on('error', () => {});
    request.destroy();
    expect(world.published).toEqual([]);
  });

  it('answers 413 to a content-length over 1 MiB before the body comes', async () => {
    const { port } = await listen();
    const { request, answer } = open(port, '/sequences', { 'content-length': '1048577' });
    request.write('{');
    expect((await answer).statusCode).toBe(413);
    request.on('error', () => {});
    request.destroy();
  });

  it('takes a chunked body that is within the limit', async () => {
    const { port, world } = await listen();
    const { request, answer } = open(port, '/ingest');
    for (const piece of ['{"lead_id":"l', 'é', '","event_type":', '"t"}']) request.write(piece);
    request.end();
    expect((await answer).statusCode).toBe(202);
    expect(world.published[0]?.events[0]?.leadId).toBe('lé');
  });

  it('survives a client that goes away in the middle of a body', async () => {
    const { base, port, world } = await listen();
    const socket = connect(port, HOST);
    const head = `POST /ingest HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN_ONE}\r\n`;
    socket.write(`${head}content-type: application/json\r\ncontent-length: 100\r\n\r\n{"lead_id"`);
    await new Promise((resolve) => socket.on('connect', resolve));
    // The answer to another request shows that the half one has reached the server before it breaks off.
    await fetch(`${base}/healthz`);
    socket.destroy();
    await waitFor(() => world.log.some(({ fields }) => fields.route === '/ingest'));
    expect(world.log.filter(({ level }) => level === 'error')).toEqual([]);
    expect((await fetch(`${base}/healthz`)).status).toBe(200);
  });

  it('finishes the request under way when it closes, and takes no other', async () => {
    let finish: (result: PublishResult) => void = () => {};
    let started = false;
    const publish = () => {
      started = true;
      return new Promise<PublishResult>((resolve) => {
        finish = resolve;
      });
    };
    const running = await listen({ publish });
    const answer = post(running.base, '/ingest', { lead_id: 'l', event_type: 't' });
    await waitFor(() => started);
    const closed = running.server.close();
    await waitFor(() => isRefused(running.base));
    finish({ ok: true });
    expect((await answer).status).toBe(202);
    await closed;
    await running.server.close();
  });

  it('cuts off a request that outlasts the grace', async () => {
    let started = false;
    const publish = () => {
      started = true;
      return new Promise<PublishResult>(() => {});
    };
    const running = await listen({ publish }, 50);
    const answer = post(running.base, '/ingest', { lead_id: 'l', event_type: 't' });
    const cutOff = expect(answer).rejects.toThrow();
    await waitFor(() => started);
    await running.server.close();
    await cutOff;
  });

  it('closes although clients keep idle connections open', async () => {
    const running = await listen();
    await (await fetch(`${running.base}/healthz`)).text();
    const silent = connect(running.port, HOST);
    await new Promise((resolve) => silent.on('connect', resolve));
    const ended = new Promise((resolve) => silent.on('close', resolve));
    silent.resume();
    await running.server.close();
    await ended;
  });
});

/** Whether the server takes no connection any more. */
async function isRefused(base: string): Promise<boolean> {
  return fetch(`${base}/healthz`).then(
    () => false,
    () => true,
  );
}

async function waitFor(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('the condition was not met in 20 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
