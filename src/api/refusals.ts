import { randomUUID } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { RequestError } from '@hono/node-server';
import { Problem, problemBody, problemHeaders, problemResponse } from './problem.ts';

/** Requests that do not get as far as the app are answered with problems too. */

/** The listener's error handler: the request has no target, or no host, that a URL can be made of. */
export function refuseTarget(error: unknown): Response {
  const detail = 'The request target or the Host header is missing or not valid.';
  return problemResponse(
    error instanceof RequestError
      ? new Problem(400, detail, { headers: { connection: 'close' } })
      : new Problem(500, 'Something went wrong on our side.'),
    randomUUID(),
  );
}

/** A request with an `Expect` header other than `100-continue`. */
export function refuseExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const { status, headers, body } = lastAnswer(
    new Problem(417, 'The only expectation that can be met is 100-continue.'),
  );
  response.writeHead(status, headers).end(body);
}

/** The bytes of the last answer on a connection on which something came that Node's parser does not take. */
export function answerToUnreadable(error: NodeJS.ErrnoException): string {
  const { status, headers, body } = lastAnswer(unreadable(error.code));
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n');
}

function lastAnswer(problem: Problem) {
  const requestId = randomUUID();
  const body = problemBody(problem, requestId);
  const length = String(Buffer.byteLength(body));
  const headers = { ...problemHeaders(problem, requestId), 'content-length': length, connection: 'close' };
  return { status: problem.status, headers, body };
}

function unreadable(code: string | undefined): Problem {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new Problem(431, 'The headers are larger than this server reads.');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new Problem(413, 'The chunk extensions are larger than this server reads.');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Problem(408, 'The request did not arrive whole in time.');
    default:
      return new Problem(400, 'The request is not valid HTTP.');
  }
}
