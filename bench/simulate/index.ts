import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type NatsConnection } from 'nats';
import { type RunningProgram, startProgram } from '../program.ts';
import { seededRandom } from '../random.ts';
import type { BenchReport, Row } from '../report.ts';
import { measureCensus } from './census.ts';
import { type ProbeReceiver, startProbeReceiver } from './probe.ts';

const EVENTS = 1_000_000;
const LEADS = 100_000;
const TYPES = 50;
const SEQUENCES = 100;
const IDLE_LOOK_BACKS = 3;
/** The speed of a machine changes within a minute, so stretches that are compared are short. */
const TURNS = 10;
const TURN_SECONDS = 12;
const SMALL_SCALE = 0.05;
const SMALL_RUN = { idleLookBacks: 1, turns: 1, turnSeconds: 1 };
const FEED_IDLE_MS = 2_000;
const PROBE_PAUSE_MS = 10;
/** A look-back is asked for at any moment within this time: at the moment of a probe, it would be in the way of each first one. */
const PHASE_MS_MAX = 50;
const LEADS_COUNTED = 1_000_000;
/** Node's `fetch` waits for 300 s at most. */
const TIME_LIMIT_SECONDS = 240;

interface Simulated {
  readonly scanned_events: number;
  readonly fire_count: number;
}

interface LookBack {
  readonly seconds: number;
  readonly scannedEvents: number;
  readonly fires: number;
}

/**
 * A look-back over many stored events by the running program, beside an idle feed and beside one whose fires are timed
 * from publishing to receiving, without it too; and how far a million leads are, counted in portions.
 *
 * @param scale of the events and leads
 */
export async function benchSimulate(scale: number): Promise<BenchReport> {
  const dataDir = mkdtempSync(join(tmpdir(), 'sequence-triggers-bench-'));
  const program = await startProgram(dataDir);
  const receiver = await startProbeReceiver();
  const client = await connect({ servers: program.natsUrl });
  try {
    await createSequences(program, receiver.url);
    const events = Math.round(EVENTS * scale);
    const bytes = await publishEvents(client, events);
    await caughtUp(program);
    const probe = (histogram: RecordableHistogram) => sendProbe(client, receiver, histogram);
    const size =
      scale <= SMALL_SCALE
        ? SMALL_RUN
        : { idleLookBacks: IDLE_LOOK_BACKS, turns: TURNS, turnSeconds: TURN_SECONDS };
    const rows = await measureLookBacks(program, probe, events, size);
    return {
      name: 'simulate',
      tables: [
        { title: `look-back over ${events} events of ${bytes} bytes, ${SEQUENCES} sequences`, rows },
        { title: 'how far leads are', rows: await measureCensus(Math.round(LEADS_COUNTED * scale)) },
      ],
    };
  } finally {
    await client.close();
    await program.stop();
    receiver.close();
    rmSync(dataDir, { recursive: true });
  }
}

/** The one that is simulated has no fires of its own while it is inactive; the last one is the probe's. */
async function createSequences(program: RunningProgram, webhookUrl: string): Promise<void> {
  const common = { window_seconds: 604_800, ordered: true };
  const typesOf = (index: number) => [0, 7, 13].map((step) => `type-${(index * (step + 1)) % TYPES}`);
  const background = Array.from({ length: SEQUENCES - 1 }, (_, index) => ({
    ...common,
    name: `background ${index}`,
    event_types: [...typesOf(index), 'never'],
  }));
  await program.createAll('/sequences', background);
  const probe = { name: 'probe', event_types: ['probe'], window_seconds: 60, webhook_url: webhookUrl };
  await program.create('/sequences', probe);
}

/** Gives the bytes of an event. */
async function publishEvents(client: NatsConnection, events: number): Promise<number> {
  const startMs = Date.now() - 3_600_000;
  const random = seededRandom(5);
  let bytes = 0;
  for (let index = 0; index < events; index++) {
    const event = JSON.stringify({
      id: `event-${index}`,
      lead_id: `lead-${Math.floor(random() * LEADS)}`,
      event_type: `type-${Math.floor(random() * TYPES)}`,
      created_at: new Date(startMs + index).toISOString(),
      metadata: { page: `/pricing/${index % 1_000}`, campaign: 'spring', note: 'x'.repeat(72) },
    });
    bytes += event.length;
    client.publish('events.default', event);
    if (index % 2_000 === 0) await client.flush();
  }
  await client.flush();
  return Math.round(bytes / events);
}

async function caughtUp(program: RunningProgram): Promise<void> {
  for (;;) {
    const metrics = await (await program.request('GET', '/metrics')).text();
    if (/^sequence_triggers_stream_lag_messages 0$/m.test(metrics)) return;
    await sleep(100);
  }
}

/**
 * Look-backs over all events beside an idle feed and beside a busy one; then stretches without one, beside one, and
 * without one again, in turns, so that what else the machine does meets all of them.
 */
async function measureLookBacks(
  program: RunningProgram,
  probe: (histogram: RecordableHistogram) => Promise<void>,
  events: number,
  { idleLookBacks, turns, turnSeconds }: typeof SMALL_RUN,
): Promise<Row[]> {
  const beside = async (timeLimitSeconds: number, histogram: RecordableHistogram): Promise<LookBack> => {
    let isOver = false;
    const ended = sleep(Math.random() * PHASE_MS_MAX)
      .then(() => lookBack(program, timeLimitSeconds))
      .finally(() => {
        isOver = true;
      });
    // Where it fails, that is told once the probe under way is done.
    ended.catch(() => undefined);
    do await probe(histogram);
    while (!isOver);
    return ended;
  };
  const probeFor = async (histogram: RecordableHistogram): Promise<void> => {
    const endMs = performance.now() + turnSeconds * 1000;
    while (performance.now() < endMs) await probe(histogram);
  };
  const idle: LookBack[] = [];
  for (let turn = 0; turn < idleLookBacks; turn++) {
    // A feed counts as busy for a while after its last event.
    await sleep(FEED_IDLE_MS);
    idle.push(await lookBack(program, TIME_LIMIT_SECONDS));
  }
  await probeFor(createHistogram());
  const busy = await beside(TIME_LIMIT_SECONDS, createHistogram());
  const before = createHistogram();
  const during = createHistogram();
  const after = createHistogram();
  for (let turn = 0; turn < turns; turn++) {
    await probeFor(before);
    await beside(turnSeconds, during);
    await probeFor(after);
  }
  const without = createHistogram();
  for (const histogram of [before, after]) without.add(histogram);
  const [beforeRow, duringRow, afterRow] = [latencyOf(before), latencyOf(during), latencyOf(after)];
  const [idleRow, busyRow] = [speedOf(idle, events), speedOf([busy], events)];
  return [
    { '': 'look-back, feed idle', ...idleRow },
    { '': 'look-back, feed busy', ...busyRow },
    { '': 'feed busy, no look-back, before', ...beforeRow },
    { '': 'feed busy, look-back', ...duringRow },
    { '': 'feed busy, no look-back, after', ...afterRow },
    {
      '': 'ratio: busy / idle, with / without',
      seconds: ratio(busyRow.seconds, idleRow.seconds),
      ...ratios(duringRow, latencyOf(without)),
    },
    { '': 'ratio: without, after / before', ...ratios(afterRow, beforeRow) },
  ];
}

async function lookBack(program: RunningProgram, timeLimitSeconds: number): Promise<LookBack> {
  const startedMs = performance.now();
  const answer = await program.request('POST', '/sequences/simulate', {
    sequence: {
      name: 'simulated',
      event_types: ['type-4', 'type-29', 'type-17'],
      window_seconds: 604_800,
      ordered: true,
    },
    lookback_days: 1,
    time_limit_seconds: timeLimitSeconds,
  });
  if (answer.status !== 200) throw new Error(`the look-back answered ${answer.status}`);
  const { scanned_events, fire_count } = (await answer.json()) as Simulated;
  const seconds = (performance.now() - startedMs) / 1000;
  return { seconds, scannedEvents: scanned_events, fires: fire_count };
}

/** The median of the seconds; one whose time was over before it had read everything shows in the least that was read. */
function speedOf(lookBacks: readonly LookBack[], events: number) {
  const inOrder = lookBacks.toSorted((one, other) => one.seconds - other.seconds);
  const { seconds, scannedEvents, fires } = inOrder[Math.floor(inOrder.length / 2)]!;
  const leastRead = Math.min(...lookBacks.map(({ scannedEvents }) => scannedEvents));
  return {
    seconds: Math.round(seconds * 100) / 100,
    'events/s': Math.round(scannedEvents / seconds),
    'read, %': Math.min(100, Math.round((leastRead / events) * 100)),
    fires,
  };
}

/** Between two rows without a look-back it says how much is by chance. */
function ratios(one: Latency, other: Latency) {
  return {
    'mean ms': ratio(one['mean ms'], other['mean ms']),
    'p50 ms': ratio(one['p50 ms'], other['p50 ms']),
    'p99 ms': ratio(one['p99 ms'], other['p99 ms']),
  };
}

function ratio(one: number, other: number): number {
  return Math.round((one / other) * 100) / 100;
}

async function sendProbe(
  client: NatsConnection,
  receiver: ProbeReceiver,
  histogram: RecordableHistogram,
): Promise<void> {
  const leadId = `probe-${receiver.received + 1}`;
  const sentMs = performance.now();
  const arrived = receiver.next();
  client.publish('events.default', JSON.stringify({ lead_id: leadId, event_type: 'probe' }));
  const arrivedMs = await arrived;
  histogram.record(Math.max(1, Math.round((arrivedMs - sentMs) * 1000)));
  await sleep(PROBE_PAUSE_MS);
}

type Latency = ReturnType<typeof latencyOf>;

function latencyOf(histogram: RecordableHistogram) {
  const inMs = (micros: number): number => Math.round(micros / 10) / 100;
  return {
    probes: histogram.count,
    'mean ms': inMs(histogram.mean),
    'p50 ms': inMs(histogram.percentile(50)),
    'p99 ms': inMs(histogram.percentile(99)),
    'max ms': inMs(histogram.max),
  };
}
