import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * What becomes of bytes: they are forwarded; swallowed, as on a line that is cut somewhere; or held, as in the
 * buffers of a line that stands still, and forwarded later. Or the line is closed and refused.
 */
type Treatment = 'forward' | 'swallow' | 'hold' | 'refuse';

interface Line {
  readonly client: Socket;
  readonly server: Socket;
  treatment: Treatment;
}

/** Of a line that is well otherwise, in both directions. */
export interface Slowness {
  readonly delayMs?: number;
  readonly bytesPerSecond?: number;
}

/** A slow line hands on no more than this at a time. */
const PIECE_BYTES = 16 * 1024;

/** A TCP proxy on the loopback whose lines can be made to fail without being closed. */
export interface TestProxy {
  readonly port: number;
  /** Lines that the client has open. */
  readonly openLines: number;
  /** Lines that the client has opened so far. */
  readonly linesEver: number;
  /** How all lines are treated from now on, those that stand and those to come. */
  treatAll(treatment: Treatment): void;
  /** How lines to come are treated; those that stand stay as they are. */
  treatNew(treatment: Treatment): void;
  close(): Promise<void>;
}

export async function startProxy(targetPort: number, slowness?: Slowness): Promise<TestProxy> {
  const lines = new Set<Line>();
  let linesEver = 0;
  let treatmentOfNew: Treatment = 'forward';
  const server = createServer((client) => {
    const line: Line = { client, server: connect(targetPort, '127.0.0.1'), treatment: treatmentOfNew };
    lines.add(line);
    linesEver += 1;
    join(line, client, line.server, slowness);
    join(line, line.server, client, slowness);
    client.on('close', () => lines.delete(line));
    if (line.treatment !== 'forward') treat(line, line.treatment);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    get openLines() {
      return lines.size;
    },
    get linesEver() {
      return linesEver;
    },
    treatAll: (treatment) => {
      treatmentOfNew = treatment;
      for (const line of lines) treat(line, treatment);
    },
    treatNew: (treatment) => {
      treatmentOfNew = treatment;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const { client, server: target } of lines) {
          client.destroy();
          target.destroy();
        }
      }),
  };
}

function join(line: Line, from: Socket, to: Socket, slowness: Slowness | undefined): void {
  const write = slowness === undefined ? (chunk: Buffer) => void to.write(chunk) : slowWriter(to, slowness);
  from.on('data', (chunk) => {
    if (line.treatment === 'forward') write(chunk);
  });
  from.on('error', () => undefined);
  // The end of one side is told to the other, unless the line is cut.
  from.on('close', () => {
    if (line.treatment !== 'swallow') to.destroy();
  });
}

/** Keeps the order of what it is given. */
function slowWriter(
  to: Socket,
  { delayMs = 0, bytesPerSecond = Number.POSITIVE_INFINITY }: Slowness,
): (chunk: Buffer) => void {
  let written = Promise.resolve();
  const write = async (chunk: Buffer, dueMs: number): Promise<void> => {
    await sleep(Math.max(0, dueMs - performance.now()));
    for (let start = 0; start < chunk.length && !to.destroyed; start += PIECE_BYTES) {
      const piece = chunk.subarray(start, start + PIECE_BYTES);
      to.write(piece);
      await sleep((piece.length / bytesPerSecond) * 1_000);
    }
  };
  return (chunk) => {
    const dueMs = performance.now() + delayMs;
    written = written.then(() => write(chunk, dueMs));
  };
}

function treat(line: Line, treatment: Treatment): void {
  line.treatment = treatment;
  for (const socket of [line.client, line.server]) {
    if (treatment === 'refuse') socket.destroy();
    else if (treatment === 'hold') socket.pause();
    else socket.resume();
  }
}
