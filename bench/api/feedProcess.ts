import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type NatsConnection } from 'nats';
import { serve } from '../operations.ts';
import { seededRandom } from '../random.ts';
import { eventOf } from './workload.ts';

/** The publisher looks at the clock so often. */
const TURN_MS = 2;

/**
 * A publisher at a fixed rate, in a process of its own so that neither the measuring client nor the program
 * waits for it.
 */
const OPERATIONS = { start, stop };
export type FeedOperations = typeof OPERATIONS;

let client: NatsConnection | null = null;
let goesOn = false;
let running: Promise<number> = Promise.resolve(0);

async function start({ natsUrl, eventsPerSecond }: { natsUrl: string; eventsPerSecond: number }) {
  client = await connect({ servers: natsUrl });
  goesOn = true;
  running = publish(client, eventsPerSecond);
  return null;
}

/** The rate that was reached, in events per second. */
async function stop(_: null): Promise<number> {
  goesOn = false;
  const reached = await running;
  await client?.drain();
  return reached;
}

async function publish(connection: NatsConnection, eventsPerSecond: number): Promise<number> {
  const random = seededRandom(11);
  const startedMs = performance.now();
  let sent = 0;
  while (goesOn) {
    const due = Math.floor(((performance.now() - startedMs) / 1_000) * eventsPerSecond);
    for (; sent < due; sent++) {
      connection.publish('events.default', JSON.stringify(eventOf(`feed-${sent}`, random)));
    }
    await connection.flush();
    await sleep(TURN_MS);
  }
  return sent / ((performance.now() - startedMs) / 1_000);
}

serve(OPERATIONS);
