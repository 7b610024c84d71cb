import { setTimeout as pause } from 'node:timers/promises';
import { connect } from 'nats';
import { EventPublisher } from '../stream/publish.ts';
import { DEMO_SEQUENCES, demoEvents } from './demoFeed.ts';
import { DEMO_OU, type DemoProgram } from './demoProgram.ts';

/** Creates the sequences of the demo, with the local receiver as their webhook. */
export async function createDemoSequences(
  program: DemoProgram,
  print: (line: string) => void,
): Promise<void> {
  for (const body of DEMO_SEQUENCES) {
    const created = await program.client.createSequence({ ...body, webhook_url: program.receiver.url });
    program.receiver.trust(created.id, created.webhook_secret);
    const steps = body.event_types.join(body.ordered ? ' → ' : ' + ');
    print(`Sequence "${created.name}": ${steps} within ${body.window_seconds} s`);
  }
}

/**
 * Publishes events of made-up visitors to JetStream, evenly paced, until the signal. Resolves to the number
 * published; rejects when JetStream does not take one.
 */
export async function runVisitors(
  program: Pick<DemoProgram, 'natsUrl' | 'eventsSubject'>,
  eventsPerSecond: number,
  signal: AbortSignal,
): Promise<number> {
  const nats = await connect({ servers: program.natsUrl, name: 'sequence-triggers demo' });
  try {
    const publisher = new EventPublisher(nats, program.eventsSubject);
    let published = 0;
    for (const { leadId, type } of demoEvents(Math.random)) {
      if (signal.aborted) break;
      published += 1;
      const createdAt = new Date().toISOString();
      const event = { id: `demo-${published}`, leadId, eventType: type, createdAt };
      const result = await publisher.publish(DEMO_OU, [event]);
      if (!result.stored) throw new Error(`an event was not stored: ${result.reason}`);
      await pause(1_000 / eventsPerSecond, undefined, { signal }).catch(() => undefined);
    }
    return published;
  } finally {
    await nats.close();
  }
}
