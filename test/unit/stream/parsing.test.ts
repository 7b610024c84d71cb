import { describe, expect, it } from 'vitest';
import { parseServers } from '../../../src/stream/connection.ts';
import { eventMessageId } from '../../../src/stream/messageId.ts';
import { splitLines } from '../../../src/stream/replay.ts';
import { coversSubject, subjectOfOu } from '../../../src/stream/subject.ts';
import { parseDelivery } from '../../../src/stream/timestamp.ts';

describe('the reply subject of a delivered message', () => {
  it.each([
    '$JS.ACK.EVENTS.c1.1.1234567.42.1767225600123456789.17',
    '$JS.ACK._.hash.EVENTS.c1.1.1234567.42.1767225600123456789.17',
    '$JS.ACK.hub.hash.EVENTS.c1.1.1234567.42.1767225600123456789.17.token',
  ])('is read in every form that servers have: %s', (reply) => {
    expect(parseDelivery(reply, '.c1.')).toEqual({
      streamSequence: 1_234_567,
      arrivalMicros: 1_767_225_600_123_456,
      pending: 17,
    });
  });

  it('is refused when it is something else', () => {
    expect(() => parseDelivery('_INBOX.abc', '.c1.')).toThrow('not the reply subject');
    expect(() => parseDelivery('$JS.ACK.EVENTS.c1.1.2', '.c1.')).toThrow('not the reply subject');
  });
});

describe('the message id of a published event', () => {
  it('keeps equal ids of two leads or OUs apart, also where a part holds the separator', () => {
    const ids = [
      eventMessageId('ou', 'a:b', 'c'),
      eventMessageId('ou', 'a', 'b:c'),
      eventMessageId('ou', 'a', 'c'),
      eventMessageId('ou2', 'a', 'c'),
    ];
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('fits a header whatever the parts hold', () => {
    expect(eventMessageId('ou', 'line\r\nbreak', ' é\ud800')).toMatch(/^[\x21-\x7e]+$/);
  });
});

describe('NATS_URL', () => {
  it('may hold several servers, credentials and TLS', () => {
    expect(parseServers('nats://u:p%40ss@a:4222, b:4333')).toEqual({
      servers: ['a:4222', 'b:4333'],
      user: 'u',
      pass: 'p@ss',
    });
    expect(parseServers('nats://secret@a:4222')).toEqual({ servers: ['a:4222'], token: 'secret' });
    expect(parseServers('tls://a:4222')).toEqual({ servers: ['a:4222'], tls: {} });
  });

  it('is refused without being repeated when it is no URL', () => {
    expect(() => parseServers('http://u:secret@a')).toThrow(/^(?!.*secret).*nats:\/\//);
  });
});

describe('subjects', () => {
  it('are covered by the patterns that match all of them', () => {
    expect(coversSubject('events.>', 'events.a.b')).toBe(true);
    expect(coversSubject('events.>', 'events.>')).toBe(true);
    expect(coversSubject('events.>', 'events')).toBe(false);
    expect(coversSubject('events.*', 'events.>')).toBe(false);
    expect(coversSubject('*.>', 'events.>')).toBe(true);
    expect(coversSubject('events.*', 'events.a')).toBe(true);
    expect(coversSubject('events.*', 'other.a')).toBe(false);
  });

  it('of an OU follow the configured one', () => {
    expect(subjectOfOu('clicks.>', 'acme')).toBe('clicks.acme');
  });
});

describe('the lines of a file', () => {
  async function linesOf(chunks: readonly string[]): Promise<string[]> {
    async function* source(): AsyncGenerator<Buffer> {
      for (const chunk of chunks) yield Buffer.from(chunk, 'latin1');
    }
    const lines: string[] = [];
    for await (const line of splitLines(source())) lines.push(Buffer.from(line).toString('latin1'));
    return lines;
  }

  it('are the same wherever the chunks end', async () => {
    expect(await linesOf(['a\nbc\r\n\nlast'])).toEqual(['a', 'bc', '', 'last']);
    expect(await linesOf([...'a\nbc\r\n\nlast'])).toEqual(['a', 'bc', '', 'last']);
  });

  it('keep bytes that are not UTF-8', async () => {
    expect(await linesOf(['\xff\xfe\n'])).toEqual(['\xff\xfe']);
  });
});
