import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A receiver of webhooks that says when the next one has come. */
export interface ProbeReceiver {
  readonly url: string;
  readonly received: number;
  /** Resolves with the time of the next request, by `performance.now`. */
  next(): Promise<number>;
  close(): void;
}

export async function startProbeReceiver(): Promise<ProbeReceiver> {
  let received = 0;
  let tell: (atMs: number) => void = () => {};
  const server = createServer((request, response) => {
    const atMs = performance.now();
    request.resume();
    request.on('end', () => {
      response.end();
      received++;
      tell(atMs);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    get received() {
      return received;
    },
    next: () =>
      new Promise((resolve) => {
        tell = resolve;
      }),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
