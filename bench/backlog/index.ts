import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'nats';
import { DeliveryStore } from '../../src/store/deliveries.ts';
import { openEnvironment } from '../../src/store/environment.ts';
import { type RunningProgram, startProgram } from '../program.ts';
import type { BenchOptions, BenchReport, Row } from '../report.ts';
import { TROUBLES, type Trouble, TroubledReceiver } from './receiver.ts';
import { type Sample, Sampler } from './samples.ts';

export const BACKLOG_VARIANTS: readonly string[] = TROUBLES;

const FIRES = 200_000;
const DESTINATIONS = 200;
const DESTINATIONS_MIN = 20;
const CONCURRENCY = 64;
/** Of an attempt. */
const TIMEOUT_MS = 2_000;
const TIMEOUT_MS_MIN = 500;
/** From the last event applied until the receiver is brought up. */
const OUTAGE_MS = 60_000;
/** Longer than an attempt that hangs. */
const OUTAGE_MS_MIN = 1_000;
const RETRY_MS = 20_000;
const RETRY_MS_MIN = 500;
/** As many as the configuration allows: no delivery may be given up before the receiver is up. */
const ATTEMPTS = 32;
const SAMPLE_MS = 1_000;
const SAMPLE_MS_MIN = 100;
const POLL_MS = 100;
/** Some samples are enough to see where a curve goes: so many while fires are made, and as many after. */
const ROWS_MAX = 10;
const EVENTS_PER_FLUSH = 1_000;
const DRAIN_MS_MAX = 20 * 60_000;

/** What one run works with. */
interface Setting {
  readonly fires: number;
  readonly destinations: number;
  readonly outageMs: number;
  readonly timeoutMs: number;
  readonly retryMs: number;
  readonly sampleMs: number;
}

/**
 * Many fires while their receivers are down, each in one of three ways: what the program needs of memory and
 * disk meanwhile, whether the feed goes on, and how the backlog drains once they are up. Program, nats-server
 * and receiver are on one machine; the receiver is in the process of the benchmark.
 *
 * @param scale of the fires, the destinations, the outage, the timeout and the retry delay; 1 is 200,000 fires.
 */
export async function benchBacklog({ scale, only }: BenchOptions): Promise<BenchReport> {
  const setting: Setting = {
    fires: Math.ceil(FIRES * scale),
    destinations: Math.max(DESTINATIONS_MIN, Math.ceil(DESTINATIONS * scale)),
    outageMs: Math.max(OUTAGE_MS_MIN, OUTAGE_MS * scale),
    timeoutMs: Math.max(TIMEOUT_MS_MIN, Math.round(TIMEOUT_MS * scale)),
    retryMs: Math.max(RETRY_MS_MIN, Math.round(RETRY_MS * scale)),
    sampleMs: Math.max(SAMPLE_MS_MIN, SAMPLE_MS * scale),
  };
  const drained: Row[] = [];
  const memory: Row[] = [];
  const courses: { title: string; rows: Row[] }[] = [];
  for (const trouble of TROUBLES) {
    if (only !== null && !only.includes(trouble)) continue;
    const run = await measure(trouble, setting);
    drained.push({ receivers: trouble, ...run.drained });
    memory.push({ receivers: trouble, ...run.memory });
    courses.push({ title: `receivers ${trouble}, by time`, rows: run.course });
  }
  const title = `${setting.fires} fires to ${setting.destinations} destinations`;
  return {
    name: 'backlog',
    tables: [
      { title: `${title}: the feed while they are down, the drain once they are up`, rows: drained },
      { title: `${title}: memory and store, MiB`, rows: memory },
      ...courses,
    ],
  };
}

async function measure(trouble: Trouble, setting: Setting) {
  const dataDir = mkdtempSync(join(tmpdir(), 'sequence-triggers-bench-'));
  const receiver = await TroubledReceiver.start(trouble);
  const program = await startProgram(dataDir, {
    WEBHOOK_CONCURRENCY: String(CONCURRENCY),
    WEBHOOK_TIMEOUT_MS: String(setting.timeoutMs),
    RETRY_SCHEDULE: ['0ms', ...Array.from({ length: ATTEMPTS - 1 }, () => `${setting.retryMs}ms`)].join(','),
  });
  try {
    await createSequences(program, receiver.url, setting.destinations);
    const sampler = new Sampler(program, dataDir, setting.sampleMs);
    const first = await sampler.take();
    await publish(program, setting);
    const applied = await until(sampler, ({ fires, lag }) => fires === setting.fires && lag === 0);
    await sleep(setting.outageMs);
    const down = await sampler.take();
    const openMaxDown = receiver.openMax;
    await receiver.bringUp();
    const up = await until(sampler, ({ delivered }) => delivered === setting.fires);
    await sampler.stop();
    const last = await sampler.take();
    await program.stop();
    const { samples } = sampler;
    const whileDown = samples.filter(({ seconds }) => seconds <= down.seconds);
    return {
      drained: {
        'fires/s while down': round(setting.fires / applied.seconds),
        'applied while down': down.fires,
        'delivered while down': down.delivered,
        'drain, s': round(up.seconds - down.seconds),
        'deliveries/s': round(setting.fires / (up.seconds - down.seconds)),
        'open at a time, down': openMaxDown,
        'open at a time, up': receiver.openMax,
        ...(await compareAttempts(dataDir, receiver.arrivals)),
        'longest stall, ms': round(Math.max(...samples.map(({ stallMs }) => stallMs))),
      },
      memory: {
        'anonymous, before': round(first.anonymousMiB),
        'all fires made': round(applied.anonymousMiB),
        'most while down': round(Math.max(...whileDown.map(({ anonymousMiB }) => anonymousMiB))),
        'end of outage': round(down.anonymousMiB),
        'most in all': round(Math.max(...samples.map(({ anonymousMiB }) => anonymousMiB))),
        end: round(last.anonymousMiB),
        'heap, end of outage': round(down.heapMiB),
        'heap, end': round(last.heapMiB),
        'store, all fires made': round(applied.storeMiB),
        'store, end': round(last.storeMiB),
      },
      course: [
        ...courseOf(samples.filter(({ seconds }) => seconds <= applied.seconds)),
        ...courseOf(samples.filter(({ seconds }) => seconds > applied.seconds)),
      ],
    };
  } finally {
    await program.kill();
    receiver.close();
    rmSync(dataDir, { recursive: true });
  }
}

/** One for each destination, which each event of its type completes. */
async function createSequences(program: RunningProgram, url: string, destinations: number): Promise<void> {
  const bodies = Array.from({ length: destinations }, (_, index) => ({
    name: `destination ${index}`,
    event_types: [`type-${index}`],
    window_seconds: 60,
    webhook_url: `${url}/${index}`,
  }));
  await program.createAll('/sequences', bodies);
}

async function publish(program: RunningProgram, { fires, destinations }: Setting): Promise<void> {
  const client = await connect({ servers: program.natsUrl });
  for (let index = 0; index < fires; index++) {
    const event = { id: `e-${index}`, lead_id: `lead-${index}`, event_type: `type-${index % destinations}` };
    client.publish('events.default', JSON.stringify(event));
    if (index % EVENTS_PER_FLUSH === 0) await client.flush();
  }
  await client.drain();
}

async function until(sampler: Sampler, isReached: (sample: Sample) => boolean): Promise<Sample> {
  const deadlineMs = Date.now() + DRAIN_MS_MAX;
  for (;;) {
    const { samples } = sampler;
    const sample = samples.at(-1);
    if (sample !== undefined && isReached(sample)) return sample;
    if (Date.now() > deadlineMs) throw new Error(`it stands still at ${JSON.stringify(sample)}`);
    await sleep(POLL_MS);
  }
}

/**
 * Holds what arrived against the attempts that the program recorded, webhook-id by webhook-id. An answered
 * attempt has arrived, a refused one has not; one that ended without an answer may have.
 */
async function compareAttempts(dataDir: string, arrivals: ReadonlyMap<string, number>): Promise<Row> {
  const environment = openEnvironment(dataDir);
  const store = new DeliveryStore(environment);
  const { deliveries } = store.listDeliveries('default', { page: 1, limit: Number.MAX_SAFE_INTEGER });
  let attempts = 0;
  let answered = 0;
  let refused = 0;
  let differing = 0;
  for (const { id, fireId } of deliveries) {
    const made = store.rows.readAttempts(id);
    const answeredHere = made.filter(({ status }) => status !== null).length;
    const refusedHere = made.filter(({ error }) => error === 'connection_refused').length;
    const arrived = arrivals.get(fireId) ?? 0;
    if (arrived < answeredHere || arrived > made.length - refusedHere) differing += 1;
    attempts += made.length;
    answered += answeredHere;
    refused += refusedHere;
  }
  await environment.close();
  return {
    attempts,
    answered,
    refused,
    'without an answer': attempts - answered - refused,
    arrivals: [...arrivals.values()].reduce((sum, count) => sum + count, 0),
    'ids arrived': arrivals.size,
    'ids whose arrivals are not their attempts': differing,
  };
}

/** Some of the samples, evenly spread, with the last. */
function courseOf(samples: readonly Sample[]): Row[] {
  const step = Math.max(1, Math.ceil(samples.length / ROWS_MAX));
  return samples
    .filter((_, index) => index % step === 0 || index === samples.length - 1)
    .map((sample) => ({
      s: round(sample.seconds),
      fires: sample.fires,
      delivered: sample.delivered,
      lag: sample.lag,
      'anonymous MiB': round(sample.anonymousMiB),
      'file pages MiB': round(sample.filePagesMiB),
      'heap MiB': round(sample.heapMiB),
      'store MiB': round(sample.storeMiB),
      'stall ms': round(sample.stallMs),
    }));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
