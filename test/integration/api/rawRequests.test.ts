import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp } from '../../../src/api/app.ts';
import type { PublishResult } from '../../../src/api/ports.ts';
import { type HttpServer, serveHttp } from '../../../src/api/server.ts';
import { memoryPorts, TOKEN_ONE, type World } from '../../support/api.ts';

const RUNS = Number(process.env.RUNS ?? 1);
const HOST = '127.0.0.1';
const AUTHORIZED = `host: x\r\nauthorization: Bearer ${TOKEN_ONE}\r\ncontent-type: application/json\r\n`;
const GOOD_EVENT = '{"lead_id":"l","event_type":"t"}';
const POST_EVENT = `POST /ingest HTTP/1.1\r\n${AUTHORIZED}content-length: ${GOOD_EVENT.length}\r\n\r\n${GOOD_EVENT}`;

let server: HttpServer;
/** The same with short timeouts. */
let impatient: HttpServer;
/** Where the requests go. */
let port: number;
let world: World;
/** While set, `POST /ingest` waits for it. */
let storing: Promise<PublishResult> | undefined;

beforeAll(async () => {
  const memory = memoryPorts();
  world = memory.world;
  const { publish } = memory.ports;
  const app = createApp({
    ...memory.ports,
    publish: async (ou, events) => (storing === undefined ? publish(ou, events) : storing),
  });
  server = await serveHttp(app, HOST, 0);
  impatient = await serveHttp(app, HOST, 0, { headersTimeoutMs: 1_000, requestTimeoutMs: 2_000 });
  port = server.port;
});

afterAll(() => Promise.all([server.close(), impatient.close()]));

interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Writes the bytes and gives back the answers, in their order, once the server has closed the connection. */
async function untilClosed(...pieces: readonly (string | Uint8Array)[]): Promise<RawAnswer[]> {
  return exchange(pieces, () => {});
}

/** The same where the server would wait for more: the client ends its side, which ends the connection. */
async function untilEnded(...pieces: readonly (string | Uint8Array)[]): Promise<RawAnswer[]> {
  return exchange(pieces, (socket) => socket.end());
}

async function exchange(
  pieces: readonly (string | Uint8Array)[],
  written: (socket: Socket) => void,
): Promise<RawAnswer[]> {
  const socket = connect(port, HOST);
  const received: Buffer[] = [];
  socket.on('data', (chunk) => received.push(chunk));
  // The server may reset a connection whose rest it does not want.
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve));
  for (const piece of pieces) await write(socket, piece);
  written(socket);
  await closed;
  return answersIn(Buffer.concat(received).toString('latin1'));
}

function write(socket: Socket, piece: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed || !socket.writable) resolve();
    else socket.write(piece, () => resolve());
  });
}

/** Answers with a content-length or chunked, one behind the other; fails on anything else. */
function answersIn(text: string): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let rest = text;
  while (rest !== '') {
    const [head = '', status] = /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(rest) ?? [];
    expect(head, `an answer at ${JSON.stringify(rest.slice(0, 80))}`).not.toBe('');
    rest = rest.slice(head.length);
    if (status === '100') continue;
    const headers = new Map(
      head
        .trimEnd()
        .split('\r\n')
        .slice(1)
        .map((line) => line.split(/: ?(.*)/s).slice(0, 2))
        .map(([name = '', value = '']) => [name.toLowerCase(), value] as const),
    );
    const length = Number(headers.get('content-length') ?? 0);
    answers.push({ status: Number(status), headers, body: rest.slice(0, length) });
    rest = rest.slice(length);
  }
  return answers;
}

function expectProblem(answer: RawAnswer | undefined, status: number): void {
  expect(answer?.status, answer?.body).toBe(status);
  expect(answer?.headers.get('content-type')).toBe('application/problem+json');
  expect(answer?.headers.get('cache-control')).toBe('no-store');
  expect(answer?.headers.get('x-content-type-options')).toBe('nosniff');
  expect(answer?.headers.has('x-powered-by')).toBe(false);
  expect(JSON.parse(answer?.body ?? '')).toEqual({
    type: 'about:blank',
    title: expect.any(String),
    status,
    detail: expect.stringMatching(/^[A-Z].*\.$/),
    request_id: answer?.headers.get('x-request-id'),
    ...(answer?.body.includes('"errors"') ? { errors: expect.any(Array) } : {}),
  });
}

describe('what is not an HTTP request', () => {
  it.each([
    ['words', 'hello there\r\n\r\n', 400],
    ['a TLS greeting', Buffer.from('16030100a5010000a1030300', 'hex'), 400],
    ['NUL bytes', '\0'.repeat(100), 400],
    ['another protocol version', 'GET /healthz HTTP/9.9\r\nhost: x\r\n\r\n', 400],
    ['a preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['a header without a name', 'GET /healthz HTTP/1.1\r\nhost: x\r\n: y\r\n\r\n', 400],
    ['a header with a NUL', 'GET /healthz HTTP/1.1\r\nhost: x\r\na: \0\r\n\r\n', 400],
    ['a folded header', 'GET /healthz HTTP/1.1\r\nhost: x\r\n y\r\n\r\n', 400],
    ['a bare line feed in the headers', 'GET /healthz HTTP/1.1\r\nhost: x\nx: y\r\n\r\n', 400],
    ['headers of 100 KiB', `GET /healthz HTTP/1.1\r\nhost: x\r\na: ${'a'.repeat(102_400)}\r\n\r\n`, 431],
    ['a target of 100 KiB', `GET /${'a'.repeat(102_400)} HTTP/1.1\r\nhost: x\r\n\r\n`, 431],
    ['a negative length', `POST /ingest HTTP/1.1\r\n${AUTHORIZED}content-length: -1\r\n\r\n`, 400],
    [
      'a length of many digits',
      `POST /ingest HTTP/1.1\r\n${AUTHORIZED}content-length: ${'9'.repeat(40)}\r\n\r\n`,
      400,
    ],
    ['a length in hex', `POST /ingest HTTP/1.1\r\n${AUTHORIZED}content-length: 0x10\r\n\r\n`, 400],
    [
      'two lengths that differ',
      `POST /ingest HTTP/1.1\r\n${AUTHORIZED}content-length: 3\r\ncontent-length: 4\r\n\r\n{}`,
      400,
    ],
    [
      'a length beside chunks',
      `POST /ingest HTTP/1.1\r\n${AUTHORIZED}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    [
      'chunks that are not the last encoding',
      `POST /ingest HTTP/1.1\r\n${AUTHORIZED}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
      400,
    ],
    [
      'a chunk whose size is no number',
      `POST /ingest HTTP/1.1\r\n${AUTHORIZED}transfer-encoding: chunked\r\n\r\nzz\r\n`,
      400,
    ],
    [
      'chunk extensions of 100 KiB',
      `POST /ingest HTTP/1.1\r\n${AUTHORIZED}transfer-encoding: chunked\r\n\r\n2;${'a'.repeat(102_400)}\r\n{}\r\n0\r\n\r\n`,
      413,
    ],
    ['no host', 'GET /healthz HTTP/1.1\r\n\r\n', 400],
    ['a host with a path', 'GET /healthz HTTP/1.1\r\nhost: x/y\r\n\r\n', 400],
    ['a host with a password', 'GET /healthz HTTP/1.1\r\nhost: a:b@x\r\n\r\n', 400],
    ['a target that is no path', 'GET healthz HTTP/1.1\r\nhost: x\r\n\r\n', 400],
    ['a target with a backslash', 'GET /\\healthz HTTP/1.1\r\nhost: x\r\n\r\n', 400],
    ['another expectation', `POST /ingest HTTP/1.1\r\n${AUTHORIZED}expect: miracles\r\n\r\n`, 417],
  ])('is answered with one problem, and the connection ends: %s', async (_what, bytes, status) => {
    const answers = await untilClosed(bytes);
    expect(answers.length).toBe(1);
    expectProblem(answers[0], status);
  });
});

describe('a request that does not come whole in time', () => {
  beforeAll(() => {
    port = impatient.port;
  });
  afterAll(() => {
    port = server.port;
  });

  it.each([
    ['in its headers', 'GET /healthz HTTP/1.1\r\nhost: x\r\n'],
    ['in its body', `POST /ingest HTTP/1.1\r\n${AUTHORIZED}content-length: 100\r\n\r\n{"lead_id"`],
    ['in its chunks', `POST /ingest HTTP/1.1\r\n${AUTHORIZED}transfer-encoding: chunked\r\n\r\n5\r\n{"l`],
  ])('is answered with a 408, and the connection ends: %s', async (_what, bytes) => {
    const answers = await untilClosed(bytes);
    expect(answers.length).toBe(1);
    expectProblem(answers[0], 408);
  });

  it('does not keep others waiting, also where hundreds of such connections are open', async () => {
    const slow = Array.from({ length: 300 }, () => untilClosed('POST /ingest HTTP/1.1\r\nhost: x\r\nx:'));
    expect((await untilEnded('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n'))[0]?.status).toBe(200);
    for (const answers of await Promise.all(slow)) expectProblem(answers[0], 408);
  });
});

describe('a client that was refused', () => {
  it('is cut off where it goes on sending and does not close its side', async () => {
    const socket = connect({ port, host: HOST, allowHalfOpen: true });
    const received: Buffer[] = [];
    socket.on('data', (chunk) => received.push(chunk));
    socket.on('error', () => {});
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const sending = setInterval(() => socket.write('more nonsense\r\n\r\n'), 20);
    await closed;
    clearInterval(sending);
    const answers = answersIn(Buffer.concat(received).toString('latin1'));
    expect(answers.map(({ status }) => status)).toEqual([400]);
  });
});

describe('a request behind another on one connection', () => {
  it('is answered in its order', async () => {
    const answers = await untilClosed(
      `${POST_EVENT}GET /nothing HTTP/1.1\r\n${AUTHORIZED}\r\n${POST_EVENT.replace('host: x', 'connection: close\r\nhost: x')}`,
    );
    expect(answers.map(({ status }) => status)).toEqual([202, 404, 202]);
  });

  it('gets its own 400 after the answer to the one before, where it is not HTTP', async () => {
    let finish: (result: PublishResult) => void = () => {};
    storing = new Promise((resolve) => {
      finish = resolve;
    });
    const exchanged = untilClosed(POST_EVENT, 'nonsense\r\n\r\n', 'more nonsense\r\n\r\n');
    await fetch(`http://${HOST}:${port}/healthz`);
    finish({ ok: true });
    const answers = await exchanged;
    storing = undefined;
    expect(answers.map(({ status }) => status)).toEqual([202, 400]);
    expectProblem(answers[1], 400);
  });

  it('cannot be smuggled in a body: what a length covers is never a request', async () => {
    const inner = 'DELETE /sequences/x HTTP/1.1\r\nhost: x\r\n\r\n';
    const outer = `POST /ingest HTTP/1.1\r\n${AUTHORIZED}content-length: ${inner.length}\r\n\r\n${inner}`;
    expect((await untilEnded(outer)).map(({ status }) => status)).toEqual([400]);
    expect(world.log.some(({ fields }) => fields.method === 'DELETE')).toBe(false);
  });
});

describe('whatever bytes come', () => {
  const piece = fc.oneof(
    {
      arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
      weight: 2,
    },
    fc.constantFrom(
      POST_EVENT,
      'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n',
      `GET /sequences/../../etc/passwd HTTP/1.1\r\n${AUTHORIZED}\r\n`,
      `GET /sequences/%2e%2e%2f%00%ff HTTP/1.1\r\n${AUTHORIZED}\r\n`,
      `POST /ingest HTTP/1.1\r\n${AUTHORIZED}transfer-encoding: chunked\r\n\r\n`,
      `POST /ingest HTTP/1.1\r\n${AUTHORIZED}expect: 100-continue\r\ncontent-length: 2\r\n\r\n`,
      'OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n',
      'TRACE / HTTP/1.1\r\nhost: x\r\n\r\n',
      'GET http://elsewhere.example/healthz HTTP/1.1\r\nhost: x\r\n\r\n',
      'GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
      'POST /ingest HTTP/1.0\r\n\r\n',
      '5\r\nhello\r\n',
      '0\r\n\r\n',
      '\r\n',
      '\r\n\r\n',
      'content-length: 5\r\n',
      'transfer-encoding: chunked\r\n',
      GOOD_EVENT,
      '{}',
      '\n',
      '\0',
    ),
  );

  it('every answer is one of the documented, none is a 500, and the server goes on', async () => {
    let answered = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 6 }), async (pieces) => {
        // As one write or as several: what lies on the border of two packets is parsed in two steps.
        const joined = pieces.map((each) => Buffer.from(each, 'latin1'));
        for (const { status, headers, body } of await untilEnded(
          ...(pieces.length % 2 === 0 ? joined : [Buffer.concat(joined)]),
        )) {
          answered += 1;
          expect([200, 202, 400, 401, 404, 405, 413, 415, 417, 431]).toContain(status);
          if (status >= 400 && body !== '')
            expect(headers.get('content-type')).toBe('application/problem+json');
          if (body !== '') JSON.parse(body);
          expect(body).not.toMatch(/node_modules|\.ts:|\.js:|st_one/);
        }
      }),
      { numRuns: 600 * RUNS },
    );
    expect(answered).toBeGreaterThan(300 * RUNS);
    expect((await fetch(`http://${HOST}:${port}/healthz`)).status).toBe(200);
    expect(world.log.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
