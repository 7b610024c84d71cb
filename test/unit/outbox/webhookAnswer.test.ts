import { describe, expect, it } from 'vitest';
import { parseRetryAfter, resultOf } from '../../../src/outbox/webhookAnswer.ts';

const nowMs = Date.parse('2024-05-01T10:00:00Z');

describe('Retry-After', () => {
  it.each([
    ['120', 120_000],
    [' 120 ', 120_000],
    ['0', 0],
    ['86401', 86_400_000],
    ['999999999999', 86_400_000],
    ['Wed, 01 May 2024 10:00:30 GMT', 30_000],
    ['Wednesday, 01-May-24 10:00:30 GMT', 30_000],
    ['Wed May  1 10:00:30 2024', 30_000],
    ['Wed, 01 May 2024 09:00:00 GMT', 0],
    ['Fri, 03 May 2024 10:00:00 GMT', 86_400_000],
    ['Wed, 99 May 2024 10:00:30 GMT', null],
    ['2024-05-01T10:00:30Z', null],
    ['soon', null],
    ['-5', null],
    ['1.5', null],
    ['1e3', null],
    ['5 minutes', null],
    ['12, 13', null],
    ['', null],
    [undefined, null],
    [['1', '2'], null],
  ])('reads %o as %s ms', (value, expected) => {
    expect(parseRetryAfter(value, nowMs)).toBe(expected);
  });
});

describe('an answer', () => {
  it.each([200, 201, 202, 204, 206, 299])('with status %d is a delivery', (status) => {
    expect(resultOf({ status, headers: {}, response: 'ok' }, nowMs)).toEqual({
      outcome: 'delivered',
      status,
      response: 'ok',
      pauseReason: null,
    });
  });

  it.each([
    300, 301, 304, 308, 400, 401, 404, 408, 409, 413, 418, 425, 429, 451, 500, 501, 503, 504, 599, 600, 999,
  ])('with status %d is tried again, when the receiver says so', (status) => {
    expect(resultOf({ status, headers: { 'retry-after': '9' }, response: 'no' }, nowMs)).toMatchObject({
      outcome: 'failed',
      status,
      error: null,
      response: 'no',
      retryAfterMs: 9_000,
      permanent: false,
      concerns: 'destination',
      pauseReason: null,
    });
  });
});
