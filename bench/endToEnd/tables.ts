import type { Row } from '../report.ts';
import type { ProgramUsage } from './programRun.ts';
import type { Run, Usage } from './rounds.ts';
import type { FireDigest } from './workload.ts';

/** The runs of all readers. */
export interface ReaderRuns {
  readonly noop: readonly Run[];
  readonly parse: readonly Run[];
  readonly receive: readonly Run[];
  readonly decode: readonly Run[];
  readonly match: readonly Run[];
  readonly programWithoutCheckpoints: readonly Run<ProgramUsage>[];
  readonly program: readonly Run<ProgramUsage>[];
  readonly programWithWebhooks: readonly Run<ProgramUsage>[];
}

const DESCRIPTIONS: Readonly<Record<keyof ReaderRuns, string>> = {
  noop: 'client, no-op',
  parse: 'client, JSON.parse',
  receive: 'our receiving',
  decode: 'our receiving, decoding, in a thread',
  match: 'the same, matching',
  programWithoutCheckpoints: 'the program, no checkpoint',
  program: 'the program',
  programWithWebhooks: 'the program, webhooks',
};

/** A row for each reader. Ratios are medians of the ratios within a round. */
export function throughputRows(runs: ReaderRuns, events: number): Row[] {
  return Object.entries(DESCRIPTIONS).map(([name, description]) => {
    const own = runs[name as keyof ReaderRuns];
    const rates = own.map(({ wallSeconds }) => Math.round(events / wallSeconds));
    return {
      reader: description,
      'events/s': Math.round(median(rates)),
      min: Math.min(...rates),
      max: Math.max(...rates),
      'to no-op': ratio(own, runs.noop),
      'to JSON.parse': ratio(own, runs.parse),
      'CPU s': round(median(own.map(({ cpuSeconds }) => cpuSeconds))),
      'server CPU s': round(median(own.map(({ serverCpuSeconds }) => serverCpuSeconds))),
    };
  });
}

/** What each stage adds: the difference between the medians of two readers that differ in that stage only. */
export function stageRows(runs: ReaderRuns, events: number): Row[] {
  const perMillion = (own: readonly Usage[], of: (usage: Usage) => number) =>
    (median(own.map(of)) / events) * 1e6;
  const row = (stage: string, own: readonly Usage[], without: readonly Usage[]): Row => {
    const added = (of: (usage: Usage) => number) =>
      round(perMillion(own, of) - (without.length > 0 ? perMillion(without, of) : 0));
    return {
      stage,
      'wall s': added(({ wallSeconds }) => wallSeconds),
      'CPU s': added(({ cpuSeconds }) => cpuSeconds),
    };
  };
  return [
    row('receive', runs.receive, []),
    row('decode', runs.decode, runs.receive),
    row('match', runs.match, runs.decode),
    row('commit (engine, store, API)', runs.programWithoutCheckpoints, runs.match),
    row('checkpoints', runs.program, runs.programWithoutCheckpoints),
    row('the program', runs.program, []),
    row('webhooks, beyond', runs.programWithWebhooks, runs.program),
  ];
}

/** What fired, by a matcher alone and by the program, and how long after the last commit the rest took. */
export function fireRows(runs: ReaderRuns, expected: FireDigest): Row[] {
  const row = (name: keyof ReaderRuns, own: readonly ProgramUsage[]): Row => ({
    by: DESCRIPTIONS[name],
    fires: own[0]!.fires,
    'fires hash': own[0]!.hash,
    'last commit s': round(median(own.map(({ wallSeconds }) => wallSeconds))),
    'last webhook s': round(median(own.map(({ settledSeconds }) => settledSeconds))),
    'stop s': round(median(own.map(({ stopSeconds }) => stopSeconds))),
  });
  return [
    { by: 'the matcher alone', fires: expected.fires, 'fires hash': expected.hash },
    row('programWithoutCheckpoints', runs.programWithoutCheckpoints),
    row('program', runs.program),
    row('programWithWebhooks', runs.programWithWebhooks),
  ];
}

function ratio(own: readonly Usage[], base: readonly Usage[]): number {
  return round(median(own.map(({ wallSeconds }, turn) => base[turn]!.wallSeconds / wallSeconds)));
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
