import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Contestant } from './contestants.ts';
import type { CompletedLeads } from './run.ts';
import type { WorkloadName } from './workload.ts';

/** What peers found on small workloads, so that the agreement is tested where no peer is installed. */
export interface Recording {
  readonly workload: WorkloadName;
  /** Those that found exactly this. */
  readonly contestants: readonly Contestant[];
  readonly versions: readonly string[];
  readonly completed: CompletedLeads;
}

const PATH = resolve('bench/peers/expected.json');

/** In the file the leads of a sequence are one text, separated by spaces: one line per sequence. */
type RecordingInFile = Omit<Recording, 'completed'> & {
  readonly completed: Readonly<Record<string, string>>;
};

export function readRecordings(): Recording[] {
  const recordings = JSON.parse(readFileSync(PATH, 'utf8')) as RecordingInFile[];
  return recordings.map(({ completed, ...rest }) => {
    const entries = Object.entries(completed).map(([id, leads]) => [id, leads.split(' ')] as const);
    return { ...rest, completed: Object.fromEntries(entries) };
  });
}

export function writeRecordings(recordings: readonly Recording[]): void {
  const inFile = recordings.map(({ completed, ...rest }): RecordingInFile => {
    const entries = Object.entries(completed).map(([id, leads]) => [id, leads.join(' ')] as const);
    return { ...rest, completed: Object.fromEntries(entries) };
  });
  writeFileSync(PATH, `${JSON.stringify(inFile, null, 2)}\n`);
}
