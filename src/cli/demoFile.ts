import { createReadStream } from 'node:fs';
import { access, constants, readFile, stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { createGunzip } from 'node:zlib';
import { connect } from 'nats';
import { subjectOfOu } from '../stream/subject.ts';
import type { CreatedSequence, DemoClient } from './demoClient.ts';
import { DEMO_OU, type DemoProgram } from './demoProgram.ts';

/** One line of the table in the end. */
export interface SequenceSummary {
  readonly name: string;
  readonly fires: number;
  readonly leads: number;
}

/** A file that cannot be used; the message names it and says what is wrong. */
export class FileError extends Error {}

/** Publishes under way at once. */
const WINDOW = 256;
const POLL_MS = 50;

/** The bodies in a file of sequences. Throws FileError when it is no JSON array of objects. */
export async function readSequences(path: string): Promise<Record<string, unknown>[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new FileError(`${path} cannot be read (${error.code})`);
  });
  let bodies: unknown;
  try {
    bodies = JSON.parse(text);
  } catch {
    throw new FileError(`${path} is not valid JSON`);
  }
  const isObject = (body: unknown) => typeof body === 'object' && body !== null && !Array.isArray(body);
  if (!Array.isArray(bodies) || bodies.length === 0 || !bodies.every(isObject)) {
    throw new FileError(`${path} must be a JSON array of sequences, each as the body of POST /sequences`);
  }
  return bodies as Record<string, unknown>[];
}

/** Throws FileError when it is none, or cannot be read. */
export async function requireReadable(path: string): Promise<void> {
  try {
    await access(path, constants.R_OK);
  } catch (error) {
    throw new FileError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  if ((await stat(path)).isDirectory()) throw new FileError(`${path} cannot be read (EISDIR)`);
}

/** Creates them; those without a webhook get the local receiver. */
export async function createSequences(
  program: Pick<DemoProgram, 'client' | 'receiver'>,
  bodies: readonly Record<string, unknown>[],
): Promise<CreatedSequence[]> {
  const created: CreatedSequence[] = [];
  for (const body of bodies) {
    const sequence = await program.client.createSequence({ webhook_url: program.receiver.url, ...body });
    program.receiver.trust(sequence.id, sequence.webhook_secret);
    created.push(sequence);
  }
  return created;
}

/** The lines of an NDJSON file that are not blank; a name that ends in .gz is decompressed. */
export async function* readLines(path: string): AsyncGenerator<string> {
  const file = createReadStream(path);
  const input = path.endsWith('.gz') ? file.pipe(createGunzip()) : file;
  // A pipe does not pass errors on.
  if (input !== file) file.on('error', (error) => input.destroy(error));
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (line.trim() !== '') yield line;
    }
  } catch (error) {
    throw new FileError(`${path} cannot be read (${error instanceof Error ? error.message : String(error)})`);
  }
}

/**
 * Publishes each line as it is, in the order of the file, as fast as JetStream stores them. What is wrong with
 * a line is for the program to find. Resolves to the number published and the last stream sequence.
 */
export async function publishFile(
  program: Pick<DemoProgram, 'natsUrl' | 'eventsSubject'>,
  path: string,
  signal: AbortSignal,
): Promise<{ readonly published: number; readonly lastSequence: number }> {
  const nats = await connect({ servers: program.natsUrl, name: 'sequence-triggers demo' });
  try {
    const jetStream = nats.jetstream();
    const subject = subjectOfOu(program.eventsSubject, DEMO_OU);
    const underWay: Promise<{ readonly seq: number }>[] = [];
    let published = 0;
    let lastSequence = 0;
    const settleOldest = async (): Promise<void> => {
      const stored = await underWay.shift()?.catch((error: Error) => {
        throw new FileError(`${path}: JetStream did not store a line (${error.message})`);
      });
      lastSequence = Math.max(lastSequence, stored?.seq ?? 0);
    };
    for await (const line of readLines(path)) {
      if (signal.aborted) break;
      const stored = jetStream.publish(subject, line);
      // It is awaited in its turn; until then a failure must not count as unhandled.
      stored.catch(() => undefined);
      underWay.push(stored);
      published += 1;
      if (underWay.length >= WINDOW) await settleOldest();
    }
    while (underWay.length > 0) await settleOldest();
    return { published, lastSequence };
  } finally {
    await nats.close();
  }
}

/** Waits until all messages up to `lastSequence` are applied and no delivery is under way any more. */
export async function untilDone(
  client: DemoClient,
  lastSequence: number,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const metrics = await client.metrics();
    const position = metrics.get('sequence_triggers_stream_position') ?? 0;
    const pending = metrics.get('sequence_triggers_deliveries{state="pending"}') ?? 0;
    if (position >= lastSequence && pending === 0) return;
    await pause(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** Counts fires and distinct leads of each sequence, as the API lists them. */
export async function summarize(
  client: DemoClient,
  sequences: readonly Pick<CreatedSequence, 'id' | 'name'>[],
): Promise<SequenceSummary[]> {
  const summaries: SequenceSummary[] = [];
  for (const { id, name } of sequences) {
    const leads = new Set<string>();
    let fires = 0;
    for await (const fire of client.fires(id)) {
      fires += 1;
      leads.add(fire.lead_id);
    }
    summaries.push({ name, fires, leads: leads.size });
  }
  return summaries;
}

/** The summaries as the lines of a table. */
export function tableOf(summaries: readonly SequenceSummary[]): string[] {
  const header = ['sequence', 'fires', 'distinct leads'];
  const rows = [header, ...summaries.map((row) => [row.name, `${row.fires}`, `${row.leads}`])];
  const widths = header.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const align = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  const lines = rows.map((row) => row.map(align).join('  '));
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return [lines[0] ?? '', rule, ...lines.slice(1)];
}

/** Messages of the run that were rejected, by reason. */
export async function rejections(client: DemoClient): Promise<string[]> {
  const pattern = /^sequence_triggers_events_rejected_total\{reason="(\w+)"\}$/;
  return [...(await client.metrics())].flatMap(([name, count]) => {
    const reason = pattern.exec(name)?.[1];
    return reason !== undefined && count > 0 ? [`${count} ${reason}`] : [];
  });
}
