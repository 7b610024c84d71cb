import { setTimeout as sleep } from 'node:timers/promises';
import { lineOf, timeOf } from '../program.ts';
import { ObservedProgram } from './observed.ts';

/** A backlog of fewer messages counts as none: it is what the load brings while it is asked for. */
const CAUGHT_UP_LAG_MAX = 1_000;
const CATCHING_UP_MS_MAX = 5 * 60_000;
const POLL_MS = 5;

/** A start on a data directory that another process left; durations in milliseconds. */
export interface Restart {
  /** From the spawn to the first line of the log: Node and the modules. */
  readonly processMs: number;
  /** From there until all leads are in memory. */
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
  /** Leads in memory after the load. */
  readonly leads: number;
  /** Messages behind the checkpoint when the first of them was applied. */
  readonly backlog: number;
}

/** Starts the program, waits until it has caught up, and says how long each part took. */
export async function restart(
  dataDir: string,
  env: Readonly<Record<string, string>>,
): Promise<{ readonly program: ObservedProgram; readonly restart: Restart }> {
  const program = await ObservedProgram.start(dataDir, env);
  try {
    return { program, restart: await follow(program) };
  } catch (error) {
    await program.program.stop();
    throw error;
  }
}

async function follow(program: ObservedProgram): Promise<Restart> {
  const { spawnedAtMs, startLog } = program.program;
  const first = lineOf(startLog, 'starting');
  const loaded = lineOf(startLog, 'loaded the lead states');
  const found = lineOf(startLog, 'found the stream');
  const loadedPosition = Number(loaded.position);
  let { position, lag } = await program.standing();
  while (position <= loadedPosition) ({ position, lag } = await program.standing());
  const consumingAtMs = Date.now();
  const { processorMs } = await program.observed();
  await untilCaughtUp(program, consumingAtMs + CATCHING_UP_MS_MAX);
  return {
    processMs: timeOf(first) - spawnedAtMs,
    loadMs: timeOf(loaded) - timeOf(first),
    streamMs: timeOf(found) - timeOf(loaded),
    messageMs: consumingAtMs - timeOf(found),
    consumingMs: consumingAtMs - spawnedAtMs,
    processorMs: Math.round(processorMs),
    caughtUpMs: Date.now() - spawnedAtMs,
    leads: Number(loaded.leads),
    backlog: position - loadedPosition + lag,
  };
}

async function untilCaughtUp(program: ObservedProgram, deadlineAtMs: number): Promise<void> {
  for (;;) {
    const { lag } = await program.standing();
    if (lag <= CAUGHT_UP_LAG_MAX) return;
    if (Date.now() > deadlineAtMs) throw new Error(`the program does not catch up: ${lag} messages are left`);
    await sleep(POLL_MS);
  }
}
