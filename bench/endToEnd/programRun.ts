import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DeliveryStore } from '../../src/store/deliveries.ts';
import { openEnvironment } from '../../src/store/environment.ts';
import { FireStore } from '../../src/store/fires.ts';
import type { Workload } from '../matcher/workload.ts';
import { lineOf, type RunningProgram, startProgram, timeOf } from '../program.ts';
import type { Usage } from './rounds.ts';
import { definitionsOf, digestOfFires, type FireDigest } from './workload.ts';

const OU = 'default';
/** An answer takes the program some 0.5 ms, so asking every 20 ms would be a fortieth of its work. */
const POLL_MS = 100;
const RUN_MS_MAX = 10 * 60_000;

/** One run of the program over the whole stream. */
export interface ProgramUsage extends Usage, FireDigest {
  /** From the same start until `settled`, where a run waits for more than the last commit. */
  readonly settledSeconds: number;
  /** What the end took: the last checkpoint, a drained outbox, a closed store. */
  readonly stopSeconds: number;
}

/**
 * Fills a data directory: the program runs on the empty stream, is given the card's sequences through its API,
 * and stops with a checkpoint.
 *
 * @param webhookUrl where all fires are sent; null: nowhere.
 */
export async function prepareDataDir(
  dataDir: string,
  natsUrl: string,
  card: Workload,
  webhookUrl: string | null,
): Promise<void> {
  const program = await startProgram(dataDir, { NATS_URL: natsUrl });
  const bodies = definitionsOf(card).map(({ id, eventTypes, windowMicros, ordered }) => ({
    name: id,
    event_types: eventTypes,
    window_seconds: windowMicros / 1e6,
    ordered,
    ...(webhookUrl === null ? {} : { webhook_url: webhookUrl }),
  }));
  await program.createAll('/sequences', bodies);
  await program.stop();
}

/**
 * Starts the program on a copy of a prepared data directory and measures from its first look at the stream,
 * the creation of its consumer included, until it says that the last message is committed.
 *
 * @param env variables of the configuration that differ from the defaults.
 * @param settled awaited after the last commit, before the program is stopped.
 */
export async function runProgram(
  preparedDir: string,
  natsUrl: string,
  card: Workload,
  env: Readonly<Record<string, string>> = {},
  settled: () => Promise<void> = async () => undefined,
): Promise<ProgramUsage> {
  const dataDir = mkdtempSync(join(tmpdir(), 'sequence-triggers-bench-run-'));
  cpSync(preparedDir, dataDir, { recursive: true });
  const program = await startProgram(dataDir, { NATS_URL: natsUrl, ...env });
  const consumingSinceMs = timeOf(lineOf(program.startLog, 'found the stream'));
  const secondsSinceStart = () => (Date.now() - consumingSinceMs) / 1000;
  try {
    const cpuBefore = await cpuSecondsOf(program);
    await untilCommitted(program, card.events);
    const wallSeconds = secondsSinceStart();
    const cpuSeconds = (await cpuSecondsOf(program)) - cpuBefore;
    await settled();
    const settledSeconds = secondsSinceStart();
    await program.stop();
    const stopSeconds = secondsSinceStart() - settledSeconds;
    return { wallSeconds, cpuSeconds, settledSeconds, stopSeconds, ...(await firesIn(dataDir)) };
  } finally {
    await program.kill();
    rmSync(dataDir, { recursive: true });
  }
}

async function untilCommitted(program: RunningProgram, position: number): Promise<void> {
  const deadlineMs = Date.now() + RUN_MS_MAX;
  while (Date.now() < deadlineMs) {
    const answer = (await (await fetch(`${program.url}/readyz`)).json()) as { position?: number };
    if ((answer.position ?? 0) >= position) return;
    await sleep(POLL_MS);
  }
  throw new Error(`position ${position} was not committed in ${RUN_MS_MAX / 1000} s`);
}

/** CPU seconds of all threads of the program's process, as it reports them itself. */
async function cpuSecondsOf(program: RunningProgram): Promise<number> {
  const metrics = await (await fetch(`${program.url}/metrics`)).text();
  const seconds = /^process_cpu_seconds_total (\S+)/m.exec(metrics)?.[1];
  if (seconds === undefined) throw new Error('/metrics shows no process_cpu_seconds_total');
  return Number(seconds);
}

/** The fires that the program left on disk, under the names of the sequences, which are the card's ids. */
async function firesIn(dataDir: string): Promise<FireDigest> {
  const environment = openEnvironment(dataDir);
  const store = new FireStore(environment, new DeliveryStore(environment));
  const { fires } = store.listFires(OU, { page: 1, limit: Number.MAX_SAFE_INTEGER });
  await environment.close();
  return digestOfFires(
    fires.map(({ sequenceName, leadId, events }) => ({ sequence: sequenceName, leadId, events })),
  );
}
