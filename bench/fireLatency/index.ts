import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type NatsConnection } from 'nats';
import { type RunningProgram, startProgram } from '../program.ts';
import { seededRandom } from '../random.ts';
import type { BenchReport, Row } from '../report.ts';

const RATES = [1_000, 10_000, 20_000];
/** Of each of the stretches that follow one another. */
const SECONDS = 10;
/** In the first the program is as it starts: V8 has compiled next to nothing. */
const STRETCHES = ['just started', 'warm'];
const LEADS = 20_000;
const TYPES = 200;
const SEQUENCES = 1_000;
const SEQUENCES_MIN = 50;
/** One event in so many is the second step of a lead whose first step was published just before it. */
const EVENTS_PER_FIRE = 50;
const SETTLE_MS_MAX = 30_000;

/**
 * From publishing to receiving the webhook, with the program, its nats-server and the receiver as processes
 * of one machine. Events are offered at a fixed rate; a latency counts from the moment at which the schedule
 * wanted the completing event sent, so that a publisher that falls behind does not hide a delay (no
 * coordinated omission).
 *
 * @param scale of the duration and the sequences; 1 is twice ten seconds for each rate and a thousand sequences.
 */
export async function benchFireLatency(scale: number): Promise<BenchReport> {
  const rows: Row[] = [];
  for (const rate of RATES) rows.push(...(await measure(rate, scale)));
  return {
    name: 'fireLatency',
    tables: [
      {
        title: `publish to POST received, ms; ${sequencesOf(scale)} sequences, checkpoints and flushes on`,
        rows,
      },
    ],
  };
}

async function measure(rate: number, scale: number): Promise<Row[]> {
  const dueMsByLead = new Map<string, number>();
  const histogram = createHistogram();
  const receiver = await startReceiver(dueMsByLead, histogram);
  const dataDir = mkdtempSync(join(tmpdir(), 'sequence-triggers-bench-'));
  const program = await startProgram(dataDir);
  try {
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
    await createSequences(program, url, sequencesOf(scale));
    const client = await connect({ servers: program.natsUrl });
    const note = (lead: string, dueMs: number) => dueMsByLead.set(lead, dueMs);
    const rows: Row[] = [];
    for (const stretch of STRETCHES) {
      histogram.reset();
      const fires = await publish(client, rate, SECONDS * scale, stretch, note);
      await settled(dueMsByLead);
      rows.push({ 'events/s offered': rate, program: stretch, fires, ...percentilesOf(histogram) });
    }
    await client.drain();
    return rows;
  } finally {
    await program.stop();
    receiver.closeAllConnections();
    receiver.close();
    rmSync(dataDir, { recursive: true });
  }
}

async function settled(dueMsByLead: ReadonlyMap<string, number>): Promise<void> {
  for (let waitedMs = 0; dueMsByLead.size > 0; waitedMs += 50) {
    if (waitedMs > SETTLE_MS_MAX) throw new Error(`${dueMsByLead.size} fires were not received`);
    await sleep(50);
  }
}

function percentilesOf(histogram: RecordableHistogram): Row {
  return {
    p50: round(histogram.percentile(50)),
    p99: round(histogram.percentile(99)),
    'p99.9': round(histogram.percentile(99.9)),
    max: round(histogram.max),
  };
}

/** How many sequences there are at a scale. */
export function sequencesOf(scale: number): number {
  return Math.max(SEQUENCES_MIN, Math.round(SEQUENCES * scale));
}

/** Histograms hold integers: microseconds. */
export function round(micros: number): number {
  return Math.round(micros / 10) / 100;
}

export function startReceiver(
  dueMsByLead: Map<string, number>,
  histogram: RecordableHistogram,
): Promise<Server> {
  const server = createServer((request, response) => {
    const receivedMs = performance.now();
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.end();
      const { lead_id } = JSON.parse(Buffer.concat(chunks).toString()) as { lead_id: string };
      const dueMs = dueMsByLead.get(lead_id);
      if (dueMs === undefined) return;
      dueMsByLead.delete(lead_id);
      histogram.record(Math.max(1, Math.round((receivedMs - dueMs) * 1000)));
    });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

/** One sequence that the measured leads complete, and many beside it that the others' events walk through. */
export async function createSequences(
  program: RunningProgram,
  webhookUrl: string,
  count: number,
): Promise<void> {
  const random = seededRandom(7);
  const type = () => `type-${Math.floor(TYPES * random() ** 2)}`;
  const bodies = Array.from({ length: count - 1 }, (_, index) => ({
    name: `background ${index}`,
    event_types: [type(), type(), 'never'],
    window_seconds: 604_800,
    ordered: true,
  }));
  const measured = {
    name: 'measured',
    event_types: ['first', 'second'],
    window_seconds: 60,
    ordered: true,
    webhook_url: webhookUrl,
  };
  await program.createAll('/sequences', [measured, ...bodies]);
}

/** Publishes at the rate and tells of each completing event when the schedule wanted it sent. Returns the fires. */
export async function publish(
  client: NatsConnection,
  rate: number,
  seconds: number,
  prefix: string,
  onCompleting: (lead: string, dueMs: number) => void,
): Promise<number> {
  const random = seededRandom(rate);
  const startMs = performance.now();
  const total = rate * seconds;
  let fires = 0;
  for (let sent = 0; sent < total; ) {
    const dueCount = Math.min(total, Math.floor(((performance.now() - startMs) / 1000) * rate));
    for (; sent < dueCount; sent++) {
      const step = sent % EVENTS_PER_FIRE;
      const measuredLead = `${prefix}-${Math.floor(sent / EVENTS_PER_FIRE)}`;
      if (step === 1) {
        fires++;
        onCompleting(measuredLead, startMs + (sent / rate) * 1000);
      }
      const event =
        step < 2
          ? {
              id: `${measuredLead}-${step}`,
              lead_id: measuredLead,
              event_type: step === 0 ? 'first' : 'second',
            }
          : {
              id: `${prefix}-event-${sent}`,
              lead_id: `background-${Math.floor(random() * LEADS)}`,
              event_type: `type-${Math.floor(TYPES * random() ** 2)}`,
            };
      client.publish(
        'events.default',
        JSON.stringify({
          ...event,
          created_at: new Date().toISOString(),
          metadata: { source: 'bench', page: sent },
        }),
      );
    }
    await sleep(1);
  }
  await client.flush();
  return fires;
}
