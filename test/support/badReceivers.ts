import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { SendResult } from '../../src/outbox/sender.ts';
import { type Authority, type Identity, selfSigned } from './certificates.ts';
import { OK, type RawBehaviour } from './rawReceiver.ts';

/**
 * Receivers that behave badly, or that use what the protocol leaves to them, and what a delivery to each comes
 * to. Each listens on 127.0.0.1, speaks by itself at the level of bytes, and is met with a short timeout.
 */
export interface BadReceiver extends RawBehaviour {
  /** Completes "a receiver that …". */
  readonly title: string;
  /** Messages sent, one after the other; all but the last are delivered. 1 unless told otherwise. */
  readonly messages?: number;
  /** Of the last attempt. */
  readonly expected: Partial<SendResult>;
  /** Requests that reach it, over all messages; as many as messages unless told otherwise. */
  readonly requests?: number;
}

const HOST = '127.0.0.1';
const DRIP_MS = 20;
const FLOOD_PIECE_BYTES = 4_000;
const DAY_MS = 86_400_000;

/** Answers with this text and leaves the connection open. */
const says = (text: string) => (socket: Socket) => void socket.write(text);
const saysAndCloses = (text: string | Buffer) => (socket: Socket) => void socket.end(text);
/** An empty answer with these headers. */
const answers = (status: string, ...headers: readonly string[]) =>
  says(`HTTP/1.1 ${[status, ...headers, 'content-length: 0'].join('\r\n')}\r\n\r\n`);

/**
 * Says the start, then as much of the rest as the other side takes. A piece at a time, so that a sender in the same
 * process gets its turn after each: it meets the limit of what it takes long before its time is up.
 */
const floods = (start: string, rest: string) => (socket: Socket) => {
  const piece = rest.repeat(Math.ceil(FLOOD_PIECE_BYTES / rest.length));
  const write = () => {
    if (!socket.destroyed && socket.write(piece)) setImmediate(write);
  };
  socket.on('drain', write);
  socket.write(start);
  write();
};

/** Says the start, then a byte at a time of the rest, over and over. */
const drips = (start: string, rest: string) => (socket: Socket) => {
  socket.write(start);
  let position = 0;
  const timer = setInterval(() => {
    socket.write(rest.charAt(position % rest.length));
    position += 1;
  }, DRIP_MS);
  socket.on('close', () => clearInterval(timer));
};

const delivered = (status: number, response = ''): Partial<SendResult> => ({
  outcome: 'delivered',
  status,
  response,
  pauseReason: null,
});

const answered = (status: number, change: Partial<SendResult> = {}): Partial<SendResult> => ({
  outcome: 'failed',
  status,
  error: null,
  permanent: false,
  concerns: 'destination',
  retryAfterMs: null,
  pauseReason: null,
  ...change,
});

const failed = (
  error: NonNullable<Extract<SendResult, { outcome: 'failed' }>['error']>,
): Partial<SendResult> => ({
  outcome: 'failed',
  status: null,
  error,
  response: null,
  permanent: false,
  concerns: 'destination',
  retryAfterMs: null,
  pauseReason: null,
});

const valid = (authority: Authority): Identity => authority.issue([HOST]);
const expired = (authority: Authority): Identity =>
  authority.issue([HOST], { from: new Date(Date.now() - 2 * DAY_MS), until: new Date(Date.now() - DAY_MS) });

const BROKEN: readonly BadReceiver[] = [
  { title: 'never answers', behave: () => {}, expected: failed('timeout') },
  {
    title: 'sends its headers a byte at a time',
    behave: drips('HTTP/1.1 200 OK\r\n', 'x-slow: 1\r\n'),
    expected: failed('timeout'),
  },
  {
    title: 'sends its body a byte at a time',
    behave: drips('HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n', 'z'),
    expected: failed('timeout'),
  },
  {
    title: 'sends a body without end',
    behave: floods('HTTP/1.1 200 OK\r\n\r\n', 'a'.repeat(4_000)),
    expected: delivered(200, 'a'.repeat(1_024)),
  },
  {
    title: 'fails with a body without end',
    behave: floods('HTTP/1.1 500 Oh\r\n\r\n', 'a'.repeat(4_000)),
    expected: answered(500, { response: 'a'.repeat(1_024) }),
  },
  {
    title: 'sends headers without end',
    behave: floods('HTTP/1.1 200 OK\r\n', `x-more: ${'a'.repeat(100)}\r\n`),
    expected: failed('invalid_response'),
  },
  {
    title: 'sends a header of 20,000 bytes',
    behave: says(`HTTP/1.1 200 OK\r\nx-long: ${'a'.repeat(20_000)}\r\ncontent-length: 0\r\n\r\n`),
    expected: failed('invalid_response'),
  },
  {
    title: 'sends trailers without end',
    behave: floods(
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n',
      `x-more: ${'a'.repeat(100)}\r\n`,
    ),
    expected: failed('invalid_response'),
  },
  {
    title: 'sends informational answers without end',
    behave: floods('', 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'),
    expected: failed('invalid_response'),
  },
  {
    title: 'resets the connection before the answer',
    behave: (socket) => socket.resetAndDestroy(),
    expected: failed('connection_reset'),
  },
  {
    title: 'resets the connection in the midst of the answer',
    behave: (socket) =>
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf', () => socket.resetAndDestroy()),
    expected: failed('connection_reset'),
  },
  { title: 'closes without an answer', behave: saysAndCloses(''), expected: failed('connection_reset') },
  {
    title: 'closes a connection that was kept, without an answer',
    behave: (socket, number) => (number === 1 ? socket.write(OK) : socket.end()),
    messages: 2,
    expected: failed('connection_reset'),
  },
  {
    title: 'announces more bytes than it sends',
    behave: saysAndCloses('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort'),
    expected: failed('connection_reset'),
  },
  {
    title: 'announces fewer bytes than it sends',
    behave: says('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok and more'),
    expected: delivered(200, 'ok'),
  },
  {
    title: 'answers twice',
    behave: (socket) => socket.write(OK + OK),
    messages: 2,
    expected: delivered(200, 'ok'),
  },
  {
    title: 'announces two lengths',
    behave: says('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok'),
    expected: failed('invalid_response'),
  },
  {
    title: 'announces chunks and sends garbage',
    behave: says('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n'),
    expected: failed('invalid_response'),
  },
  {
    title: 'speaks SSH',
    behave: saysAndCloses('SSH-2.0-OpenSSH_9.6\r\n'),
    expected: failed('invalid_response'),
  },
  {
    title: 'answers as in HTTP/0.9',
    behave: saysAndCloses('<html>ok</html>'),
    expected: failed('invalid_response'),
  },
  {
    title: 'sends random bytes',
    behave: saysAndCloses(Buffer.from(Array.from({ length: 999 }, (_, index) => (index * 151 + 7) % 256))),
    expected: failed('invalid_response'),
  },
  {
    title: 'ends its body by closing',
    behave: saysAndCloses('HTTP/1.0 200 OK\r\n\r\nfine'),
    expected: delivered(200, 'fine'),
  },
  {
    title: 'sends a gzip bomb',
    behave: (socket) => {
      const bomb = gzipSync(Buffer.alloc(10_000_000));
      socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`);
      socket.write(bomb);
    },
    expected: { outcome: 'delivered', status: 200, pauseReason: null },
  },
  {
    title: 'sends control characters',
    behave: says('HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n\0\x1b[2J\x07\tA'),
    expected: delivered(200, '\ufffd\ufffd[2J\ufffd\tA'),
  },
  {
    title: 'sends a body with 204',
    behave: says('HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nok'),
    expected: delivered(204),
  },
  {
    title: 'hints early and then takes it',
    behave: says(`HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${OK}`),
    expected: delivered(200, 'ok'),
  },
  {
    title: 'says 100 Continue unasked',
    behave: says(`HTTP/1.1 100 Continue\r\n\r\n${OK}`),
    expected: failed('invalid_response'),
  },
  {
    title: 'switches the protocol unasked',
    behave: says('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
    expected: failed('invalid_response'),
  },
];

const TLS: readonly BadReceiver[] = [
  {
    title: 'has a certificate that is trusted',
    identity: valid,
    behave: says(OK),
    expected: delivered(200, 'ok'),
  },
  {
    title: 'has an expired certificate',
    identity: expired,
    behave: says(OK),
    expected: failed('tls'),
    requests: 0,
  },
  {
    title: 'has a certificate signed by itself',
    identity: () => selfSigned([HOST]),
    behave: says(OK),
    expected: failed('tls'),
    requests: 0,
  },
  {
    title: 'has a certificate for another name',
    identity: (authority) => authority.issue(['example.com', '127.0.0.2']),
    behave: says(OK),
    expected: failed('tls'),
    requests: 0,
  },
  {
    title: 'is asked for TLS and has none',
    scheme: 'https',
    behave: saysAndCloses('HTTP/1.1 400 Bad Request\r\n\r\n'),
    atOnce: true,
    expected: failed('tls'),
    requests: 0,
  },
  {
    title: 'is asked without TLS and wants it',
    identity: valid,
    scheme: 'http',
    behave: says(OK),
    expected: failed('connection_reset'),
    requests: 0,
  },
];

const WISHES: readonly BadReceiver[] = [
  { title: 'answers 201', behave: answers('201 Created'), expected: delivered(201) },
  {
    title: 'redirects to itself',
    behave: answers('302 Found', 'location: /hook'),
    expected: answered(302, { detail: 'answered 302 (redirects are not followed)' }),
  },
  {
    title: 'redirects to the metadata service of a cloud',
    behave: answers('307 Temporary Redirect', 'location: http://169.254.169.254/latest/meta-data'),
    expected: answered(307),
  },
  { title: 'answers 304', behave: answers('304 Not Modified'), expected: answered(304) },
  { title: 'answers 400', behave: answers('400 Bad Request'), expected: answered(400) },
  { title: 'answers 408', behave: answers('408 Request Timeout'), expected: answered(408) },
  { title: 'answers 425', behave: answers('425 Too Early'), expected: answered(425) },
  { title: 'answers 500', behave: answers('500 Oh'), expected: answered(500, { response: '' }) },
  {
    title: 'answers 429 and asks for seconds',
    behave: answers('429 Slow Down', 'retry-after: 7'),
    expected: answered(429, { retryAfterMs: 7_000 }),
  },
  {
    title: 'answers 503 and asks for a date in the far future',
    behave: answers('503 Down', 'retry-after: Fri, 31 Dec 2100 23:59:59 GMT'),
    expected: answered(503, { retryAfterMs: DAY_MS }),
  },
  {
    title: 'answers 404 and asks for more seconds than there are',
    behave: answers('404 Not Found', `retry-after: ${'9'.repeat(400)}`),
    expected: answered(404, { retryAfterMs: DAY_MS }),
  },
  {
    title: 'answers 302 and asks for seconds',
    behave: answers('302 Found', 'retry-after: 3'),
    expected: answered(302, { retryAfterMs: 3_000 }),
  },
  {
    title: 'asks for a time that cannot be read',
    behave: answers('503 Down', 'retry-after: soon'),
    expected: answered(503),
  },
  {
    title: 'answers 410',
    behave: answers('410 Gone', 'retry-after: 7'),
    expected: answered(410, { pauseReason: 'answered 410 Gone' }),
  },
  {
    title: 'takes it and wants nothing more',
    behave: answers('200 OK', 'Webhook-Delivery:  Disable '),
    expected: { ...delivered(200), pauseReason: 'answered webhook-delivery: disable' },
  },
  {
    title: 'fails and wants nothing more',
    behave: answers('500 Oh', 'webhook-delivery: later, DISABLE', 'retry-after: 7'),
    expected: answered(500, { pauseReason: 'answered webhook-delivery: disable' }),
  },
  {
    title: 'wants nothing more in the second of two headers',
    behave: answers('503 Down', 'webhook-delivery: x', 'webhook-delivery: disable'),
    expected: answered(503, { pauseReason: 'answered webhook-delivery: disable' }),
  },
  {
    title: 'does not want this message',
    behave: answers('422 No', 'webhook-delivery: Abort-Message', 'retry-after: 7'),
    expected: answered(422, {
      permanent: true,
      concerns: 'message',
      detail: 'answered 422, and webhook-delivery: abort-message',
    }),
  },
  {
    title: 'does not want this message nor any other',
    behave: answers('410 Gone', 'webhook-delivery: abort-message'),
    expected: answered(410, { permanent: true, concerns: 'message', pauseReason: 'answered 410 Gone' }),
  },
  {
    title: 'takes it and aborts it',
    behave: answers('200 OK', 'webhook-delivery: abort-message'),
    expected: delivered(200),
  },
  {
    title: 'wishes something unknown',
    behave: answers('500 Oh', 'webhook-delivery: disabled, abort'),
    expected: answered(500),
  },
];

export const BAD_RECEIVERS: readonly BadReceiver[] = [...BROKEN, ...TLS, ...WISHES];
