import { setTimeout as sleep } from 'node:timers/promises';
import { lineOf, timeOf } from '../program.ts';
import { ObservedProgram } from './observed.ts';

/** A backlog of fewer messages counts as none: it is what the load brings while it is asked for. */
const CAUGHT_UP_LAG_MAX = 1_000;
const CATCHING_UP_MS_MAX = 5 * 60_000;
const POLL_MS = 5;
/** Asking for the metrics takes time from what it waits for. */
const LOADED_POLL_MS = 100;

/** A start on a data directory that another process left; durations in milliseconds. */
export interface Restart {
  /** From the spawn to the first line of the log: Node and the modules. */
  readonly processMs: number;
  /** From there until the leads are in memory that the start waits for. */
  readonly loadMs: number;
  /** From there until the place in the stream is found; with an embedded server, its start is in it. */
  readonly streamMs: number;
  /** From there until a message that is not in the checkpoint is applied and committed. */
  readonly messageMs: number;
  /** The sum: from the spawn to consuming. */
  readonly consumingMs: number;
  /** Processor time of all threads up to then. */
  readonly processorMs: number;
  /** From the spawn until the backlog is gone. */
  readonly caughtUpMs: number;
  /** From the spawn until all leads are in memory. */
  readonly allLeadsMs: number;
  /** Leads in memory then. */
  readonly leads: number;
  /** Messages behind the checkpoint when the first of them was applied. */
  readonly backlog: number;
}

/** Starts the program, waits until it has caught up and has so many leads, and says how long each part took. */
export async function restart(
  dataDir: string,
  env: Readonly<Record<string, string>>,
  leads: number,
): Promise<{ readonly program: ObservedProgram; readonly restart: Restart }> {
  const program = await ObservedProgram.start(dataDir, env);
  try {
    return { program, restart: await follow(program, leads) };
  } catch (error) {
    await program.program.stop();
    throw error;
  }
}

async function follow(program: ObservedProgram, leads: number): Promise<Restart> {
  const { spawnedAtMs, startLog } = program.program;
  const first = lineOf(startLog, 'starting');
  const loaded = lineOf(startLog, 'loaded the lead states');
  const found = lineOf(startLog, 'found the stream');
  const loadedPosition = Number(loaded.position);
  let { position, lag } = await program.standing();
  while (position <= loadedPosition) ({ position, lag } = await program.standing());
  const consumingAtMs = Date.now();
  const { processorMs } = await program.observed();
  const deadlineAtMs = consumingAtMs + CATCHING_UP_MS_MAX;
  const [caughtUpAtMs, loadedAll] = await Promise.all([
    untilCaughtUp(program, deadlineAtMs),
    untilLoaded(program, leads, deadlineAtMs),
  ]);
  return {
    processMs: timeOf(first) - spawnedAtMs,
    loadMs: timeOf(loaded) - timeOf(first),
    streamMs: timeOf(found) - timeOf(loaded),
    messageMs: consumingAtMs - timeOf(found),
    consumingMs: consumingAtMs - spawnedAtMs,
    processorMs: Math.round(processorMs),
    caughtUpMs: caughtUpAtMs - spawnedAtMs,
    allLeadsMs: loadedAll.atMs - spawnedAtMs,
    leads: loadedAll.leads,
    backlog: position - loadedPosition + lag,
  };
}

async function untilLoaded(
  program: ObservedProgram,
  count: number,
  deadlineAtMs: number,
): Promise<{ readonly atMs: number; readonly leads: number }> {
  for (;;) {
    const { leads } = await program.progress();
    const atMs = Date.now();
    if (leads >= count) return { atMs, leads };
    if (atMs > deadlineAtMs) throw new Error(`${leads} leads are there instead of ${count}`);
    await sleep(LOADED_POLL_MS);
  }
}

async function untilCaughtUp(program: ObservedProgram, deadlineAtMs: number): Promise<number> {
  for (;;) {
    const { lag } = await program.standing();
    if (lag <= CAUGHT_UP_LAG_MAX) return Date.now();
    if (Date.now() > deadlineAtMs) throw new Error(`the program does not catch up: ${lag} messages are left`);
    await sleep(POLL_MS);
  }
}
