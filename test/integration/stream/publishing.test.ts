import { DiscardPolicy, type NatsConnection } from 'nats';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FeedMessage } from '../../../src/model/event.ts';
import { EventPublisher } from '../../../src/stream/publish.ts';
import { RejectedEvents } from '../../../src/stream/rejected.ts';
import { type ReplayProgress, replayLines, splitLines } from '../../../src/stream/replay.ts';
import { type EventStreams, ensureRejectedStream, ensureStreams } from '../../../src/stream/streams.ts';
import { recordingLogger, startNats, type TestServer, waitFor } from '../../support/nats.ts';

const SETTINGS = { eventsStream: 'EVENTS', eventsSubject: 'events.>', eventsMaxAgeMs: 3_600_000 };
const REJECTION = { reason: 'not_json', detail: 'the message is "x", but must be a JSON object' } as const;

let server: TestServer;
let nats: NatsConnection;
let streams: EventStreams;
const logger = recordingLogger();

beforeEach(async () => {
  server = await startNats({ maxPayload: 2 ** 20 });
  nats = await server.connect();
  streams = await ensureStreams(nats, SETTINGS, logger);
});

afterEach(() => server.stop());

async function count(stream: string): Promise<number> {
  const manager = await nats.jetstreamManager();
  return (await manager.streams.info(stream)).state.messages;
}

async function stored(stream: string, sequence: number) {
  return (await nats.jetstreamManager()).streams.getMessage(stream, { seq: sequence });
}

describe('publishing events', () => {
  it('stores a thousand of them before it resolves', async () => {
    const events = Array.from({ length: 1_000 }, (_, index) => ({
      id: `e${index}`,
      leadId: 'l',
      eventType: 'a',
    }));
    expect(await new EventPublisher(nats, 'events.>').publish('acme', events)).toEqual({ stored: true });
    expect(await count('EVENTS')).toBe(1_000);
  });

  it('writes no field for what is null', async () => {
    const event = { id: 'e', leadId: 'l', eventType: 'a', createdAt: null, metadata: null, score: null };
    await new EventPublisher(nats, 'events.>').publish('acme', [event]);
    expect((await stored('EVENTS', 1)).string()).toBe('{"id":"e","lead_id":"l","event_type":"a"}');
  });

  it('writes the fields under the names of the event format', async () => {
    const event = {
      id: 'e',
      leadId: 'l',
      eventType: 'a',
      createdAt: '2026-01-01T00:00:00Z',
      metadata: { page: '/' },
      score: 40,
    };
    await new EventPublisher(nats, 'events.>').publish('acme', [event]);
    const message = await stored('EVENTS', 1);
    expect(message.subject).toBe('events.acme');
    expect(message.json()).toEqual({
      id: 'e',
      lead_id: 'l',
      event_type: 'a',
      created_at: '2026-01-01T00:00:00Z',
      metadata: { page: '/' },
      score: 40,
    });
  });

  it('sends those of one call in their order, and lets calls take turns', async () => {
    const publisher = new EventPublisher(nats, 'events.>');
    const event = (id: string) => ({ id, leadId: 'l', eventType: 'a' });
    const ids = Array.from({ length: 1_000 }, (_, index) => `e${index}`);
    const ended: string[] = [];
    await Promise.all([
      publisher.publish('acme', ids.map(event)).then(() => ended.push('batch')),
      publisher.publish('other', [event('single')]).then(() => ended.push('single')),
    ]);
    expect(ended).toEqual(['single', 'batch']);
    for (const sequence of [1, 2, 500, 1_001]) {
      const at = sequence > 257 ? sequence - 2 : sequence - 1;
      expect((await stored('EVENTS', sequence)).json()).toMatchObject({ id: ids[at] });
    }
  });

  it('says what the stream says of an event that it does not take', async () => {
    const manager = await nats.jetstreamManager();
    await manager.streams.update('EVENTS', { max_msgs: 1, discard: DiscardPolicy.New });
    const publisher = new EventPublisher(nats, 'events.>');
    const events = ['e1', 'e2'].map((id) => ({ id, leadId: 'l', eventType: 'a' }));
    expect(await publisher.publish('acme', events)).toEqual({
      stored: false,
      reason: 'JetStream refused an event: maximum messages exceeded',
      isTooLarge: false,
    });
    expect(await count('EVENTS')).toBe(1);
  });

  it('names the event that is over a limit of the stream, or of the server', async () => {
    const manager = await nats.jetstreamManager();
    await manager.streams.update('EVENTS', { max_msg_size: 1_000 });
    const publisher = new EventPublisher(nats, 'events.>');
    const event = (id: string, bytes: number) => ({
      id,
      leadId: 'l',
      eventType: 'a',
      metadata: { text: 'x'.repeat(bytes) },
    });
    expect(await publisher.publish('acme', [event('e1', 1), event('e2', 2_000)])).toEqual({
      stored: false,
      reason: 'event e2: it is larger than the max_msg_size of the events stream',
      isTooLarge: true,
    });
    expect(await publisher.publish('acme', [event('e3', 2 ** 20)])).toEqual({
      stored: false,
      reason: 'event e3: it is larger than the max_payload of the NATS server',
      isTooLarge: true,
    });
    expect(await publisher.publish('acme', [event('e4', 1)])).toEqual({ stored: true });
  });

  it('R13: stores a repeated event once, and equal ids of two leads or two OUs each', async () => {
    const publisher = new EventPublisher(nats, 'events.>');
    const event = { id: 'same', leadId: 'l1', eventType: 'a' };
    await publisher.publish('acme', [event]);
    await publisher.publish('acme', [event]);
    expect(await count('EVENTS')).toBe(1);
    await publisher.publish('acme', [{ ...event, leadId: 'l2' }]);
    await publisher.publish('other', [event]);
    expect(await count('EVENTS')).toBe(3);
  });

  it('says why events were not stored', async () => {
    const publisher = new EventPublisher(nats, 'events.>');
    const event = { id: 'e', leadId: 'l', eventType: 'a' };
    const large = { ...event, metadata: { text: 'x'.repeat(2 ** 20) } };
    expect(await publisher.publish('acme', [large])).toMatchObject({
      stored: false,
      reason: expect.stringMatching(/max_payload/),
    });
    const manager = await nats.jetstreamManager();
    await manager.streams.delete('EVENTS');
    expect(await publisher.publish('acme', [event])).toEqual({
      stored: false,
      reason: expect.stringMatching(/^no stream takes the events: theirs was deleted/),
      isTooLarge: false,
    });
    await nats.close();
    expect(await publisher.publish('acme', [event])).toEqual({
      stored: false,
      reason: expect.stringMatching(/closed/),
      isTooLarge: false,
    });
  });
});

describe('replaying a file', () => {
  it('publishes every line in order, as it is, and names the bad ones', async () => {
    const text =
      '{"lead_id":"l","event_type":"a"}\n\nnot json\n{"lead_id":"l"}\n{"lead_id":"l","event_type":"b"}';
    async function* file(): AsyncGenerator<Buffer> {
      yield Buffer.from(text);
    }
    const progress: ReplayProgress = { published: 0, blank: 0, bad: 0, firstBad: [] };
    await replayLines(nats, splitLines(file()), { subject: 'events.acme', rate: null }, progress);
    expect(progress).toMatchObject({ published: 4, blank: 1, bad: 2 });
    expect(progress.firstBad).toEqual([
      { line: 3, reason: expect.stringMatching(/^not_json/) },
      { line: 4, reason: expect.stringMatching(/^missing_field: event_type/) },
    ]);
    expect((await stored('EVENTS', 2)).string()).toBe('not json');
    expect((await stored('EVENTS', 4)).json()).toEqual({ lead_id: 'l', event_type: 'b' });
  });

  it('names the line that was not stored', async () => {
    async function* file(): AsyncGenerator<Buffer> {
      yield Buffer.from(`{}\n${'x'.repeat(2 ** 20 + 1)}\n`);
    }
    const progress: ReplayProgress = { published: 0, blank: 0, bad: 0, firstBad: [] };
    const replay = replayLines(nats, splitLines(file()), { subject: 'events.acme', rate: null }, progress);
    await expect(replay).rejects.toThrow(/^line 2 was not stored/);
  });
});

describe('rejected events', () => {
  function newRejected(): RejectedEvents {
    const ensure = () => ensureRejectedStream(nats, SETTINGS, logger);
    return new RejectedEvents(
      nats,
      { stream: streams.rejectedStream, eventsStream: 'EVENTS', ensure },
      logger,
    );
  }

  function message(streamSequence: number, more: Partial<FeedMessage> = {}): FeedMessage {
    return {
      streamSequence,
      arrivalMicros: 1_000 + streamSequence,
      ou: 'acme',
      subject: 'events.acme',
      data: Buffer.from(`payload ${streamSequence}`),
      decoded: { rejection: REJECTION },
      ...more,
    };
  }

  it('are stored with their original bytes and why they were rejected', async () => {
    const data = Buffer.from([0, 255, 10, 13, 128]);
    const detail = `ünïcode 😀 \r\n${'x'.repeat(600)}`;
    await newRejected().store(message(7, { data }), { reason: 'invalid_field', detail });
    const kept = await stored('EVENTS_REJECTED', 1);
    expect(kept.subject).toBe('rejected.acme');
    expect(Buffer.from(kept.data)).toEqual(data);
    expect(kept.header.get('Rejected-Reason')).toBe('invalid_field');
    expect(kept.header.get('Rejected-Stream-Sequence')).toBe('7');
    const detailKept = kept.header.get('Rejected-Detail');
    expect(detailKept).toMatch(/^ünïcode 😀 {3}x+$/u);
    expect(detailKept).toHaveLength(500);
  });

  it('are stored once when a replay rejects them again, unless the stream was recreated', async () => {
    const rejected = newRejected();
    await rejected.store(message(7), REJECTION);
    await rejected.store(message(7), REJECTION);
    expect(await count('EVENTS_REJECTED')).toBe(1);
    await rejected.store(message(7, { arrivalMicros: 99_999 }), REJECTION);
    expect(await count('EVENTS_REJECTED')).toBe(2);
  });

  it('are cut where the server takes no message of that size together with our headers', async () => {
    const data = Buffer.alloc(2 ** 20, 'x');
    const rejected = newRejected();
    await rejected.store(message(1, { data }), REJECTION);
    const { events } = await rejected.list('acme', { page: 1, limit: 10 });
    expect(events).toMatchObject([{ payloadBytes: 2 ** 20, payloadText: 'x'.repeat(1_024) }]);
  });

  it('without an OU are stored on a subject of their own', async () => {
    await newRejected().store(message(1, { ou: '', subject: 'events' }), REJECTION);
    expect((await stored('EVENTS_REJECTED', 1)).subject).toBe('rejected.$invalid');
  });

  it('wait for a server that is away, and for their stream to be there again', async () => {
    const rejected = newRejected();
    await (await nats.jetstreamManager()).streams.delete('EVENTS_REJECTED');
    await rejected.store(message(1), REJECTION);
    expect(await count('EVENTS_REJECTED')).toBe(1);
    await server.kill();
    const storing = rejected.store(message(2), REJECTION);
    await server.start();
    await storing;
    expect(await count('EVENTS_REJECTED')).toBe(2);
  });

  it('are given up when the room is closed while the server is away', async () => {
    const rejected = newRejected();
    const storing = rejected.store(message(1), REJECTION);
    await storing;
    await nats.close();
    rejected.close();
    await expect(rejected.store(message(2), REJECTION)).rejects.toThrow('not stored before the end');
  });

  it('are listed page by page, the newest first, those of one OU only', async () => {
    const rejected = newRejected();
    // OUs in uneven turns, so that sequences and ranks differ.
    for (let sequence = 1; sequence <= 60; sequence += 1) {
      const ou = sequence % 7 === 0 || sequence > 50 ? 'other' : 'acme';
      await rejected.store(message(sequence, { ou, subject: `events.${ou}` }), REJECTION);
    }
    const acme = Array.from({ length: 50 }, (_, index) => 50 - index).filter(
      (sequence) => sequence % 7 !== 0,
    );
    const pages: number[] = [];
    for (let page = 1; page <= 5; page += 1) {
      const { events, total } = await rejected.list('acme', { page, limit: 10 });
      expect(total).toBe(acme.length);
      expect(events.length).toBeLessThanOrEqual(10);
      pages.push(...events.map((event) => event.streamSequence));
    }
    expect(pages).toEqual(acme);
    expect(await rejected.list('acme', { page: 6, limit: 10 })).toEqual({ events: [], total: acme.length });
    expect(await rejected.list('nobody', { page: 1, limit: 10 })).toEqual({ events: [], total: 0 });
    const { events } = await rejected.list('acme', { page: 1, limit: 1 });
    expect(events).toEqual([
      {
        streamSequence: 50,
        ...REJECTION,
        subject: 'events.acme',
        payloadText: 'payload 50',
        payloadBytes: 10,
        rejectedAtMicros: expect.any(Number),
      },
    ]);
    expect(Math.abs((events[0]?.rejectedAtMicros ?? 0) / 1_000 - Date.now())).toBeLessThan(600_000);
    await waitFor('no consumer to be left', async () => {
      const manager = await nats.jetstreamManager();
      return (await manager.consumers.list('EVENTS_REJECTED').next()).length === 0;
    });
  });
});
