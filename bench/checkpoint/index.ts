import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'nats';
import { type EmbeddedServer, startEmbeddedServer } from '../../src/stream/server.ts';
import { findServerBinary } from '../../src/stream/serverBinary.ts';
import type { BenchReport, Row } from '../report.ts';
import { ObservedProgram, type Progress } from './observed.ts';
import type { LoopReport } from './probe.ts';
import { type Restart, restart } from './restart.ts';
import { type Load, sequenceBodies, Workload } from './workload.ts';

const LEADS = 1_000_000;
const EVENTS_PER_LEAD = 4;
const SEQUENCES = 1_000;
/** With fewer, most events would be of types that nothing lists. */
const SEQUENCES_MIN = 50;
const EVENTS_PER_SECOND = 10_000;
/** With few leads the load is less, so that a test of this does not depend on a fast machine. */
const EVENTS_PER_SECOND_PER_LEAD_MAX = 0.5;
const CHECKPOINTS = 6;
/** The first ones after the leads came are larger than those that the load makes. */
const SETTLING_CHECKPOINTS = 4;
const CHECKPOINT_INTERVAL_MS = 5_000;
const CHECKPOINT_INTERVAL_MS_MIN = 100;
/** The longest interval that the configuration allows: longer than anything that is measured here. */
const NO_CHECKPOINTS_MS = 600_000;
const RESTARTS = 3;
/** While the leads are brought in, the program is at most so many messages behind. */
const FILL_LAG_MAX = 200_000;
const MEBIBYTE = 2 ** 20;

const SILENT = { debug: nothing, info: nothing, warn: nothing, error: nothing };
function nothing(): void {}

/** What one run works with. */
interface Setting {
  readonly dataDir: string;
  readonly server: EmbeddedServer;
  readonly workload: Workload;
  readonly leads: number;
  readonly eventsPerSecond: number;
  readonly intervalMs: number;
}

/**
 * Many leads under load: how long the event loop stalls while checkpoints are written, what a checkpoint
 * writes, and how long a start takes after SIGKILL. The program is a process of its own; the nats-server
 * is another, so that it and the load outlive the program.
 *
 * @param scale of the leads, the sequences and the checkpoint interval; 1 is a million leads.
 */
export async function benchCheckpoint(scale: number): Promise<BenchReport> {
  const dataDir = mkdtempSync(join(tmpdir(), 'sequence-triggers-bench-'));
  const server = await startServer(dataDir);
  const client = await connect({ servers: server.url });
  const leads = Math.ceil(LEADS * scale);
  const setting: Setting = {
    dataDir,
    server,
    workload: new Workload(client, leads),
    leads,
    eventsPerSecond: Math.min(EVENTS_PER_SECOND, leads * EVENTS_PER_SECOND_PER_LEAD_MAX),
    intervalMs: Math.max(CHECKPOINT_INTERVAL_MS_MIN, Math.round(CHECKPOINT_INTERVAL_MS * scale)),
  };
  try {
    const tables = await measure(setting, Math.max(SEQUENCES_MIN, Math.ceil(SEQUENCES * scale)));
    return { name: 'checkpoint', tables };
  } finally {
    await client.close();
    await server.close();
    rmSync(dataDir, { recursive: true });
  }
}

async function startServer(dataDir: string): Promise<EmbeddedServer> {
  const search = { binary: process.env.NATS_SERVER_BIN ?? null, path: process.env.PATH ?? '' };
  return startEmbeddedServer({ binary: await findServerBinary(search, SILENT), dataDir, port: 0 }, SILENT);
}

async function measure(setting: Setting, sequences: number): Promise<BenchReport['tables']> {
  const { dataDir, server, workload, leads, eventsPerSecond, intervalMs } = setting;
  const own = { NATS_URL: server.url, CHECKPOINT_INTERVAL_MS: String(intervalMs) };
  const embedded = { CHECKPOINT_INTERVAL_MS: String(intervalMs) };
  let program = await ObservedProgram.start(dataDir, own);
  let load: Load | null = null;
  const killAndRestart = async (env: Readonly<Record<string, string>>): Promise<Restart> => {
    await program.program.kill();
    const started = await restart(dataDir, env, leads);
    program = started.program;
    return started.restart;
  };
  try {
    const filled = await fill(program, setting, sequences);
    load = workload.startLoad(eventsPerSecond);
    const during = await observeCheckpoints(program, setting);
    const restarts: Restart[] = [];
    for (let count = 0; count < RESTARTS; count++) {
      // At another point of the time between two checkpoints each.
      await sleep(intervalMs * (1 + count / RESTARTS));
      restarts.push(await killAndRestart(own));
    }
    await killAndRestart({ ...own, CHECKPOINT_INTERVAL_MS: String(NO_CHECKPOINTS_MS) });
    const between = await observeFor(program, intervalMs * CHECKPOINTS);
    // The embedded server goes on with the store of the other one, which has to be gone before.
    await program.program.kill();
    await load.stop();
    load = null;
    await server.close();
    const restartEmbedded = await killAndRestart(embedded);
    await checkComplete(program, workload.published, leads);
    return [
      { title: `${leads} leads brought in`, rows: [filled] },
      {
        title: `the event loop at ${eventsPerSecond} events/s, ms`,
        rows: [loopRow('on', during.loop), loopRow('off', between)],
      },
      {
        title: 'the longest stalls of it, ms',
        rows: [...stallRows('on', during.loop), ...stallRows('off', between)],
      },
      { title: 'one checkpoint', rows: [during.row] },
      { title: 'from SIGKILL under load to consuming, ms', rows: restartRows(restarts, restartEmbedded) },
    ];
  } finally {
    await load?.stop();
    await program.program.stop();
  }
}

/** Creates the sequences and the leads. */
async function fill(program: ObservedProgram, { workload, leads }: Setting, sequences: number): Promise<Row> {
  await program.program.createAll('/sequences', sequenceBodies(sequences));
  program.beginObserving();
  const startedMs = performance.now();
  await workload.fill(EVENTS_PER_LEAD, () => program.untilPosition(workload.published - FILL_LAG_MAX));
  await program.untilPosition(workload.published);
  const seconds = (performance.now() - startedMs) / 1_000;
  const { leads: present, heldEvents } = await program.progress();
  if (present !== leads) throw new Error(`${present} leads are there instead of ${leads}`);
  const { rssBytes, heapUsedBytes, delayMs } = await program.observed();
  return {
    events: workload.published,
    'held events': heldEvents,
    'events/s': Math.round(workload.published / seconds),
    'longest delay ms': tenths(delayMs.max),
    'RSS MiB': Math.round(rssBytes / MEBIBYTE),
    'heap MiB': Math.round(heapUsedBytes / MEBIBYTE),
  };
}

/** Observes from the end of one checkpoint to the end of a later one, so that the sums are of whole checkpoints. */
async function observeCheckpoints(
  program: ObservedProgram,
  { dataDir }: Setting,
): Promise<{ readonly loop: LoopReport; readonly row: Row }> {
  const before = await program.untilCheckpoints(SETTLING_CHECKPOINTS);
  program.beginObserving();
  const disk = diskOf(program, dataDir);
  const after = await program.untilCheckpoints(CHECKPOINTS);
  const loop = await program.observed();
  return { loop, row: checkpointRow(before, after, disk, diskOf(program, dataDir)) };
}

async function observeFor(program: ObservedProgram, milliseconds: number): Promise<LoopReport> {
  program.beginObserving();
  await sleep(milliseconds);
  return program.observed();
}

/** Sums of a running program, bytes. */
interface Disk {
  readonly writtenBytes: number;
  /** Of the LMDB file, which takes pages that became free before it grows. */
  readonly fileBytes: number;
}

function diskOf(program: ObservedProgram, dataDir: string): Disk {
  const fileBytes = statSync(join(dataDir, 'lmdb', 'data.mdb')).size;
  return { writtenBytes: program.writtenBytes(), fileBytes };
}

function checkpointRow(before: Progress, after: Progress, diskBefore: Disk, disk: Disk): Row {
  const count = after.checkpoints - before.checkpoints;
  const each = (from: number, to: number) => (to - from) / count;
  return {
    checkpoints: count,
    'leads written': Math.round(each(before.checkpointRows, after.checkpointRows)),
    'state MiB': hundredths(each(before.checkpointBytes, after.checkpointBytes) / MEBIBYTE),
    'written MiB': hundredths(each(diskBefore.writtenBytes, disk.writtenBytes) / MEBIBYTE),
    'file growth MiB': hundredths(each(diskBefore.fileBytes, disk.fileBytes) / MEBIBYTE),
    'file MiB': Math.round(disk.fileBytes / MEBIBYTE),
    seconds: hundredths(each(before.checkpointSeconds, after.checkpointSeconds)),
  };
}

function loopRow(
  checkpoints: 'on' | 'off',
  { delayMs, ownStallMaxMs, collections, utilization }: LoopReport,
): Row {
  return {
    checkpoints,
    'delay p50': tenths(delayMs.p50),
    'delay p99': tenths(delayMs.p99),
    'delay p99.9': tenths(delayMs.p999),
    'delay max': tenths(delayMs.max),
    'own stall max': tenths(ownStallMaxMs),
    'major GC max': tenths(collections.major?.maxMs ?? 0),
    'minor GC max': tenths(collections.minor?.maxMs ?? 0),
    'minor GC count': collections.minor?.count ?? 0,
    'loop busy %': Math.round(utilization * 100),
  };
}

function stallRows(checkpoints: 'on' | 'off', { stalls }: LoopReport): Row[] {
  return stalls.slice(0, 5).map(({ milliseconds, collectingMs, waitingMs, atMs }) => ({
    checkpoints,
    stall: tenths(milliseconds),
    'of it GC': tenths(collectingMs),
    'of it waiting for a processor': waitingMs === null ? 'unknown' : tenths(waitingMs),
    'at s': tenths(atMs / 1_000),
  }));
}

function restartRows(restarts: readonly Restart[], embedded: Restart): Row[] {
  return [
    ...restarts.map((each) => restartRow('own process', each)),
    restartRow('own process, median', medianOf(restarts)),
    restartRow('embedded', embedded),
  ];
}

function restartRow(server: string, restart: Restart): Row {
  const { processMs, loadMs, streamMs, messageMs, consumingMs, processorMs } = restart;
  const { caughtUpMs, allLeadsMs, leads, backlog } = restart;
  return {
    'nats-server': server,
    process: processMs,
    'first leads': loadMs,
    'find stream': streamMs,
    'first message': messageMs,
    'spawn to consuming': consumingMs,
    'processor time of it': processorMs,
    'spawn to caught up': caughtUpMs,
    'spawn to all leads': allLeadsMs,
    leads,
    backlog,
  };
}

function medianOf(restarts: readonly Restart[]): Restart {
  const sorted = restarts.toSorted((a, b) => a.consumingMs - b.consumingMs);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/** After all kills: every message was applied, and no lead is missing. */
async function checkComplete(program: ObservedProgram, published: number, leads: number): Promise<void> {
  await program.untilPosition(published);
  const progress = await program.progress();
  if (progress.leads !== leads) throw new Error(`${progress.leads} leads are there instead of ${leads}`);
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}
