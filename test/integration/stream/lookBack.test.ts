import { setImmediate as nextLoop } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { NatsConnection } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FeedMessage } from '../../../src/model/event.ts';
import { type LookBackSource, lookBack } from '../../../src/stream/lookBack.ts';
import { startNats, type TestServer } from '../../support/nats.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {} };
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
const TOKEN = 'a-token-of-the-server';

describe('a look-back over the stored events of an OU', () => {
  let server: TestServer;
  let client: NatsConnection;

  beforeAll(async () => {
    server = await startNats({ lines: [`authorization { token: "${TOKEN}" }`], client: { token: TOKEN } });
    client = await server.connect();
  });
  afterAll(() => server.stop());

  const sourceOf = (stream: string): LookBackSource => ({
    connection: { url: server.url, token: TOKEN, name: 'look-back' },
    stream,
    eventsSubject: `${stream}.>`,
  });
  const create = async (stream: string) => {
    const manager = await client.jetstreamManager();
    await manager.streams.add({ name: stream, subjects: [`${stream}.>`] });
    return manager;
  };
  const publish = async (subject: string, from: number, count: number): Promise<void> => {
    const jetStream = client.jetstream();
    for (let index = from; index < from + count; index++) {
      await jetStream.publish(subject, JSON.stringify({ id: `e${index}`, lead_id: 'l', event_type: 't' }));
    }
  };
  const idsOf = (messages: readonly FeedMessage[]) =>
    messages.map(({ decoded }) => ('event' in decoded ? decoded.event.id : decoded.rejection.reason));
  /** Reads all; `onGroup` is called with every group. */
  const read = async (
    source: LookBackSource,
    { sinceMs = 0, signal = new AbortController().signal, onGroup = () => {} }: Partial<ReadOptions> = {},
  ) => {
    const messages: FeedMessage[] = [];
    const take = (group: readonly FeedMessage[]): void => {
      messages.push(...group);
      onGroup(group);
    };
    const end = await lookBack(source, { ou: 'one', sinceMs }, take, signal, silent);
    return { ids: idsOf(messages), messages, end };
  };

  it('gives what lies on its subject and below it, in the order of the stream, decoded as by the feed', async () => {
    await create('mixed');
    await publish('mixed.one', 0, 2);
    await publish('mixed.one.web', 2, 3);
    await publish('mixed.two', 100, 2);
    await publish('mixed.one', 5, 1);
    await client.jetstream().publish('mixed.one.web', 'not json');
    await publish('mixed.onetwo', 200, 1);
    await publish('mixed.one.app', 6, 1);
    const { ids, messages, end } = await read(sourceOf('mixed'));
    expect(ids).toEqual(['e0', 'e1', 'e2', 'e3', 'e4', 'e5', 'not_json', 'e6']);
    expect(messages.map(({ streamSequence }) => streamSequence)).toEqual([1, 2, 3, 4, 5, 8, 9, 11]);
    expect(end).toEqual({ isComplete: true, fraction: 1 });
  });

  it('keeps the order of the stream where one of the two runs out before the other', async () => {
    await create('long');
    for (let index = 0; index < 24_000; index++) {
      const subject = index % 3 === 0 ? 'long.one' : 'long.one.web';
      client.publish(subject, JSON.stringify({ id: `e${index}`, lead_id: 'l', event_type: 't' }));
    }
    await client.flush();
    const { ids } = await read(sourceOf('long'));
    expect(ids).toEqual(Array.from({ length: 24_000 }, (_, index) => `e${index}`));
  });

  it('keeps no message that was taken, also of a stream that is read within a second', async () => {
    await create('brief');
    for (let index = 0; index < 5_000; index++) {
      client.publish('brief.one', JSON.stringify({ id: `e${index}`, lead_id: 'l', event_type: 't' }));
    }
    await client.flush();
    const taken: WeakRef<FeedMessage>[] = [];
    let kept = 0;
    const take = async (group: readonly FeedMessage[]): Promise<void> => {
      if (taken.length < 4_500) {
        taken.push(...group.map((message) => new WeakRef(message)));
        return;
      }
      // What was made or asked for in this turn of the loop is kept until its end.
      await nextLoop();
      collectGarbage();
      kept = taken.slice(0, 2_500).filter((message) => message.deref() !== undefined).length;
    };
    await lookBack(sourceOf('brief'), { ou: 'one', sinceMs: 0 }, take, new AbortController().signal, silent);
    expect([taken.length >= 4_500, kept]).toEqual([true, 0]);
  });

  it('gives nothing of an empty stream, or of one in which others alone have events', async () => {
    await create('others');
    expect((await read(sourceOf('others'))).end).toEqual({ isComplete: true, fraction: 1 });
    await publish('others.two', 0, 3);
    const { ids, end } = await read(sourceOf('others'));
    expect([ids, end]).toEqual([[], { isComplete: true, fraction: 1 }]);
  });

  it('begins with what arrived at a time', async () => {
    await create('since');
    await publish('since.one', 0, 3);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const sinceMs = Date.now();
    await publish('since.one.web', 3, 2);
    expect((await read(sourceOf('since'), { sinceMs })).ids).toEqual(['e3', 'e4']);
  });

  it('passes over what was removed', async () => {
    const manager = await create('removed');
    await publish('removed.one', 0, 8);
    for (const seq of [2, 5, 6]) await manager.streams.deleteMessage('removed', seq);
    const { ids, end } = await read(sourceOf('removed'));
    expect([ids, end.isComplete]).toEqual([['e0', 'e2', 'e3', 'e6', 'e7'], true]);
  });

  it('ends at what was stored when it began', async () => {
    await create('going');
    const publishMany = (from: number, count: number): Promise<void> => {
      for (let index = from; index < from + count; index++) {
        client.publish('going.one', JSON.stringify({ id: `e${index}`, lead_id: 'l', event_type: 't' }));
      }
      return client.flush();
    };
    await publishMany(0, 20_000);
    const more: Promise<void>[] = [];
    const { ids, end } = await read(sourceOf('going'), {
      onGroup: () => {
        if (more.length === 0) more.push(publishMany(20_000, 50));
      },
    });
    await Promise.all(more);
    expect([ids.length, ids.at(-1), end.isComplete]).toEqual([20_000, 'e19999', true]);
  });

  it('says how much it read when it is told to stop, and leaves no consumer behind', async () => {
    const manager = await create('stopped');
    for (let index = 0; index < 12_000; index++) {
      client.publish('stopped.one', JSON.stringify({ id: `e${index}`, lead_id: 'l', event_type: 't' }));
    }
    await client.flush();
    const abort = new AbortController();
    const { ids, end } = await read(sourceOf('stopped'), {
      signal: abort.signal,
      onGroup: () => abort.abort(),
    });
    expect(ids.length).toBeGreaterThan(0);
    expect(ids.length).toBeLessThan(12_000);
    expect(end).toEqual({ isComplete: false, fraction: ids.length / 12_000 });
    expect(ids).toEqual(ids.map((_, index) => `e${index}`));
    const later = new AbortController();
    let groups = 0;
    const waiting = await read(sourceOf('stopped'), {
      signal: later.signal,
      onGroup: () => {
        groups++;
        queueMicrotask(() => later.abort());
      },
    });
    expect([groups, waiting.end.isComplete]).toEqual([1, false]);
    const consumers = await manager.consumers.list('stopped').next();
    expect(consumers).toEqual([]);
    const aborted = await read(sourceOf('stopped'), { signal: abort.signal });
    expect([aborted.ids, aborted.end.isComplete]).toEqual([[], false]);
  });

  it('fails in words where there is no stream, where it may not connect, and when the server goes', async () => {
    await expect(read(sourceOf('absent'))).rejects.toThrow(/there is no stream absent/);
    const refused = {
      ...sourceOf('mixed'),
      connection: { url: server.url, token: 'wrong', name: 'look-back' },
    };
    await expect(read(refused)).rejects.toThrow(/cannot connect to NATS|Authorization/);
    const going = read(sourceOf('stopped'), { onGroup: () => process.kill(server.pid, 'SIGKILL') });
    await expect(going).rejects.toThrow(/the stored events cannot be read/);
    await server.start();
  });
});

interface ReadOptions {
  readonly sinceMs: number;
  readonly signal: AbortSignal;
  readonly onGroup: (group: readonly FeedMessage[]) => void;
}
