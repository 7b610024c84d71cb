import { AckPolicy, createInbox, DeliverPolicy, type NatsConnection } from 'nats';

/** Where more of them bring no more speed, and what the program's feed asks for too. */
const WINDOW_MESSAGES = 2_000;

/**
 * Reads a stream from its start with the client's own `consume()` and a callback, its fastest way, on an
 * ephemeral consumer without acknowledgements. Resolves once `total` messages came.
 */
export async function readAll(
  client: NatsConnection,
  stream: string,
  total: number,
  onData: (data: Uint8Array) => unknown,
): Promise<void> {
  const manager = await client.jetstreamManager();
  const { name } = await manager.consumers.add(stream, {
    name: `bench-${createInbox().slice('_INBOX.'.length)}`,
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.All,
    mem_storage: true,
  });
  const consumer = await client.jetstream().consumers.get(stream, name);
  let received = 0;
  let onLast: () => void = () => undefined;
  const last = new Promise<void>((resolve) => {
    onLast = resolve;
  });
  const messages = await consumer.consume({
    max_messages: WINDOW_MESSAGES,
    callback: ({ data }) => {
      onData(data);
      received += 1;
      if (received === total) onLast();
    },
  });
  await last;
  messages.stop();
}
