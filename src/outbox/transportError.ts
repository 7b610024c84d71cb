import { DeadlineError } from './deadline.ts';
import type { ErrorKind } from './errorKind.ts';

/** A failed connection or exchange, as a word for the attempt's row and a sentence for people. */
export interface TransportError {
  readonly kind: ErrorKind;
  readonly detail: string;
}

const KINDS: ReadonlyMap<string, ErrorKind> = new Map([
  ['ADDRESS_REFUSED', 'address_refused'],
  ['INVALID_RESPONSE', 'invalid_response'],
  ['PROXY_FAILED', 'proxy'],
  ['EPROXY', 'proxy'],
  ['ECONNREFUSED', 'connection_refused'],
  ['ECONNRESET', 'connection_reset'],
  ['ECONNABORTED', 'connection_reset'],
  ['EPIPE', 'connection_reset'],
  ['UND_ERR_SOCKET', 'connection_reset'],
  ['UND_ERR_INFO', 'connection_reset'],
  ['ECONNECTION', 'connection_failed'],
  ['ESOCKET', 'connection_failed'],
  ['EHOSTUNREACH', 'unreachable'],
  ['ENETUNREACH', 'unreachable'],
  ['EADDRNOTAVAIL', 'unreachable'],
  ['ENOTFOUND', 'dns'],
  ['EAI_AGAIN', 'dns'],
  ['EAI_FAIL', 'dns'],
  ['EAI_NODATA', 'dns'],
  ['EDNS', 'dns'],
  ['EPROTO', 'tls'],
  ['ETLS', 'tls'],
  ['EREQUIRETLS', 'tls'],
  ['EAUTH', 'authentication'],
  ['ENOAUTH', 'authentication'],
  ['EOAUTH2', 'authentication'],
  ['EENVELOPE', 'unsendable'],
  ['EMESSAGE', 'unsendable'],
  ['ESTREAM', 'unsendable'],
  ['EPROTOCOL', 'invalid_response'],
  ['UND_ERR_HEADERS_OVERFLOW', 'invalid_response'],
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'invalid_response'],
  ['ETIMEDOUT', 'timeout'],
  ['UND_ERR_CONNECT_TIMEOUT', 'timeout'],
  ['UND_ERR_ABORTED', 'aborted'],
  ['UND_ERR_DESTROYED', 'aborted'],
  ['UND_ERR_CLOSED', 'aborted'],
  ['ABORT_ERR', 'aborted'],
]);

const TLS_CODE =
  /^(ERR_TLS_|ERR_SSL_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|ERROR_IN_C)/;
/** What undici says of an answer that comes unasked, or that changes the protocol. */
const BAD_ANSWER = /^bad (response|upgrade)$/;
const DETAIL_CHARS_MAX = 300;

/** Names the cause of a failure; an error that nobody foresaw becomes `internal`. */
export function transportError(error: unknown): TransportError {
  const cause = rootCause(error);
  const kind = kindOf(cause);
  const text = cause instanceof Error ? cause.message : String(cause);
  const message = text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  return { kind, detail: `${kind}: ${message}`.slice(0, DETAIL_CHARS_MAX) };
}

function kindOf(error: unknown): ErrorKind {
  if (error instanceof DeadlineError) return 'timeout';
  if (error instanceof DOMException && error.name === 'AbortError') return 'aborted';
  // Its code, HPE_ and more, is there in some versions only.
  if (error instanceof Error && error.name === 'HTTPParserError') return 'invalid_response';
  const code = codeOf(error);
  if (code === null) return 'internal';
  if (code === 'UND_ERR_SOCKET' && BAD_ANSWER.test((error as Error).message)) return 'invalid_response';
  return kindOfCode(originalCodeOf(error)) ?? kindOfCode(code) ?? 'internal';
}

function kindOfCode(code: string | null): ErrorKind | undefined {
  if (code === null) return undefined;
  return TLS_CODE.test(code) ? 'tls' : KINDS.get(code);
}

/** A failed race of IPv4 against IPv6 comes as one error that holds one for each address. */
function rootCause(error: unknown): unknown {
  if (error instanceof AggregateError && error.errors.length > 0) return rootCause(error.errors[0]);
  if (error instanceof Error && codeOf(error) === null && error.cause !== undefined)
    return rootCause(error.cause);
  return error;
}

function codeOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}

/** nodemailer writes a code of its own over that of a refused connection or certificate, and keeps the other here. */
function originalCodeOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('originalCode' in error)) return null;
  return typeof error.originalCode === 'string' ? error.originalCode : null;
}
