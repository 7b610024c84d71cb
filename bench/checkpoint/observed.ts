import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RunningProgram, startProgram } from '../program.ts';
import type { LoopReport } from './probe.ts';

/** The build; benchmarks and tests run from the root of the project. */
const PROBE = resolve('dist/bench/checkpoint/probe.js');
const POLL_MS = 20;

/** What the program has done since its start, from `/metrics`. */
export interface Progress {
  readonly leads: number;
  readonly heldEvents: number;
  readonly checkpoints: number;
  readonly checkpointRows: number;
  readonly checkpointBytes: number;
  readonly checkpointSeconds: number;
  readonly fires: number;
}

/** A program with the probe in it. */
export class ObservedProgram {
  readonly program: RunningProgram;

  constructor(program: RunningProgram) {
    this.program = program;
  }

  static async start(dataDir: string, env: Readonly<Record<string, string>>): Promise<ObservedProgram> {
    return new ObservedProgram(await startProgram(dataDir, env, ['--import', PROBE]));
  }

  /** Lets the probe forget what it saw so far. */
  beginObserving(): void {
    this.program.process.send('begin');
  }

  async observed(): Promise<LoopReport> {
    const answer = once(this.program.process, 'message');
    this.program.process.send('report');
    const [report] = (await answer) as [LoopReport];
    return report;
  }

  /** Position of the last message whose effects are committed, and how many are not applied yet. */
  async standing(): Promise<{ readonly ready: boolean; readonly position: number; readonly lag: number }> {
    const answer = await fetch(`${this.program.url}/readyz`);
    const { ready, position, lag } = (await answer.json()) as {
      ready: boolean;
      position: number;
      lag: number | null;
    };
    return { ready, position, lag: lag ?? Number.POSITIVE_INFINITY };
  }

  async progress(): Promise<Progress> {
    const text = await (await fetch(`${this.program.url}/metrics`)).text();
    const value = (name: string) =>
      Number(new RegExp(`^sequence_triggers_${name} (.+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
    return {
      leads: value('leads'),
      heldEvents: value('held_events'),
      checkpoints: value('checkpoint_duration_seconds_count'),
      checkpointRows: value('checkpoint_rows_total'),
      checkpointBytes: value('checkpoint_bytes_total'),
      checkpointSeconds: value('checkpoint_duration_seconds_sum'),
      fires: value('fires_total\\{stale="false"\\}'),
    };
  }

  /**
   * Bytes that the process handed to the system in writes, to files for the most part; NaN where the system does not tell (it is
   * Linux that does). The counter of blocks that `process.resourceUsage` has is no use: a file system that
   * caches in large units counts a whole unit for every page of it.
   */
  writtenBytes(): number {
    try {
      const counters = readFileSync(`/proc/${this.program.process.pid}/io`, 'utf8');
      return Number(/^wchar: (\d+)$/m.exec(counters)?.[1] ?? Number.NaN);
    } catch {
      return Number.NaN;
    }
  }

  async untilPosition(position: number): Promise<void> {
    while ((await this.standing()).position < position) await sleep(POLL_MS);
  }

  /** Resolves when so many more checkpoints are on disk. */
  async untilCheckpoints(more: number): Promise<Progress> {
    const { checkpoints } = await this.progress();
    for (;;) {
      const progress = await this.progress();
      if (progress.checkpoints >= checkpoints + more) return progress;
      await sleep(POLL_MS * 10);
    }
  }
}
