import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningProgram } from '../program.ts';

const MEBIBYTE = 2 ** 20;

/** The program at one moment. Memory and the file in MiB; NaN where the system does not tell (it is Linux that does). */
export interface Sample {
  /** Since the first event was published. */
  readonly seconds: number;
  readonly fires: number;
  readonly delivered: number;
  readonly lag: number;
  /** Memory of the process that is no file: heap, buffers, native memory. */
  readonly anonymousMiB: number;
  /** Pages of files, for the most part of the store, which the system takes back when it needs them. */
  readonly filePagesMiB: number;
  readonly heapMiB: number;
  readonly storeMiB: number;
  /** The longest that the event loop was late since the sample before. */
  readonly stallMs: number;
}

/** Takes a sample of the program at an interval, until told to stop. */
export class Sampler {
  readonly samples: Sample[] = [];
  readonly #program: RunningProgram;
  readonly #dataDir: string;
  readonly #startMs = performance.now();
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(program: RunningProgram, dataDir: string, intervalMs: number) {
    this.#program = program;
    this.#dataDir = dataDir;
    this.#running = this.#repeat(intervalMs);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async take(): Promise<Sample> {
    const text = await (await fetch(`${this.#program.url}/metrics`)).text();
    const value = (name: string) => Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
    const sample = {
      seconds: (performance.now() - this.#startMs) / 1000,
      fires: value('sequence_triggers_fires_total\\{stale="false"\\}'),
      delivered: value('sequence_triggers_deliveries\\{state="delivered"\\}'),
      lag: value('sequence_triggers_stream_lag_messages'),
      anonymousMiB: this.#residentMiB('RssAnon'),
      filePagesMiB: this.#residentMiB('RssFile'),
      heapMiB: value('nodejs_heap_size_used_bytes') / MEBIBYTE,
      storeMiB: statSync(join(this.#dataDir, 'lmdb', 'data.mdb')).size / MEBIBYTE,
      stallMs: value('nodejs_eventloop_lag_max_seconds') * 1000,
    };
    this.samples.push(sample);
    return sample;
  }

  async #repeat(intervalMs: number): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.take();
      // It rejects when there is to be no further sample.
      await sleep(intervalMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  #residentMiB(field: string): number {
    try {
      const status = readFileSync(`/proc/${this.#program.process.pid}/status`, 'utf8');
      const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1];
      return Number(kibibytes ?? Number.NaN) / 1024;
    } catch {
      return Number.NaN;
    }
  }
}
