import { describe, expect, it } from 'vitest';
import { AddressRefusedError } from '../../../src/outbox/addressGuard.ts';
import { ProxyError } from '../../../src/outbox/connections.ts';
import { DeadlineError, shutdownError } from '../../../src/outbox/deadline.ts';
import { InvalidResponseError } from '../../../src/outbox/exchange.ts';
import { transportError } from '../../../src/outbox/transportError.ts';

function withCode(code: string, message = 'oh'): Error {
  return Object.assign(new Error(message), { code });
}

describe('a failed exchange is named by its cause:', () => {
  it.each([
    [new DeadlineError(5), 'timeout'],
    [shutdownError(), 'aborted'],
    [new AddressRefusedError('no'), 'address_refused'],
    [new ProxyError('no'), 'proxy'],
    [new InvalidResponseError('no'), 'invalid_response'],
    [withCode('ECONNREFUSED'), 'connection_refused'],
    [withCode('UND_ERR_SOCKET', 'other side closed'), 'connection_reset'],
    [withCode('UND_ERR_SOCKET', 'bad upgrade'), 'invalid_response'],
    [Object.assign(new Error('x'), { name: 'HTTPParserError', code: undefined }), 'invalid_response'],
    [withCode('CERT_HAS_EXPIRED'), 'tls'],
    [withCode('ERR_SSL_WRONG_VERSION_NUMBER'), 'tls'],
    [withCode('SELF_SIGNED_CERT_IN_CHAIN'), 'tls'],
    [withCode('ENOTFOUND'), 'dns'],
    [withCode('EAI_AGAIN'), 'dns'],
    [withCode('EMFILE'), 'internal'],
    [withCode('SOMETHING_NEW'), 'internal'],
    [new TypeError('x is not a function'), 'internal'],
    ['a text', 'internal'],
    [undefined, 'internal'],
    [new Error('fetch failed', { cause: withCode('ETIMEDOUT') }), 'timeout'],
    [new AggregateError([withCode('EHOSTUNREACH'), withCode('ECONNREFUSED')]), 'unreachable'],
  ])('%o is %s', (error, kind) => {
    expect(transportError(error).kind).toBe(kind);
  });

  it('says in one harmless line of bounded length what happened', () => {
    const { detail } = transportError(withCode('EPROTO', `first\r\nsecond\0\x1b[2J${'x'.repeat(1_000)}`));
    expect(detail).toMatch(/^tls: first second \[2Jx+$/);
    expect(detail).toHaveLength(300);
  });
});
