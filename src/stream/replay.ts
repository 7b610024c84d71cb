import { setTimeout as sleep } from 'node:timers/promises';
import { type JetStreamClient, type NatsConnection, NatsError } from 'nats';
import { decodeMessage } from './decode.ts';
import { messageOf } from './ports.ts';
import { Semaphore } from './semaphore.ts';

/** Counts of a replay, updated as it goes. */
export interface ReplayProgress {
  /** Lines that the stream has stored. */
  published: number;
  /** Empty lines, which are left out. */
  blank: number;
  /** Published lines that the program will reject. */
  bad: number;
  /** The first of those, by line number from 1. */
  firstBad: Array<{ readonly line: number; readonly reason: string }>;
}

export interface ReplaySettings {
  readonly subject: string;
  /** Events per second; null: as fast as the server takes them. */
  readonly rate: number | null;
}

const WINDOW = 256;
const BAD_LINES_SHOWN = 20;
const TIMEOUT_MS = 10_000;

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
/** Far above what a message may have; a file without line breaks must not fill the memory. */
const LINE_BYTES_MAX = 64 * 2 ** 20;

/**
 * Publishes one message for each line, in order, with up to 256 under way, as they are: also the lines that
 * the program will reject, because there they are kept, counted and visible.
 *
 * Throws an Error that names the line when the stream does not store one (the ones before it are stored).
 */
export async function replayLines(
  nats: NatsConnection,
  lines: AsyncIterable<Uint8Array>,
  { subject, rate }: ReplaySettings,
  progress: ReplayProgress,
): Promise<void> {
  const jetStream = nats.jetstream({ timeout: TIMEOUT_MS });
  const window = new Semaphore(WINDOW);
  const startedAtMs = performance.now();
  let failure: Error | undefined;
  let line = 0;
  let sent = 0;
  for await (const data of lines) {
    line += 1;
    if (isBlank(data)) {
      progress.blank += 1;
      continue;
    }
    if (rate !== null) await waitUntil(startedAtMs + (sent * 1_000) / rate);
    await window.acquire();
    if (failure) break;
    sent += 1;
    notice(progress, line, subject, data);
    const place = line;
    void publish(jetStream, subject, data)
      .then(() => {
        progress.published += 1;
      })
      .catch((error: unknown) => {
        failure ??= new Error(`line ${place} was not stored: ${messageOf(error)}`);
      })
      .finally(() => window.release());
  }
  // Every slot free again means that nothing is under way.
  for (let slot = 0; slot < WINDOW; slot += 1) {
    if (failure === undefined) await window.acquire();
  }
  if (failure) throw failure;
}

async function publish(jetStream: JetStreamClient, subject: string, data: Uint8Array): Promise<void> {
  try {
    await jetStream.publish(subject, data);
  } catch (error) {
    const code = error instanceof NatsError ? error.code : '';
    if (code === '503')
      throw new Error('no stream takes events on this subject; has the program been started once?');
    throw error;
  }
}

/** Judges the line as the program will, apart from what depends on its arrival. */
function notice(progress: ReplayProgress, line: number, subject: string, data: Uint8Array): void {
  const place = { messageId: undefined, streamSequence: line, arrivalMicros: 0, streamName: 'file' };
  const decoded = decodeMessage({ subject, data, ...place });
  if ('event' in decoded) return;
  progress.bad += 1;
  const reason = `${decoded.rejection.reason}: ${decoded.rejection.detail}`;
  if (progress.firstBad.length < BAD_LINES_SHOWN) progress.firstBad.push({ line, reason });
}

async function waitUntil(atMs: number): Promise<void> {
  const waitMs = atMs - performance.now();
  if (waitMs > 1) await sleep(waitMs);
}

function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte === 32 || byte === 9);
}

/**
 * The lines of a file as bytes, so that what is not UTF-8 is published as it is; without their line breaks
 * (LF or CR LF). Throws when a line is longer than 64 MiB, and what the file itself throws.
 */
export async function* splitLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
  let parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      yield joinLine([...parts, chunk.subarray(start, end)]);
      parts = [];
      bytes = 0;
      start = end + 1;
    }
    parts.push(chunk.subarray(start));
    bytes += chunk.length - start;
    if (bytes > LINE_BYTES_MAX)
      throw new Error(`a line is longer than ${LINE_BYTES_MAX} bytes; is this an NDJSON file?`);
  }
  if (bytes > 0) yield joinLine(parts);
}

function joinLine(parts: readonly Buffer[]): Uint8Array {
  const [only] = parts;
  const line = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
  return line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
}
