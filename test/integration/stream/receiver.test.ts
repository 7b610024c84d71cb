import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { unread } from '../../../src/model/checkpoint.ts';
import type { FeedMessage } from '../../../src/model/event.ts';
import { EventFeed, toFeedMessage } from '../../../src/stream/feed.ts';
import { PullConsumer } from '../../../src/stream/pull.ts';
import { ThreadedReceiver } from '../../../src/stream/receiver.ts';
import { type EventStreams, ensureStreams } from '../../../src/stream/streams.ts';
import { recordingLogger, startNats, type TestServer, waitFor } from '../../support/nats.ts';

const ENTRY = new URL('../../../dist/src/stream/receiverThread.js', import.meta.url);
const SETTINGS = { eventsStream: 'EVENTS', eventsSubject: 'events.>', eventsMaxAgeMs: 3_600_000 };
const PULL = { stream: 'EVENTS', start: { sequence: 1 }, filterSubject: null, heartbeatMs: 1_000 };

let server: TestServer;
let nats: Awaited<ReturnType<TestServer['connect']>>;
let streams: EventStreams;
let logger: ReturnType<typeof recordingLogger>;
let receiver: ThreadedReceiver;

beforeEach(async () => {
  server = await startNats();
  nats = await server.connect();
  logger = recordingLogger();
  streams = await ensureStreams(nats, SETTINGS, logger);
  receiver = new ThreadedReceiver({ url: server.url, name: 'test' }, logger, ENTRY);
});

afterEach(async () => {
  await receiver.close();
  await server.stop();
});

async function publish(bodies: readonly (string | Uint8Array)[]): Promise<void> {
  const jetStream = nats.jetstream();
  await Promise.all(bodies.map((body) => jetStream.publish('events.default', body)));
}

function event(index: number): string {
  return JSON.stringify({ id: `e${index}`, lead_id: 'ada', event_type: 'a', metadata: { index } });
}

/** Everything that is compared, in plain values. */
function shape({ data, ...message }: FeedMessage): object {
  const { streamSequence, arrivalMicros, ou, subject, decoded } = message;
  const told = JSON.stringify(decoded, (_key, value) => value?.parsed ?? value);
  return {
    streamSequence,
    arrivalMicros,
    ou,
    subject,
    decoded: told,
    data: Buffer.from(data).toString('hex'),
  };
}

async function takeAll(
  consumer: Pick<PullConsumer<FeedMessage>, 'take'>,
  count: number,
): Promise<FeedMessage[]> {
  const messages: FeedMessage[] = [];
  while (messages.length < count) {
    const taken = await consumer.take(1_000);
    if ('failure' in taken) throw new Error(taken.failure);
    messages.push(...taken);
  }
  return messages;
}

describe('the receiving thread', () => {
  it('gives the messages that a consumer without a thread gives', async () => {
    const unusual = ['not JSON', '{}', '{"lead_id":"Zoë","event_type":"語"}', Uint8Array.of(0xff)];
    const bodies = Array.from({ length: 3_000 }, (_, index) => event(index)).flatMap((body, index) =>
      index % 100 === 0 ? [body, ...unusual] : [body],
    );
    await publish(bodies);
    const plain = await PullConsumer.open(nats, await nats.jetstreamManager(), PULL, toFeedMessage);
    const threaded = await receiver.open(PULL);
    const expected = await takeAll(plain, bodies.length);
    expect((await takeAll(threaded, bodies.length)).map(shape)).toEqual(expected.map(shape));
    expect(threaded.pending).toBe(0);
    await Promise.all([plain.close(), threaded.close()]);
  });

  it('holds back what nobody takes, and goes on once somebody does', async () => {
    const bodies = Array.from({ length: 30_000 }, (_, index) => event(index));
    await publish(bodies);
    const consumer = await receiver.open(PULL);
    const info = async () => {
      const manager = await nats.jetstreamManager();
      const [found] = await manager.consumers.list('EVENTS').next();
      return found!;
    };
    // Reported and not taken, asked for and not reported: two windows and what was under way.
    let before = -1;
    await waitFor('the thread to hold back', async () => {
      const { delivered } = await info();
      const isStill = delivered.stream_seq === before && before > 0;
      before = delivered.stream_seq;
      if (!isStill) await new Promise((resolve) => setTimeout(resolve, 200));
      return isStill;
    });
    expect(before).toBeLessThan(20_000);
    const messages = await takeAll(consumer, bodies.length);
    expect(messages.map(({ streamSequence }) => streamSequence)).toEqual(bodies.map((_, index) => index + 1));
  });

  it('fails its consumer with a reason when the server has removed it', async () => {
    const consumer = await receiver.open(PULL);
    const manager = await nats.jetstreamManager();
    const [found] = await manager.consumers.list('EVENTS').next();
    await manager.consumers.delete('EVENTS', found!.name);
    await consumer.verify();
    const taken = await consumer.take(1);
    expect(taken).toEqual({ failure: expect.stringMatching(/^consumer_(not_found|deleted)$/) });
  });

  it('drops a consumer that was asked for before another, however far its opening is', async () => {
    const bodies = Array.from({ length: 20_000 }, (_, index) => event(index));
    await publish(bodies);
    const first = expect(receiver.open(PULL)).rejects.toThrow('replaced');
    const consumer = await receiver.open(PULL);
    await first;
    const messages = await takeAll(consumer, bodies.length);
    expect(messages.map(({ streamSequence }) => streamSequence)).toEqual(bodies.map((_, index) => index + 1));
    const manager = await nats.jetstreamManager();
    await waitFor('one consumer', async () => (await manager.consumers.list('EVENTS').next()).length === 1);
  });

  it('opens nothing once it is closed', async () => {
    await receiver.close();
    await expect(receiver.open(PULL)).rejects.toThrow('closed');
  });

  it('refuses in words what cannot be opened', async () => {
    await expect(receiver.open({ ...PULL, stream: 'NONE' })).rejects.toThrow('stream not found');
    const elsewhere = new ThreadedReceiver({ url: 'nats://127.0.0.1:1', name: 'test' }, logger, ENTRY);
    await expect(elsewhere.open(PULL)).rejects.toThrow('cannot connect to NATS at 127.0.0.1:1');
    await elsewhere.close();
  });

  it('that ends by itself is begun again, and the feed goes on behind what it handed on', async () => {
    const ended = new URL('data:text/javascript,setTimeout(() => { throw new Error("a defect") }, 50)');
    const broken = new ThreadedReceiver({ url: server.url, name: 'test' }, logger, ended);
    await publish([event(1), event(2)]);
    const sequences: number[] = [];
    let opened = 0;
    const feed = new EventFeed(nats, streams, logger, {
      openConsumer: (settings) => (opened++ === 0 ? broken : receiver).open(settings),
    });
    void feed.start(unread(streams.events), async (group) => {
      sequences.push(...group.map(({ streamSequence }) => streamSequence));
    });
    await waitFor('both', () => sequences.length === 2);
    expect(sequences).toEqual([1, 2]);
    const reasons = logger.entries.map(({ fields }) => JSON.stringify(fields)).join();
    expect(reasons).toContain('the receiving thread ended: a defect');
    await feed.stop();
    await broken.close();
  });
});
