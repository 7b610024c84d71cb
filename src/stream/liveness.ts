import type { Socket } from 'node:net';
import type { NatsConnection } from 'nats';
import type { Logger } from './ports.ts';

const ASK_INTERVAL_MS = 1_000;
const SILENT_TICKS_MAX = 3;

/**
 * Cuts a connection whose other end is gone without a word, so that the client connects anew: the server is
 * asked every second, and has to have sent anything, a message or the answer, within the last three. Ticks are
 * counted, not time: after a stall of this process one tick passes before what has arrived meanwhile is read.
 *
 * The pings of the client do not serve for it, because an answer that waits behind megabytes of messages on a
 * slow line is late while the line is well. Returns a function that ends the watch.
 */
export function watchSilence(nats: NatsConnection, isConnected: () => boolean, logger: Logger): () => void {
  let bytesBefore = 0;
  let isAsking = false;
  let silentTicks = 0;
  const ask = async (): Promise<void> => {
    isAsking = true;
    // Rejected when the connection ends, which others hear of.
    await nats.flush().catch(() => undefined);
    isAsking = false;
    silentTicks = 0;
  };
  const timer = setInterval(() => {
    const bytes = bytesRead(nats);
    const isHeard = bytes !== bytesBefore || !isAsking || !isConnected();
    bytesBefore = bytes;
    silentTicks = isHeard ? 0 : silentTicks + 1;
    if (!isAsking && isConnected()) void ask();
    if (silentTicks < SILENT_TICKS_MAX) return;
    silentTicks = 0;
    logger.warn({}, 'the NATS server has fallen silent; connecting anew');
    cut(nats);
  }, ASK_INTERVAL_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** What the client does not show: the connection that it has or tries, with its socket. */
interface Internals {
  readonly protocol?: { readonly transport?: { readonly connected?: boolean; readonly socket?: Socket } };
}

/** Bytes that came over the line, those of a message that is not complete included. */
export function bytesRead(nats: NatsConnection): number {
  return (nats as Internals).protocol?.transport?.socket?.bytesRead ?? nats.stats().inBytes;
}

/**
 * The client's own `reconnect` first waits until all that was written has been sent, which over a dead line is
 * never; so the socket is destroyed.
 */
function cut(nats: NatsConnection): void {
  const socket = (nats as Internals).protocol?.transport?.socket;
  if (socket === undefined) void nats.reconnect();
  else socket.destroy();
}

/**
 * To be called before each attempt to connect anew. An attempt that had no greeting in time is given up by the
 * client, but its socket stays open. When the greeting comes after all, the client takes the later end of that
 * socket for the end of the connection that it has by then, again and again every few minutes.
 */
export function endAbandonedAttempt(nats: NatsConnection | undefined): void {
  const transport = (nats as Internals | undefined)?.protocol?.transport;
  if (transport?.connected === false) transport.socket?.destroy();
}
