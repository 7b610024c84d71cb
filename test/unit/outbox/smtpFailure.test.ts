import { describe, expect, it } from 'vitest';
import { redactorOf, smtpFailure } from '../../../src/outbox/smtpFailure.ts';

const same = (text: string) => text;
const anError = (fields: object) => Object.assign(new Error('what nodemailer says'), fields);

describe('a failed email', () => {
  it('that could not even be offered is given up', () => {
    const error = anError({ code: 'EENVELOPE', command: 'API' });
    expect(smtpFailure(error, same)).toMatchObject({
      error: 'unsendable',
      detail: 'unsendable: what nodemailer says',
      permanent: true,
      concerns: 'message',
    });
  });

  it.each([
    [{ code: 'ESOCKET', originalCode: 'ECONNREFUSED' }, 'connection_refused'],
    [{ code: 'ESOCKET', originalCode: 'DEPTH_ZERO_SELF_SIGNED_CERT' }, 'tls'],
    [{ code: 'ESOCKET', originalCode: 'CERT_HAS_EXPIRED' }, 'tls'],
    [{ code: 'ESOCKET', originalCode: 'ERR_TLS_CERT_ALTNAME_INVALID' }, 'tls'],
    [{ code: 'ESOCKET' }, 'connection_failed'],
    [{ code: 'ETIMEDOUT', originalCode: 'SOMETHING_NEW' }, 'timeout'],
    [{ code: 'EDNS', originalCode: 'ENOTFOUND' }, 'dns'],
    [{ code: 'EPROTOCOL' }, 'invalid_response'],
    [{}, 'internal'],
  ])('without an answer, %j, is a matter of the server: %s', (fields, error) => {
    expect(smtpFailure(anError(fields), same)).toMatchObject({
      error,
      status: null,
      permanent: false,
      concerns: 'destination',
    });
  });

  it('is told in one line of bounded length, and keeps the beginning of the answer', () => {
    const response = `550-5.7.1 first\n550 5.7.1 ${'second '.repeat(500)}`;
    const failure = smtpFailure(anError({ code: 'EENVELOPE', responseCode: 550, response }), same);
    expect(failure.detail).toMatch(
      /^refused by the SMTP server: 550-5\.7\.1 first 550 5\.7\.1 second [^\n]*$/,
    );
    expect(failure.detail.length).toBeLessThan(400);
    expect(failure.response).toBe(response.slice(0, 1024));
  });
});

describe('what an SMTP server said', () => {
  it('is kept without the password, in every form that goes over the line', () => {
    const redact = redactorOf('smtp://me:p%40ss%2Fword@mail.example.com:587');
    const forms = ['p@ss/word', 'p%40ss%2Fword', btoa('p@ss/word'), btoa('\0me\0p@ss/word')];
    expect(redact(forms.join(' '))).toBe('[hidden] [hidden] [hidden] [hidden]');
  });

  it('is kept as it is when there is no password, and one that is badly encoded is hidden too', () => {
    expect(redactorOf('smtp://mail.example.com')('250 fine')).toBe('250 fine');
    expect(redactorOf('smtp://me:50%off@mail.example.com')('no 50%off here')).toBe('no [hidden] here');
  });
});
