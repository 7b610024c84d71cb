import type { NatsConnection } from 'nats';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BackfillRequest, BackfillSource } from '../../../src/stream/backfillSource.ts';
import { type EventStreams, ensureStreams } from '../../../src/stream/streams.ts';
import { recordingLogger, startNats, type TestServer, waitFor } from '../../support/nats.ts';

const SETTINGS = { eventsStream: 'EVENTS', eventsSubject: 'events.>', eventsMaxAgeMs: 3_600_000 };

let server: TestServer;
let nats: NatsConnection;
let streams: EventStreams;
let logger: ReturnType<typeof recordingLogger>;

beforeEach(async () => {
  server = await startNats();
  nats = await server.connect();
  logger = recordingLogger();
  streams = await ensureStreams(nats, SETTINGS, logger);
});

afterEach(() => server.stop());

async function publish(ids: readonly (string | number)[], subject = 'events.one'): Promise<void> {
  const jetStream = nats.jetstream();
  const body = (id: string | number) => JSON.stringify({ id: `${id}`, lead_id: 'l', event_type: 'a' });
  // One connection keeps the order in which they are sent.
  await Promise.all(ids.map((id) => jetStream.publish(subject, body(id))));
}

function numbers(count: number, first = 1): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

function read(change: Partial<BackfillRequest> = {}) {
  const source = new BackfillSource(nats, streams, logger);
  const streamCreated = streams.events.created;
  const request = { ou: 'one', streamCreated, fromMicros: 0, throughSequence: 1_000, ...change };
  return source.read({ signal: new AbortController().signal, ...request });
}

/** What was read, with something to do after the first portion. */
async function collect(portions: ReturnType<typeof read>, afterFirst: () => Promise<void> = async () => {}) {
  const ids: string[] = [];
  const fractions: number[] = [];
  for await (const portion of portions) {
    ids.push(...portion.events.map(({ id }) => id));
    fractions.push(portion.fraction);
    if (fractions.length === 1) await afterFirst();
  }
  return { ids, fractions };
}

describe('what a backfill reads of the stream', () => {
  it('gives the events of one OU up to a sequence, in portions, with where it stands', async () => {
    await publish(numbers(150));
    await publish(['foreign'], 'events.two');
    await nats.jetstream().publish('events.one', 'not JSON');
    await publish(numbers(150, 153), 'events.one.web');
    const { ids, fractions } = await collect(read({ throughSequence: 290 }));
    expect(ids).toEqual([...numbers(150), ...numbers(138, 153)].map(String));
    expect(fractions.length).toBeGreaterThan(2);
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
    expect(fractions[0]).toBeLessThan(0.5);
    expect(fractions.at(-1)).toBe(1);
  });

  it('begins with what arrived at a time', async () => {
    await publish(['before']);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const fromMicros = Date.now() * 1_000;
    await new Promise((resolve) => setTimeout(resolve, 20));
    await publish(['after', 'later']);
    expect((await collect(read({ fromMicros }))).ids).toEqual(['after', 'later']);
  });

  it.each([{ held: 0 }, { held: 5 }])(
    'ends where the stream does, which holds $held messages',
    async ({ held }) => {
      await publish(numbers(held));
      expect((await collect(read())).ids).toEqual(numbers(held).map(String));
    },
  );

  it('ends when the rest is purged under its hands', async () => {
    await publish(numbers(500));
    const { ids } = await collect(read(), async () => {
      await (await nats.jetstreamManager()).streams.purge('EVENTS');
    });
    expect(ids.length).toBeGreaterThanOrEqual(1);
    expect(ids.length).toBeLessThan(500);
  });

  it('reads on behind the last message when the server was away', async () => {
    await publish(numbers(500));
    const { ids } = await collect(read(), async () => {
      await server.kill();
      await server.start();
    });
    expect(ids).toEqual(numbers(500).map(String));
  });

  it('reads on when its consumer is deleted', async () => {
    await publish(numbers(500));
    const { ids } = await collect(read(), async () => {
      const manager = await nats.jetstreamManager();
      for (const { name } of await manager.consumers.list('EVENTS').next()) {
        await manager.consumers.delete('EVENTS', name);
      }
    });
    expect(ids).toEqual(numbers(500).map(String));
  });

  it('leaves no consumer behind', async () => {
    await publish(numbers(5));
    await collect(read());
    const manager = await nats.jetstreamManager();
    await expect.poll(async () => (await manager.consumers.list('EVENTS').next()).length).toBe(0);
  });

  it.each([
    { what: 'deleted', isMadeAnew: false, reason: 'the events stream was deleted' },
    { what: 'replaced', isMadeAnew: true, reason: 'another one than when the backfill was asked for' },
  ])('says so when the stream is $what', async ({ isMadeAnew, reason }) => {
    await publish(numbers(500));
    const reading = collect(read(), async () => {
      await (await nats.jetstreamManager()).streams.delete('EVENTS');
      if (isMadeAnew) await ensureStreams(nats, SETTINGS, recordingLogger());
    });
    await expect(reading).rejects.toThrow(reason);
  });

  it('reads the stream that took its place, where that is meant', async () => {
    await publish(['old']);
    await (await nats.jetstreamManager()).streams.delete('EVENTS');
    const { events } = await ensureStreams(nats, SETTINGS, recordingLogger());
    await publish(['new']);
    expect((await collect(read({ streamCreated: events.created }))).ids).toEqual(['new']);
    await expect(collect(read())).rejects.toThrow('another one than when the backfill was asked for');
    expect((await collect(read({ streamCreated: null }))).ids).toEqual(['new']);
  });

  it.each([{ hasFailed: false }, { hasFailed: true }])(
    'ends when it is told to while the server is away (found out: $hasFailed)',
    async ({ hasFailed }) => {
      await publish(numbers(500));
      const abort = new AbortController();
      const reading = collect(read({ signal: abort.signal }), () => server.kill());
      const isFoundOut = () => logger.entries.some(({ message }) => message === 'a backfill reads on later');
      if (hasFailed) await waitFor('the failure', isFoundOut);
      abort.abort();
      expect((await reading).ids.length).toBeLessThan(500);
    },
  );
});
