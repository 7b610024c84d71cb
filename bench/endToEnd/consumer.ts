/**
 * One reader of the whole stream, to be run as a process of its own: `consumer.js STAGE NATS_URL SCALE`. Writes
 * a line of JSON to standard output: wall and CPU seconds from before the consumer is created to the last
 * message (`Usage`).
 */
import { connect } from 'nats';
import { unread } from '../../src/model/checkpoint.ts';
import { openConnection } from '../../src/stream/connection.ts';
import { EventFeed, type GroupHandler } from '../../src/stream/feed.ts';
import type { Logger } from '../../src/stream/ports.ts';
import { PullConsumer } from '../../src/stream/pull.ts';
import { ThreadedReceiver } from '../../src/stream/receiver.ts';
import { ensureStreams } from '../../src/stream/streams.ts';
import { applyInGroups } from '../matcher/applyInGroups.ts';
import type { Workload } from '../matcher/workload.ts';
import { type ConsumerStage, usageSince } from './consumerProcess.ts';
import { STREAM } from './eventServer.ts';
import { readAll } from './plainConsumer.ts';
import type { Usage } from './rounds.ts';
import { cardOf, matcherOf } from './workload.ts';

/** As many as the feed hands on in a group. */
const GROUP_MESSAGES_MAX = 1_000;
const HEARTBEAT_MS = 5_000;
const DAY_MS = 86_400_000;

const quiet: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (fields, message) => console.error(message, fields),
  error: (fields, message) => console.error(message, fields),
};

const STAGES: Readonly<Record<ConsumerStage, (natsUrl: string, card: Workload) => Promise<Usage>>> = {
  noop: (natsUrl, card) => plain(natsUrl, card, () => undefined),
  parse: (natsUrl, card) => {
    const decoder = new TextDecoder();
    return plain(natsUrl, card, (data) => JSON.parse(decoder.decode(data)));
  },
  receive,
  decode: (natsUrl, card) => feed(natsUrl, card, async () => undefined),
  match: (natsUrl, card) => {
    const matcher = matcherOf(card);
    return feed(natsUrl, card, async (group) => {
      const events = group.flatMap(({ decoded }) => ('event' in decoded ? [decoded.event] : []));
      let rejected = group.length - events.length;
      applyInGroups(matcher, events, ({ kind }) => {
        if (kind === 'rejected') rejected++;
      });
      if (rejected > 0) throw new Error('the workload has an event that is rejected');
    });
  },
};

/** The vendor's client, as one would write it without this project. */
async function plain(natsUrl: string, card: Workload, onData: (data: Uint8Array) => unknown): Promise<Usage> {
  const client = await connect({ servers: natsUrl });
  const since = usageSince();
  await readAll(client, STREAM, card.events, onData);
  const usage = since();
  await client.close();
  return usage;
}

/** The pull consumer of the receiving thread, in this one; its groups are dropped. */
async function receive(natsUrl: string, card: Workload): Promise<Usage> {
  const connection = await openConnection({ url: natsUrl, name: 'bench' }, quiet);
  const manager = await connection.nats.jetstreamManager();
  const since = usageSince();
  const settings = { stream: STREAM, start: { sequence: 1 }, filterSubject: null, heartbeatMs: HEARTBEAT_MS };
  const consumer = await PullConsumer.open(connection.nats, manager, settings, (delivered) => delivered);
  for (let last = 0; last < card.events; ) {
    const taken = await consumer.take(GROUP_MESSAGES_MAX);
    if ('failure' in taken) throw new Error(taken.failure);
    last = taken.at(-1)!.streamSequence;
  }
  const usage = since();
  await consumer.close();
  await connection.close();
  return usage;
}

/** The feed with its receiving thread, and a handler instead of the engine. */
async function feed(natsUrl: string, card: Workload, handler: GroupHandler): Promise<Usage> {
  const connection = await openConnection({ url: natsUrl, name: 'bench' }, quiet);
  const streams = await ensureStreams(
    connection.nats,
    { eventsStream: STREAM, eventsSubject: 'events.>', eventsMaxAgeMs: 45 * DAY_MS },
    quiet,
  );
  const receiver = new ThreadedReceiver({ url: natsUrl, name: 'bench' }, quiet);
  const events = new EventFeed(connection.nats, streams, quiet, {
    openConsumer: (settings) => receiver.open(settings),
  });
  const since = usageSince();
  const usage = await new Promise<Usage>((resolve, reject) => {
    events.start(unread(streams.events), async (group) => {
      try {
        await handler(group);
      } catch (error) {
        reject(error);
      }
      if (group.at(-1)!.streamSequence === card.events) resolve(since());
    });
  });
  await events.stop();
  await receiver.close();
  await connection.close();
  return usage;
}

const [stage, natsUrl, scale] = process.argv.slice(2);
const usage = await STAGES[stage as ConsumerStage](natsUrl!, cardOf(Number(scale)));
console.log(JSON.stringify(usage));
// The client's consumers leave timers behind.
process.exit(0);
