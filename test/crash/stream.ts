import type { NatsConnection, StoredMsg } from 'nats';
import { microsOf } from './times.ts';

/** A message as the events stream holds it. */
export interface StreamMessage {
  readonly sequence: number;
  /** When the stream stored it; finer digits are cut. */
  readonly arrivalMicros: number;
  readonly subject: string;
  /** The header `Nats-Msg-Id`. */
  readonly messageId: string;
  readonly text: string;
}

const AT_ONCE = 200;

/** Every message of a stream, from its first to the last one that it has now. */
export async function readStream(nats: NatsConnection, stream: string): Promise<StreamMessage[]> {
  const { streams } = await nats.jetstreamManager();
  const { state } = await streams.info(stream);
  const messages: StreamMessage[] = [];
  for (let next = state.first_seq; next <= state.last_seq; next += AT_ONCE) {
    const count = Math.min(AT_ONCE, state.last_seq - next + 1);
    const batch = Array.from({ length: count }, (_, index) =>
      streams.getMessage(stream, { seq: next + index }),
    );
    messages.push(...(await Promise.all(batch)).map(streamMessage));
  }
  return messages;
}

function streamMessage({ seq, timestamp, subject, header, data }: StoredMsg): StreamMessage {
  return {
    sequence: seq,
    arrivalMicros: microsOf(timestamp),
    subject,
    messageId: header.get('Nats-Msg-Id'),
    text: Buffer.from(data).toString(),
  };
}
