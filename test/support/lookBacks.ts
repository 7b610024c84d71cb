import type { NatsConnection } from 'nats';
import type { LookBackJob } from '../../src/composition/lookBackJob.ts';

const STREAM = 'stored';

/** Stores events that complete the sequence of `lookBackJob` one by one. */
export async function storeEvents(client: NatsConnection, count: number): Promise<void> {
  await (await client.jetstreamManager()).streams.add({ name: STREAM, subjects: [`${STREAM}.>`] });
  for (let index = 0; index < count; index++) {
    client.publish(`${STREAM}.one`, JSON.stringify({ id: `e${index}`, lead_id: 'l', event_type: 'view' }));
  }
  await client.flush();
}

/** A sequence of one step over the stored events of a server. */
export function lookBackJob(url: string, { stream = STREAM, timeLimitMs = 60_000 } = {}): LookBackJob {
  return {
    source: { connection: { url, name: 'look-back' }, stream, eventsSubject: `${STREAM}.>` },
    range: { ou: 'one', sinceMs: 0 },
    setup: {
      definition: {
        ou: 'one',
        id: 'simulated',
        eventTypes: ['view'],
        windowMicros: 60e6,
        ordered: true,
        active: true,
        refire: { mode: 'every' },
        maxFireDelayMicros: null,
        effectiveFrom: 0,
      },
      holdings: [],
      limits: { allowedLatenessMicros: 86_400e6, futureSkewMicros: 300e6, heldEventsMax: 4_096 },
    },
    timeLimitMs,
  };
}
