import { headers, type NatsConnection } from 'nats';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type StreamMark, unread } from '../../../src/model/checkpoint.ts';
import type { FeedMessage } from '../../../src/model/event.ts';
import { openConnection } from '../../../src/stream/connection.ts';
import { EventFeed, type FeedSettings, type SequenceGap } from '../../../src/stream/feed.ts';
import { PullConsumer } from '../../../src/stream/pull.ts';
import { type EventStreams, ensureStreams } from '../../../src/stream/streams.ts';
import { recordingLogger, startNats, type TestServer, waitFor } from '../../support/nats.ts';
import { startProxy } from '../../support/proxy.ts';

/** Together they take twice as long as silence may. */
const [SLOW_MESSAGE_SECONDS, SLOW_LINE_BYTES_PER_SECOND] = [7, 250_000];
const SETTINGS = { eventsStream: 'EVENTS', eventsSubject: 'events.>', eventsMaxAgeMs: 3_600_000 };

let server: TestServer;
let nats: NatsConnection;
let streams: EventStreams;
let logger: ReturnType<typeof recordingLogger>;
const feeds: EventFeed[] = [];

beforeEach(async () => {
  server = await startNats();
  nats = await server.connect();
  logger = recordingLogger();
  streams = await ensureStreams(nats, SETTINGS, logger);
});

afterEach(async () => {
  await Promise.all(feeds.splice(0).map((feed) => feed.stop()));
  await server.stop();
});

function newFeed(settings: FeedSettings = {}, on: EventStreams = streams): EventFeed {
  const feed = new EventFeed(nats, on, logger, { handlerPauseMs: 10, ...settings });
  feeds.push(feed);
  return feed;
}

/** The mark of a message whose content is not remembered. */
function from(sequence: number): StreamMark {
  return { ...unread(streams.events), sequence };
}

async function publish(count: number, subject = 'events.default', from = 1): Promise<void> {
  const jetStream = nats.jetstream();
  const body = (index: number) => JSON.stringify({ id: `e${index}`, lead_id: 'l', event_type: 'a' });
  // One connection keeps the order in which they are sent.
  const indices = Array.from({ length: count }, (_, offset) => from + offset);
  await Promise.all(indices.map((index) => jetStream.publish(subject, body(index))));
}

/** The last message that the server has sent to the feed. */
async function delivered(): Promise<number> {
  const manager = await nats.jetstreamManager();
  const [consumer] = await manager.consumers.list('EVENTS').next();
  return consumer?.delivered.stream_seq ?? 0;
}

/** A handler that keeps the sequences it was given. */
function collector() {
  const sequences: number[] = [];
  const messages: FeedMessage[] = [];
  const handler = async (group: readonly FeedMessage[]): Promise<void> => {
    messages.push(...group);
    sequences.push(...group.map((message) => message.streamSequence));
  };
  return { sequences, messages, handler };
}

/** What is given, with another member in the place of one of its own. */
function replacing<T extends object, Name extends keyof T>(whole: T, name: Name, member: T[Name]): T {
  return new Proxy(whole, {
    get: (target, asked) => {
      if (asked === name) return member;
      const value = Reflect.get(target, asked);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** The connection, over which one message of the stream, the nth that comes, is lost on the way. */
function losingOne(connection: NatsConnection, nth: number): NatsConnection {
  let arrived = 0;
  return replacing(connection, 'subscribe', (inbox, options) => {
    const callback = options?.callback;
    return connection.subscribe(inbox, {
      callback: (error, message) => {
        const isLost = message.subject !== inbox && ++arrived === nth;
        if (!isLost) callback?.(error, message);
      },
    });
  });
}

/** The connection, over which the server's answers about messages are held until they are released. */
function holdingAnswers(connection: NatsConnection) {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let asked = 0;
  const jetstreamManager: NatsConnection['jetstreamManager'] = async (options) => {
    const manager = await connection.jetstreamManager(options);
    const getMessage: typeof manager.streams.getMessage = async (stream, query) => {
      asked += 1;
      await released;
      return manager.streams.getMessage(stream, query);
    };
    return replacing(manager, 'streams', replacing(manager.streams, 'getMessage', getMessage));
  };
  const held = replacing(connection, 'jetstreamManager', jetstreamManager);
  return { connection: held, asked: () => asked, release };
}

function upTo(last: number, from = 1): number[] {
  return Array.from({ length: last - from + 1 }, (_, index) => from + index);
}

describe('a pull consumer', () => {
  it('asks again before its request ends, since the server may drop one at its end without a word', async () => {
    const heard: string[] = [];
    nats.subscribe('$JS.API.CONSUMER.MSG.NEXT.EVENTS.>', {
      callback: (_error, { reply: inbox }) => {
        heard.push('request');
        if (heard.length > 1) return;
        nats.subscribe(inbox!, {
          callback: (_error, { headers }) => void (headers?.code === 408 && heard.push('end')),
        });
      },
    });
    await nats.flush();
    const manager = await nats.jetstreamManager();
    const start = { sequence: 1 };
    const settings = { stream: 'EVENTS', start, filterSubject: null, heartbeatMs: 100, expiresMs: 1_000 };
    const consumer = await PullConsumer.open(nats, manager, settings, (delivered) => delivered);
    await waitFor('the end of a request', () => heard.includes('end'));
    await publish(1);
    expect(await consumer.take(1)).toMatchObject([{ streamSequence: 1 }]);
    await consumer.close();
    expect(heard.slice(0, 3)).toEqual(['request', 'request', 'end']);
  });
});

describe('the event feed', () => {
  it('hands on every message in stream order, decoded, with its arrival time in microseconds', async () => {
    const header = headers();
    header.set('Nats-Msg-Id', 'from-header');
    await nats
      .jetstream()
      .publish('events.acme.web', '{"lead_id":"l","event_type":"a"}', { headers: header });
    await nats.jetstream().publish('events.acme', 'not json');
    const { handler, messages } = collector();
    const feed = newFeed();
    feed.start(from(0), handler);
    await waitFor('two messages', () => messages.length === 2);

    const stored = await (await nats.jetstreamManager()).streams.getMessage('EVENTS', { seq: 1 });
    const [good, bad] = messages;
    expect(good).toMatchObject({ streamSequence: 1, ou: 'acme', subject: 'events.acme.web' });
    expect(good?.decoded).toMatchObject({
      event: { id: 'from-header', type: 'a', timeMicros: good?.arrivalMicros },
    });
    expect(Math.floor((good?.arrivalMicros ?? 0) / 1_000)).toBe(Date.parse(stored.timestamp));
    expect(bad?.decoded).toMatchObject({ rejection: { reason: 'not_json' } });
    expect(Buffer.from(bad?.data ?? []).toString()).toBe('not json');
    expect(feed.state).toEqual({ ready: true });
    expect(feed.cursor).toBe(2);
  });

  it('starts behind the cursor it is given', async () => {
    await publish(10);
    const { handler, sequences } = collector();
    newFeed().start(from(7), handler);
    await waitFor('three messages', () => sequences.length === 3);
    expect(sequences).toEqual([8, 9, 10]);
  });

  it('hands on the next group only when the handler is done, and bounds the groups', async () => {
    await publish(250);
    const { handler, sequences } = collector();
    const sizes: number[] = [];
    let isBusy = false;
    const feed = newFeed({ groupMessagesMax: 100 });
    feed.start(from(0), async (group) => {
      expect(isBusy).toBe(false);
      isBusy = true;
      sizes.push(group.length);
      await new Promise((resolve) => setImmediate(resolve));
      await handler(group);
      isBusy = false;
    });
    await waitFor('all messages', () => sequences.length === 250);
    expect(sequences).toEqual(upTo(250));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(100);
  });

  it('buffers no more than its window while the handler is stuck, and tells the lag', async () => {
    const jetStream = nats.jetstream();
    const publishes = Array.from({ length: 20_000 }, () => jetStream.publish('events.default', '{}'));
    await Promise.all(publishes);
    let release = (): void => undefined;
    const stuck = new Promise<void>((resolve) => {
      release = resolve;
    });
    const feed = newFeed({ pollIntervalMs: 50, heartbeatMs: 500 });
    const { handler, sequences } = collector();
    feed.start(from(0), async (group) => {
      await stuck;
      await handler(group);
    });
    await waitFor('the window to fill', async () => (await delivered()) >= 8_000);
    expect(await delivered()).toBeLessThanOrEqual(12_000);
    expect(feed.lag).toBe(20_000);
    release();
    await waitFor('all messages', () => sequences.length === 20_000);
    expect(sequences).toEqual(upTo(20_000));
    await waitFor('no lag', () => feed.lag === 0);
  });

  it('asks for no more than a few mebibytes while the handler is stuck, however large the messages are', async () => {
    const jetStream = nats.jetstream();
    const mebibyte = new Uint8Array(2 ** 20);
    await Promise.all(Array.from({ length: 64 }, () => jetStream.publish('events.default', mebibyte)));
    let release = (): void => undefined;
    const stuck = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { handler, sequences } = collector();
    newFeed().start(from(0), async (group) => {
      await stuck;
      await handler(group);
    });
    let before = 0;
    const sent = await waitFor('the server to send no more', async () => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      const [last, now] = [before, await delivered()];
      before = now;
      return now > 0 && now === last ? now : undefined;
    });
    // Before what follows, since a feed with a handler that is stuck cannot be stopped.
    release();
    // What was buffered when the handler took its first group, the window, and a request that was under way.
    expect(sent).toBeLessThanOrEqual(50);
    await waitFor('all messages', () => sequences.length === 64);
    expect(sequences).toEqual(upTo(64));
  });

  it('goes on where it was when the server is killed and started again', async () => {
    const { handler, sequences } = collector();
    const rebuilds: string[] = [];
    const feed = newFeed({ onRebuild: (reason) => rebuilds.push(reason) });
    feed.start(from(0), handler);
    await publish(500);
    await waitFor('some messages', () => sequences.length > 0);
    await server.kill('SIGKILL');
    await waitFor('the feed to notice', () => !feed.state.ready);
    await server.start();
    await waitFor('the client to be back', () => nats.flush().then(() => true));
    await publish(500, 'events.default', 501);
    await waitFor('all messages', () => sequences.length >= 1_000);
    expect(sequences).toEqual(upTo(1_000));
    expect(rebuilds.length).toBeGreaterThan(0);
    await waitFor('the feed to consume again', () => feed.state.ready);
  });

  it('builds its consumer again when somebody deletes it', async () => {
    const { handler, sequences } = collector();
    const rebuilds: string[] = [];
    const feed = newFeed({ onRebuild: (reason) => rebuilds.push(reason) });
    feed.start(from(0), handler);
    await publish(5);
    await waitFor('five messages', () => sequences.length === 5);
    const manager = await nats.jetstreamManager();
    const [consumer] = await manager.consumers.list('EVENTS').next();
    await manager.consumers.delete('EVENTS', consumer?.name ?? '');
    await publish(5);
    await waitFor('ten messages', () => sequences.length >= 10);
    expect(sequences).toEqual(upTo(10));
    expect(rebuilds).toEqual(['consumer_deleted']);
  });

  it('leaves one consumer behind it on the server, not one for each rebuild', async () => {
    const { handler, sequences } = collector();
    let failures = 3;
    const feed = newFeed();
    feed.start(from(0), async (group) => {
      failures -= 1;
      if (failures >= 0) throw new Error('a full disk');
      await handler(group);
    });
    await publish(3);
    await waitFor('three messages', () => sequences.length === 3);
    const manager = await nats.jetstreamManager();
    await waitFor('one consumer', async () => (await manager.consumers.list('EVENTS').next()).length === 1);
    await feed.stop();
    await waitFor('no consumer', async () => (await manager.consumers.list('EVENTS').next()).length === 0);
  });

  it('hands the same messages on again when the handler fails, and says so until it succeeds', async () => {
    await publish(3);
    const { handler, sequences } = collector();
    let isBroken = true;
    const feed = newFeed();
    feed.start(from(0), async (group) => {
      if (isBroken) throw new Error('a full disk');
      await handler(group);
    });
    await waitFor(
      'the failure to show',
      () => !feed.state.ready && feed.state.reason === 'the engine failed: a full disk',
    );
    expect(feed.cursor).toBe(0);
    isBroken = false;
    await waitFor('three messages', () => sequences.length === 3);
    expect(sequences).toEqual([1, 2, 3]);
  });

  it('finishes the group in hand when it is stopped, and hands on no other', async () => {
    await publish(20);
    let release = (): void => undefined;
    let started = false;
    const done: number[] = [];
    const feed = newFeed({ groupMessagesMax: 5 });
    feed.start(from(0), async (group) => {
      started = true;
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      done.push(...group.map((message) => message.streamSequence));
    });
    await waitFor('a group in hand', () => started);
    const stopped = feed.stop();
    release();
    await stopped;
    expect(done.length).toBeGreaterThan(0);
    expect(done.length).toBeLessThanOrEqual(5);
    expect(feed.cursor).toBe(done.at(-1));
  });

  it('reports messages that were removed singly, and passes over them', async () => {
    await publish(10);
    const manager = await nats.jetstreamManager();
    await manager.streams.deleteMessage('EVENTS', 6);
    await manager.streams.deleteMessage('EVENTS', 7);
    const gaps: SequenceGap[] = [];
    const { handler, sequences } = collector();
    newFeed({ onGap: (gap) => gaps.push(gap) }).start(from(0), handler);
    await waitFor('what is left', () => sequences.length === 8);
    expect(sequences).toEqual([1, 2, 3, 4, 5, 8, 9, 10]);
    expect(gaps).toEqual([{ from: 6, to: 7 }]);
  });

  it('tells a lag until the last message is handled, also while the server is asked about a gap', async () => {
    await publish(3);
    await (await nats.jetstreamManager()).streams.deleteMessage('EVENTS', 2);
    const { connection, asked, release } = holdingAnswers(nats);
    const feed = new EventFeed(connection, streams, logger);
    feeds.push(feed);
    const lags: number[] = [];
    let isDone = false;
    const sample = (): void => {
      if (isDone) return;
      if (feed.state.ready) lags.push(feed.lag);
      setImmediate(sample);
    };
    const { handler, sequences } = collector();
    feed.start(from(0), async (group) => {
      await new Promise((resolve) => setImmediate(resolve));
      await handler(group);
      isDone = sequences.length === 2;
    });
    sample();
    await waitFor('the question about the gap', () => asked() > 0);
    const before = lags.length;
    await waitFor('lags that were told meanwhile', () => lags.length > before + 10);
    release();
    await waitFor('what is left', () => isDone);
    expect(sequences).toEqual([1, 3]);
    expect(lags).not.toContain(0);
    await waitFor('no lag', () => feed.lag === 0);
  });

  it('ends before messages that retention took away, and what lies before them is handled', async () => {
    await publish(3);
    const manager = await nats.jetstreamManager();
    const { handler, sequences } = collector();
    let release = (): void => undefined;
    const stuck = new Promise<void>((resolve) => {
      release = resolve;
    });
    const gaps: SequenceGap[] = [];
    const feed = newFeed({ groupMessagesMax: 1, onGap: (gap) => gaps.push(gap) });
    const ended = feed.start(from(0), async (group) => {
      await stuck;
      await handler(group);
    });
    await publish(9_000, 'events.default', 4);
    await waitFor('the window to fill', async () => (await delivered()) >= 8_000);
    await manager.streams.purge('EVENTS', { seq: 9_003 });
    release();
    const end = await ended;
    expect(end).toMatchObject({ kind: 'mismatch', found: { firstSequence: 9_003 } });
    expect(sequences).toEqual(upTo(feed.cursor));
    expect(feed.cursor).toBeGreaterThan(3);
    expect(feed.cursor).toBeLessThan(9_002);
    expect(gaps).toEqual([]);
  });

  it('builds its consumer again where a message was lost on the way, and no message is missed', async () => {
    const { handler, sequences } = collector();
    const rebuilds: string[] = [];
    const feed = new EventFeed(losingOne(nats, 3), streams, logger, {
      onRebuild: (reason) => rebuilds.push(reason),
    });
    feeds.push(feed);
    feed.start(from(0), handler);
    await publish(6);
    await waitFor('six messages', () => sequences.length >= 6);
    expect(sequences).toEqual(upTo(6));
    expect(rebuilds).toEqual(['lost_on_the_way']);
  });

  it('ends when the stream is created anew under it, and goes on where it is told then', async () => {
    const { handler, sequences } = collector();
    const feed = newFeed();
    const ended = feed.start(from(0), handler);
    await publish(2);
    await waitFor('two messages', () => sequences.length === 2);
    const manager = await nats.jetstreamManager();
    await manager.streams.delete('EVENTS');
    await waitFor('the feed to notice', () => !feed.state.ready);
    const again = await ensureStreams(nats, SETTINGS, logger);
    expect(await ended).toMatchObject({ kind: 'mismatch', found: { created: again.events.created } });
    expect(feed.state.ready).toBe(false);
    feed.start(unread(again.events), handler);
    await publish(3);
    await waitFor('three more messages', () => sequences.length >= 5);
    expect(sequences).toEqual([1, 2, 1, 2, 3]);
  });

  it('ends when the stream ends before the cursor', async () => {
    await publish(5);
    const { handler, sequences } = collector();
    const ended = await newFeed().start(from(9), handler);
    expect(ended).toMatchObject({ kind: 'mismatch', found: { lastSequence: 5 } });
    expect(sequences).toEqual([]);
  });

  it('ends when the stream holds another message where it had read one', async () => {
    await publish(3);
    const { handler, sequences } = collector();
    const mark = { ...from(2), messageArrivalMicros: 1, messageDigest: 'of another message' };
    expect(await newFeed().start(mark, handler)).toMatchObject({ kind: 'mismatch' });
    expect(sequences).toEqual([]);
  });

  it('builds its consumer again when the server falls silent', async () => {
    const { handler, sequences } = collector();
    const rebuilds: string[] = [];
    const feed = newFeed({ heartbeatMs: 200, onRebuild: (reason) => rebuilds.push(reason) });
    feed.start(from(0), handler);
    await publish(2);
    await waitFor('two messages', () => sequences.length === 2);
    process.kill(server.pid, 'SIGSTOP');
    await waitFor('the feed to notice', () => rebuilds.includes('heartbeats_missed'));
    process.kill(server.pid, 'SIGCONT');
    await publish(2);
    await waitFor('four messages', () => sequences.length === 4);
    expect(sequences).toEqual([1, 2, 3, 4]);
  });

  it('reads a message that takes seconds on a slow line on the first connection, and goes on', async () => {
    const proxy = await startProxy(server.port, { bytesPerSecond: SLOW_LINE_BYTES_PER_SECOND });
    const url = `nats://127.0.0.1:${proxy.port}`;
    const line = await openConnection({ url, name: 'on a slow line' }, logger);
    const rebuilds: string[] = [];
    const feed = new EventFeed(line.nats, streams, logger, { onRebuild: (reason) => rebuilds.push(reason) });
    try {
      const { handler, sequences } = collector();
      feed.start(from(0), handler);
      await publish(1);
      const large = new Uint8Array(SLOW_MESSAGE_SECONDS * SLOW_LINE_BYTES_PER_SECOND);
      await nats.jetstream().publish('events.default', large);
      await publish(1);
      await waitFor('three messages', () => sequences.length >= 3);
      expect(sequences).toEqual([1, 2, 3]);
      expect(rebuilds).toEqual([]);
      expect(proxy.linesEver).toBe(1);
      await publish(1);
      await waitFor('a fourth message', () => sequences.length >= 4);
    } finally {
      await feed.stop();
      await line.close();
      await proxy.close();
    }
  });

  it('stays as it is while nothing happens', async () => {
    const rebuilds: string[] = [];
    const feed = newFeed({
      heartbeatMs: 300,
      pollIntervalMs: 20,
      onRebuild: (reason) => rebuilds.push(reason),
    });
    feed.start(from(0), collector().handler);
    await waitFor('the feed to consume', () => feed.state.ready);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(rebuilds).toEqual([]);
    expect(feed.lag).toBe(0);
  });

  it('reads its own subject only where the stream carries others as well, which are no gap', async () => {
    const manager = await nats.jetstreamManager();
    await manager.streams.add({ name: 'MIXED', subjects: ['clicks.>', 'other.>'] });
    const settings = {
      ...SETTINGS,
      eventsStream: 'MIXED',
      eventsSubject: 'clicks.>',
      rejectedBytesMax: 2 ** 20,
    };
    await manager.streams.delete('EVENTS_REJECTED');
    const mixed = await ensureStreams(nats, settings, logger);
    await publish(1, 'clicks.a');
    await publish(1, 'other.a');
    await publish(1, 'clicks.b');
    const gaps: SequenceGap[] = [];
    const { handler, sequences } = collector();
    newFeed({ onGap: (gap) => gaps.push(gap) }, mixed).start(unread(mixed.events), handler);
    await waitFor('two messages', () => sequences.length === 2);
    expect(sequences).toEqual([1, 3]);
    expect(gaps).toEqual([]);
  });

  it('reads messages of several mebibytes without stalling', async () => {
    const jetStream = nats.jetstream();
    const large = new Uint8Array(3 * 2 ** 20);
    await Promise.all(Array.from({ length: 20 }, () => jetStream.publish('events.default', large)));
    const { handler, messages } = collector();
    newFeed().start(from(0), handler);
    await waitFor('all of them', () => messages.length === 20);
    expect(messages.every(({ data }) => data.length === large.length)).toBe(true);
    expect(messages[0]?.decoded).toMatchObject({ rejection: { reason: 'too_large' } });
  });
});

describe('setting up the streams', () => {
  it('creates them with their limits and uses them as found the next time', async () => {
    const manager = await nats.jetstreamManager();
    const { config } = await manager.streams.info('EVENTS');
    expect(config).toMatchObject({ storage: 'file', retention: 'limits', max_age: 3_600_000 * 1_000_000 });
    const rejected = await manager.streams.info('EVENTS_REJECTED');
    expect(rejected.config).toMatchObject({ subjects: ['rejected.>'], max_bytes: 2 ** 30, discard: 'old' });
    const again = await ensureStreams(nats, { ...SETTINGS, eventsMaxAgeMs: 60_000 }, logger);
    expect(again).toEqual(streams);
  });

  it('refuses a stream that does not carry the events, and a subject that another stream holds', async () => {
    const other = { ...SETTINGS, eventsSubject: 'clicks.>' };
    await expect(ensureStreams(nats, other, logger)).rejects.toThrow(
      /EVENTS_STREAM EVENTS exists .* clicks\.>/,
    );
    const taken = { ...SETTINGS, eventsStream: 'SECOND' };
    await expect(ensureStreams(nats, taken, logger)).rejects.toThrow(
      /stream SECOND cannot be created: .*overlap/,
    );
  });
});
