import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 20;
const WAIT_MS_MAX = 5 * 60_000;

/** A loopback endpoint that answers 200 to every webhook at once and counts the different ones. */
export interface Receiver {
  readonly url: string;
  /** Resolves when so many different fires have come since the last call of `forget`. */
  received(fires: number): Promise<void>;
  forget(): void;
  close(): void;
}

export async function startReceiver(): Promise<Receiver> {
  const ids = new Set<string>();
  const server = createServer((request, response) => {
    ids.add(String(request.headers['webhook-id']));
    request.resume();
    request.on('end', () => response.end());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    received: async (fires) => {
      const deadlineMs = Date.now() + WAIT_MS_MAX;
      while (ids.size < fires) {
        if (Date.now() > deadlineMs) throw new Error(`${ids.size} of ${fires} webhooks were received`);
        await sleep(POLL_MS);
      }
    },
    forget: () => ids.clear(),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
