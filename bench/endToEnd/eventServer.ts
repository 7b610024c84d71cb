import { connect } from 'nats';
import { executablePath } from '../../src/config/load.ts';
import type { Logger } from '../../src/stream/ports.ts';
import { type EmbeddedServer, startEmbeddedServer } from '../../src/stream/server.ts';
import { findServerBinary } from '../../src/stream/serverBinary.ts';
import type { Workload } from '../matcher/workload.ts';
import { payloadsOf } from './workload.ts';

export const STREAM = 'EVENTS';
const SUBJECT = 'events.default';

const quiet: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (fields, message) => console.error(message, fields),
  error: (fields, message) => console.error(message, fields),
};

/** A nats-server with JetStream, a process of its own, that outlives the program under measurement. */
export async function startEventServer(dataDir: string): Promise<EmbeddedServer> {
  const binary = await findServerBinary(
    { binary: process.env.NATS_SERVER_BIN ?? null, path: executablePath() },
    quiet,
  );
  return startEmbeddedServer({ binary, dataDir, port: 0 }, quiet);
}

/**
 * Fills the stream, which must stand and be empty. The last message of each block is acknowledged before the
 * next block, so that the server is never flooded; the others' storage follows from the count at the end.
 *
 * @returns the mean size of a payload in bytes.
 */
export async function publishEvents(natsUrl: string, card: Workload): Promise<number> {
  const client = await connect({ servers: natsUrl });
  const stream = client.jetstream();
  let bytes = 0;
  let lastSequence = 0;
  for (const payloads of payloadsOf(card)) {
    const last = payloads.pop()!;
    for (const payload of payloads) {
      bytes += payload.length;
      client.publish(SUBJECT, payload);
    }
    bytes += last.length;
    lastSequence = (await stream.publish(SUBJECT, last)).seq;
  }
  await client.close();
  if (lastSequence !== card.events) throw new Error(`the stream ends at ${lastSequence}, not ${card.events}`);
  return bytes / card.events;
}
