import type { Msg, NatsConnection } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EventPublisher } from '../../../src/stream/publish.ts';
import { startNats, type TestServer, waitFor } from '../../support/nats.ts';

let server: TestServer;
let nats: NatsConnection;

beforeAll(async () => {
  server = await startNats();
  nats = await server.connect();
});

afterAll(() => server.stop());

async function count(stream: string): Promise<number> {
  const manager = await nats.jetstreamManager();
  return (await manager.streams.info(stream)).state.messages;
}

// Each waits for seconds, which they do side by side: every one has a stream and a publisher of its own.
describe.concurrent('publishing events that nobody acknowledges', { timeout: 30_000 }, () => {
  it('gives up on a stream that acknowledges nothing, and is free for others then', async () => {
    const manager = await nats.jetstreamManager();
    await manager.streams.add({ name: 'UNHEARD', subjects: ['unheard.>'], no_ack: true });
    const mute = new EventPublisher(nats, 'unheard.>');
    const events = Array.from({ length: 300 }, (_, at) => ({ id: `e${at}`, leadId: 'l', eventType: 'a' }));
    const unheard = { stored: false, reason: 'JetStream did not answer in time', isTooLarge: false };
    expect(await mute.publish('acme', events)).toEqual(unheard);
    await manager.streams.delete('UNHEARD');
    await manager.streams.add({ name: 'UNHEARD', subjects: ['unheard.>'] });
    expect(await mute.publish('acme', events)).toEqual({ stored: true });
  });

  it('ends calls that wait for their turn when their time is over, without sending what nobody waits for', async () => {
    const manager = await nats.jetstreamManager();
    await manager.streams.add({ name: 'WAITING', subjects: ['waiting.>'], no_ack: true });
    const mute = new EventPublisher(nats, 'waiting.>');
    const calls = Array.from({ length: 600 }, (_, at) =>
      mute.publish('acme', [{ id: `e${at}`, leadId: 'l', eventType: 'a' }]),
    );
    const unheard = { stored: false, reason: 'JetStream did not answer in time', isTooLarge: false };
    expect(await Promise.all(calls)).toEqual(calls.map(() => unheard));
    expect(await count('WAITING')).toBeLessThan(600);
  });

  it('gives a call that came later its own time, and answers it when that is over', async () => {
    const manager = await nats.jetstreamManager();
    await manager.streams.add({ name: 'LATER', subjects: ['later.>'], no_ack: true });
    const mute = new EventPublisher(nats, 'later.>');
    const event = (id: string) => ({ id, leadId: 'l', eventType: 'a' });
    const ended: string[] = [];
    const ids = Array.from({ length: 1_000 }, (_, at) => `e${at}`);
    const first = mute.publish('acme', ids.map(event)).then(() => ended.push('first'));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const second = mute.publish('acme', [event('late')]).then(() => ended.push('second'));
    await first;
    expect(ended).toEqual(['first']);
    await second;
  });

  it('takes an answer that comes too late for nothing', async () => {
    const heard: Msg[] = [];
    const subscriber = await server.connect();
    subscriber.subscribe('slow.>', { callback: (_error, message) => void heard.push(message) });
    await subscriber.flush();
    const publisher = new EventPublisher(nats, 'slow.>');
    const events = Array.from({ length: 600 }, (_, at) => ({ id: `e${at}`, leadId: 'l', eventType: 'a' }));
    const unheard = { stored: false, reason: 'JetStream did not answer in time', isTooLarge: false };
    expect(await publisher.publish('acme', events)).toEqual(unheard);
    for (const message of heard.splice(0)) message.respond('{"stream":"SLOW","seq":1}');
    await subscriber.flush();
    await nats.flush();
    void publisher.publish('acme', events);
    nats.publish('slow.end');
    await waitFor('the messages sent', () => heard.at(-1)?.subject === 'slow.end');
    // As many as may be under way at once.
    expect(heard).toHaveLength(256 + 1);
  });
});
