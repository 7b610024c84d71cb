import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { OperatingProcess } from '../operations.ts';
import { type RunningProgram, startProgram } from '../program.ts';
import { seededRandom } from '../random.ts';
import type { BenchReport, Row } from '../report.ts';
import type { FeedOperations } from './feedProcess.ts';
import { closedLoop, type Operation, openLoop } from './load.ts';
import { BASELINE, OTHER_TOKEN, operations, TOKEN } from './operations.ts';
import { BATCH_EVENTS, SEQUENCES, SEQUENCES_MIN, sequenceOf } from './workload.ts';

/** Of the feed that the program reads meanwhile. */
const FEED_EVENTS_PER_SECOND = 20_000;
/** Of each measurement. */
const SECONDS = 10;
const WARMUP_SECONDS = 2;
const CONNECTIONS = 8;
/** A twentieth of a second of the feed. */
const FEED_LAG_MAX = FEED_EVENTS_PER_SECOND / 20;
const LAG_SETTLE_MS_MAX = 60_000;

/**
 * The HTTP API with 1,000 sequences, idle and while the program reads a feed of 20,000 events a second. The program,
 * its nats-server, the publisher and the client are processes of one machine.
 *
 * @param scale of the durations and the sequences; 1 is ten seconds for each measurement and 1,000 sequences.
 */
export async function benchApi(scale: number): Promise<BenchReport> {
  const dataDir = mkdtempSync(join(tmpdir(), 'sequence-triggers-bench-'));
  const program = await startProgram(dataDir, {
    API_TOKENS: `default=${TOKEN},other=${OTHER_TOKEN}`,
    SEQUENCES_MAX: '100000',
  });
  const pool = new Pool(program.url, { connections: CONNECTIONS, pipelining: 1 });
  const feed = new OperatingProcess<FeedOperations>('api/feedProcess');
  try {
    const asked = operations(await prepare(program, scale));
    await table(program, pool, asked, WARMUP_SECONDS * scale);
    const idle = await table(program, pool, asked, SECONDS * scale);
    await settle(program);
    await feed.run('start', { natsUrl: program.natsUrl, eventsPerSecond: FEED_EVENTS_PER_SECOND });
    const loaded = await table(program, pool, asked, SECONDS * scale);
    const reached = Math.round(await feed.run('stop', null));
    await settle(program);
    const kept = `the publisher reached ${reached.toLocaleString('en-US')}/s`;
    return {
      name: 'api',
      tables: [
        { title: 'no feed', rows: idle },
        {
          title: `a feed of ${FEED_EVENTS_PER_SECOND.toLocaleString('en-US')} events/s (${kept})`,
          rows: loaded,
        },
      ],
    };
  } finally {
    await feed.end();
    await pool.destroy();
    await program.stop();
    rmSync(dataDir, { recursive: true });
  }
}

/** Makes the sequences, and the fires that the history lists. Gives the id of one sequence. */
async function prepare(program: RunningProgram, scale: number): Promise<string> {
  const random = seededRandom(7);
  const count = Math.max(SEQUENCES_MIN, Math.round(SEQUENCES * scale));
  const bodies = Array.from({ length: count - 1 }, (_, index) => sequenceOf(`sequence ${index + 1}`, random));
  await program.createAll('/sequences', bodies);
  const fired = { name: 'fired', event_types: ['fires'], window_seconds: 60 };
  const answer = await program.request('POST', '/sequences', fired);
  const { id } = (await answer.json()) as { id: string };
  const events = Array.from({ length: BATCH_EVENTS }, (_, at) => ({
    lead_id: `fired-${at}`,
    event_type: 'fires',
  }));
  await (await program.request('POST', '/ingest', { events })).body?.cancel();
  await settle(program);
  return id;
}

/**
 * One operation after the other: how many there can be, and when the feed has caught up with that, how long one takes
 * at a fixed rate.
 */
async function table(
  program: RunningProgram,
  pool: Pool,
  asked: readonly Operation[],
  seconds: number,
): Promise<Row[]> {
  const rows: Row[] = [];
  let baseline = 1;
  for (const operation of asked) {
    const most = await closedLoop(pool, operation, CONNECTIONS, seconds);
    await settle(program, FEED_LAG_MAX);
    const paced = await openLoop(pool, operation, seconds);
    const perSecond = most.requests / most.seconds;
    if (operation.name === BASELINE) baseline = perSecond;
    rows.push({
      operation: operation.name,
      'requests/s': Math.round(perSecond),
      'of baseline': Math.round((perSecond / baseline) * 1_000) / 1_000,
      'events/s': operation.weight === 1 ? '' : Math.round(perSecond * operation.weight),
      'offered/s': operation.offered,
      'p50 ms': milliseconds(paced.latencies.at(0.5)),
      'p99 ms': milliseconds(paced.latencies.at(0.99)),
      'max ms': milliseconds(paced.latencies.at(1)),
    });
  }
  return rows;
}

function milliseconds(micros: number): number {
  return Math.round(micros / 10) / 100;
}

/** Waits until the program has read what is in the stream, but for what came in the last moments of a feed. */
async function settle(program: RunningProgram, lagMax = 0): Promise<void> {
  for (let waitedMs = 0; waitedMs < LAG_SETTLE_MS_MAX; waitedMs += 50) {
    const answer = await program.request('GET', '/readyz');
    const { lag } = (await answer.json()) as { lag?: number | null };
    if (typeof lag === 'number' && lag <= lagMax) return;
    await sleep(50);
  }
  throw new Error(`the program has not caught up within ${LAG_SETTLE_MS_MAX / 1_000} s`);
}
