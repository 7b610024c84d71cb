import { type JetStreamManager, type NatsConnection, RetentionPolicy } from 'nats';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inspectStream } from '../../../src/stream/reconcile.ts';
import { ensureStreams } from '../../../src/stream/streams.ts';
import { recordingLogger, startNats, type TestServer } from '../../support/nats.ts';

const SETTINGS = { eventsStream: 'EVENTS', eventsSubject: 'events.>', eventsMaxAgeMs: 0 };
const logger = recordingLogger();

let server: TestServer;
let nats: NatsConnection;
let manager: JetStreamManager;

beforeEach(async () => {
  server = await startNats();
  nats = await server.connect();
  manager = await nats.jetstreamManager();
});

afterEach(() => server.stop());

const namesOf = async () => (await manager.streams.list().next()).map(({ config }) => config.name).sort();

describe('an events stream that is there already', () => {
  it('is refused where its retention is workqueue, and nothing is created', async () => {
    await manager.streams.add({
      name: 'EVENTS',
      subjects: ['events.>'],
      retention: RetentionPolicy.Workqueue,
    });
    const refusal =
      'EVENTS_STREAM EVENTS has retention workqueue, under which a message is gone once somebody has read it; allowed are limits and interest';
    await expect(ensureStreams(nats, SETTINGS, logger)).rejects.toThrow(refusal);
    // As the feed asks before each consumer: the stream may have been made anew meanwhile.
    await expect(inspectStream(manager, 'EVENTS', null)).rejects.toThrow(refusal);
    expect(await namesOf()).toEqual(['EVENTS']);
  });

  it.each([RetentionPolicy.Limits, RetentionPolicy.Interest])('is used where it is %s', async (retention) => {
    await manager.streams.add({ name: 'EVENTS', subjects: ['events.>'], retention });
    expect((await ensureStreams(nats, SETTINGS, logger)).events.name).toBe('EVENTS');
  });
});

describe('a second program on one server', () => {
  it('is told that the rejected events of both overlap, and what to do', async () => {
    await ensureStreams(nats, SETTINGS, logger);
    const second = { ...SETTINGS, eventsStream: 'OTHER', eventsSubject: 'other.>' };
    await expect(ensureStreams(nats, second, logger)).rejects.toThrow(
      'the stream OTHER_REJECTED cannot be created: its subject rejected.> overlaps with the stream EVENTS_REJECTED. ' +
        'Every program keeps what it rejects on rejected.<ou>, so each needs an account of its own on the NATS server, or a server of its own',
    );
  });

  it('is told that the events of both overlap, and what to do', async () => {
    await ensureStreams(nats, SETTINGS, logger);
    await expect(ensureStreams(nats, { ...SETTINGS, eventsStream: 'OTHER' }, logger)).rejects.toThrow(
      'the stream OTHER cannot be created: its subject events.> overlaps with the stream EVENTS. ' +
        'Name that one in EVENTS_STREAM, or another subject in EVENTS_SUBJECT',
    );
  });
});
