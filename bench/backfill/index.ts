import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHistogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type NatsConnection } from 'nats';
import { createSequences, publish, round, sequencesOf, startReceiver } from '../fireLatency/index.ts';
import { type RunningProgram, startProgram } from '../program.ts';
import type { BenchReport, Row } from '../report.ts';

const EVENTS = 1_000_000;
const LEADS = 100_000;
const RATES = [1_000, 10_000];
const ROUNDS = 2;
const SECONDS = 10;
/** As long as some fires take at the lowest rate. */
const SECONDS_MIN = 0.1;
const WARMUP_SECONDS = 2;
const SETTLE_MS_MAX = 300_000;
const FLUSHED_AT_ONCE = 1_000;

interface BackfillView {
  readonly state: string;
  readonly events_read: number;
  readonly events_added: number;
  readonly started_at: string;
  readonly finished_at: string;
}

/**
 * What a backfill of a million events costs the feed: from publishing to receiving the webhook, as in
 * `fireLatency`, without and while one is under way, in turns; and how long it takes.
 *
 * @param scale of the events, the durations and the sequences; 1 is a million, ten seconds and a thousand.
 */
export async function benchBackfill(scale: number): Promise<BenchReport> {
  const dueMsByLead = new Map<string, number>();
  const histogram = createHistogram();
  const receiver = await startReceiver(dueMsByLead, histogram);
  const dataDir = mkdtempSync(join(tmpdir(), 'sequence-triggers-bench-'));
  const program = await startProgram(dataDir);
  const client = await connect({ servers: program.natsUrl });
  const rows: Row[] = [];
  const measure = async (rate: number, name: string): Promise<Row> => {
    histogram.reset();
    const prefix = `${name}-${rate}-${rows.length}`;
    const seconds = Math.max(SECONDS_MIN, SECONDS * scale);
    await publish(client, rate, seconds, prefix, (lead, dueMs) => dueMsByLead.set(lead, dueMs));
    await until(async () => dueMsByLead.size === 0);
    return {
      'events/s offered': rate,
      backfill: name,
      p50: round(histogram.percentile(50)),
      p99: round(histogram.percentile(99)),
      max: round(histogram.max),
    };
  };
  try {
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
    await createSequences(program, url, sequencesOf(scale));
    await publishPast(client, Math.round(EVENTS * scale));
    await until(() => isCaughtUp(program));
    await publish(client, RATES[0]!, WARMUP_SECONDS * scale, 'warm', () => undefined);
    const backfills: Row[] = [];
    for (let turn = 0; turn < ROUNDS; turn++) {
      for (const rate of RATES) {
        rows.push(await measure(rate, 'none'));
        const id = await createWithBackfill(program);
        rows.push(await measure(rate, 'under way'));
        const isEnough = (await backfillOf(program, id)).state === 'reading';
        await until(async () => (await backfillOf(program, id)).state !== 'reading');
        backfills.push({
          rate,
          ...durationOf(await backfillOf(program, id)),
          'lasted all along': `${isEnough}`,
        });
        await program.request('DELETE', `/sequences/${id}`);
      }
    }
    return {
      name: 'backfill',
      tables: [
        { title: 'publish to POST received, ms', rows },
        { title: 'backfills', rows: backfills },
      ],
    };
  } finally {
    await client.close();
    await program.stop();
    receiver.closeAllConnections();
    receiver.close();
    rmSync(dataDir, { recursive: true });
  }
}

/** Events of a type that no sequence lists, for as long as there is no backfill. */
async function publishPast(client: NatsConnection, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent++) {
    const event = {
      id: `past-${sent}`,
      lead_id: `past-${sent % LEADS}`,
      event_type: 'past',
      created_at: new Date().toISOString(),
      metadata: { source: 'bench', page: sent },
    };
    client.publish('events.default', JSON.stringify(event));
    if (sent % FLUSHED_AT_ONCE === 0) await client.flush();
  }
  await client.flush();
}

async function isCaughtUp(program: RunningProgram): Promise<boolean> {
  const body = await (await program.request('GET', '/metrics')).text();
  return /^sequence_triggers_stream_lag_messages 0$/m.test(body);
}

async function createWithBackfill(program: RunningProgram): Promise<string> {
  const answer = await program.request('POST', '/sequences', {
    name: 'looks back',
    event_types: ['past', 'present'],
    window_seconds: 86_400,
    ordered: true,
    backfill: true,
  });
  return ((await answer.json()) as { id: string }).id;
}

async function backfillOf(program: RunningProgram, id: string): Promise<BackfillView> {
  const answer = await program.request('GET', `/sequences/${id}`);
  return ((await answer.json()) as { backfill: BackfillView }).backfill;
}

function durationOf({ state, events_read, events_added, started_at, finished_at }: BackfillView) {
  const seconds = (Date.parse(finished_at) - Date.parse(started_at)) / 1000;
  return { state, events_read, events_added, seconds, 'events/s': Math.round(events_read / seconds) };
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let waitedMs = 0; waitedMs < SETTLE_MS_MAX; waitedMs += 50) {
    if (await isSo()) return;
    await sleep(50);
  }
  throw new Error('what the benchmark waited for did not come about');
}
