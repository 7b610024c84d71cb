import { DeadlineError } from './deadline.ts';

/** A failed connection or exchange, as a word for the attempt's row and a sentence for people. */
export interface TransportError {
  readonly kind: string;
  readonly detail: string;
}

const KINDS: ReadonlyMap<string, string> = new Map([
  ['ADDRESS_REFUSED', 'address_refused'],
  ['ECONNREFUSED', 'connection_refused'],
  ['ECONNRESET', 'connection_reset'],
  ['EPIPE', 'connection_reset'],
  ['UND_ERR_SOCKET', 'connection_reset'],
  ['ECONNECTION', 'connection_failed'],
  ['ESOCKET', 'connection_failed'],
  ['EHOSTUNREACH', 'unreachable'],
  ['ENETUNREACH', 'unreachable'],
  ['EADDRNOTAVAIL', 'unreachable'],
  ['ENOTFOUND', 'dns'],
  ['EAI_AGAIN', 'dns'],
  ['EDNS', 'dns'],
  ['EPROTO', 'tls'],
  ['EPROTOCOL', 'invalid_response'],
  ['ETLS', 'tls'],
  ['EAUTH', 'authentication'],
  ['EENVELOPE', 'unsendable'],
  ['EMESSAGE', 'unsendable'],
  ['ETIMEDOUT', 'timeout'],
  ['UND_ERR_CONNECT_TIMEOUT', 'timeout'],
  ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
  ['UND_ERR_BODY_TIMEOUT', 'timeout'],
  ['UND_ERR_ABORTED', 'aborted'],
  ['ABORT_ERR', 'aborted'],
]);

const TLS_CODE = /^(ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH)/;
const DETAIL_CHARS_MAX = 300;

/** Names the cause of a failure; an error that nobody foresaw becomes `internal`. */
export function transportError(error: unknown): TransportError {
  const cause = rootCause(error);
  const kind = kindOf(cause);
  const text = cause instanceof Error ? cause.message : String(cause);
  const message = text.replace(/\s+/g, ' ').trim();
  return { kind, detail: `${kind}: ${message}`.slice(0, DETAIL_CHARS_MAX) };
}

function kindOf(error: unknown): string {
  if (error instanceof DeadlineError) return 'timeout';
  if (error instanceof DOMException && error.name === 'AbortError') return 'aborted';
  const code = codeOf(error);
  if (code === null) return 'internal';
  return kindOfCode(originalCodeOf(error)) ?? kindOfCode(code) ?? code.toLowerCase();
}

function kindOfCode(code: string | null): string | undefined {
  if (code === null) return undefined;
  if (TLS_CODE.test(code)) return 'tls';
  if (code.startsWith('HPE_')) return 'invalid_response';
  return KINDS.get(code);
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
