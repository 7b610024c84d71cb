import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'nats';
import { type Receiver, startReceiver } from '../endToEnd/receiver.ts';
import { type RunningProgram, startProgram } from '../program.ts';
import type { BenchReport, Row } from '../report.ts';
import { createSequences, type LoadCounts, publishEvents, useApi } from './load.ts';
import type { SoakOptions } from './options.ts';
import { plot } from './plot.ts';
import { metricIn, type Sample, SERIES, SERIES_NAMES, type SeriesName, takeSample } from './samples.ts';
import { rounded, trendOf, verdictOf } from './trend.ts';

/** Small times, so that leads are forgotten and messages leave the stream many times within a run. */
const ENV = { ALLOWED_LATENESS_SECONDS: '10', EVENTS_MAX_AGE: '5m', CHECKPOINT_INTERVAL_MS: '1000' };
const SAMPLES_MIN = 24;
const SAMPLE_PAUSE_MS_MAX = 5_000;
const WARMUP_SHARE = 1 / 3;
const CATCH_UP_MS_MAX = 60_000;

export interface SoakReport extends BenchReport {
  readonly samples: readonly Sample[];
}

export interface SoakResult {
  readonly report: SoakReport;
  /** The samples as SVG. */
  readonly svg: string;
  /** What must not happen and did; empty for a good run. Growth is judged in the report, it is no failure. */
  readonly failures: readonly string[];
}

/**
 * The program under a steady load: its memory, its files and its delays over time. The load is a process of its
 * own beside it, the nats-server its child.
 *
 * @param onRow is told of each row of the table when it is there.
 * @throws Error when the program ends by itself.
 */
export async function soak(options: SoakOptions, onRow: (row: Row) => void = () => {}): Promise<SoakResult> {
  const dataDir = mkdtempSync(join(tmpdir(), 'sequence-triggers-soak-'));
  const receiver = await startReceiver();
  const program = await startProgram(dataDir, { ...ENV, ...options.env });
  try {
    return await run(options, { dataDir, receiver, program }, onRow);
  } finally {
    await program.stop();
    receiver.close();
    rmSync(dataDir, { recursive: true });
  }
}

interface Subjects {
  readonly dataDir: string;
  readonly receiver: Receiver;
  readonly program: RunningProgram;
}

async function run(
  { minutes, rate }: SoakOptions,
  { dataDir, receiver, program }: Subjects,
  onRow: (row: Row) => void,
): Promise<SoakResult> {
  await createSequences(program, receiver.url);
  const client = await connect({ servers: program.natsUrl });
  const counts: LoadCounts = { events: 0, fires: 0, malformed: 0, apiCalls: 0, apiFailures: [] };
  const startMs = performance.now();
  const seconds = () => (performance.now() - startMs) / 1000;
  const isOver = () => seconds() >= minutes * 60 || program.process.exitCode !== null;
  const load = Promise.all([publishEvents(client, rate, counts, isOver), useApi(program, counts, isOver)]);
  const samples: Sample[] = [];
  const rows: Row[] = [];
  const sampling = (async () => {
    const pauseMs = Math.min(SAMPLE_PAUSE_MS_MAX, (minutes * 60_000) / SAMPLES_MIN);
    while (!isOver()) {
      const sample = await takeSample(program, dataDir, seconds());
      samples.push(sample);
      if (sample.seconds / 60 >= rows.length) {
        rows.push(rowOf(sample));
        onRow(rows.at(-1)!);
      }
      await sleep(pauseMs);
    }
  })();
  await Promise.all([load, sampling]);
  await client.drain();
  const failures = await settle(program, receiver, counts);
  const tables = [
    { title: `once a minute, ${rate} events/s`, rows },
    { title: 'trend after the first third', rows: trendRows(samples) },
    { title: 'the load', rows: [{ ...counts, apiFailures: counts.apiFailures.length }] },
  ];
  return { report: { name: 'soak', tables, samples }, svg: plotOf(samples, rate), failures };
}

/** Waits until everything is done, and says what is missing then. */
async function settle(program: RunningProgram, receiver: Receiver, counts: LoadCounts): Promise<string[]> {
  if (program.process.exitCode !== null)
    throw new Error(`the program ended with ${program.process.exitCode}`);
  const failures = counts.apiFailures.slice(0, 5);
  const scrape = async () => (await fetch(`${program.url}/metrics`)).text();
  const deadlineMs = Date.now() + CATCH_UP_MS_MAX;
  const received = receiver.received(counts.fires).catch((error: Error) => failures.push(error.message));
  while (metricIn(await scrape(), 'sequence_triggers_stream_lag_messages') > 0 && Date.now() < deadlineMs) {
    await sleep(50);
  }
  await received;
  const last = await scrape();
  const reasons = ['not_json', 'missing_field', 'invalid_field'];
  const rejected = reasons
    .map((reason) => metricIn(last, `sequence_triggers_events_rejected_total{reason="${reason}"}`))
    .reduce((sum, each) => sum + each, 0);
  const fires = metricIn(last, 'sequence_triggers_fires_total{stale="false"}');
  if (rejected !== counts.malformed) failures.push(`${rejected} of ${counts.malformed} were rejected`);
  if (fires !== counts.fires) failures.push(`${fires} fires instead of ${counts.fires}`);
  return failures;
}

function rowOf({ seconds, values }: Sample): Row {
  const cells = SERIES_NAMES.map((name) => [columnOf(name), rounded(values[name])] as const);
  return { minutes: Math.round(seconds / 6) / 10, ...Object.fromEntries(cells) };
}

function columnOf(name: SeriesName): string {
  const { unit } = SERIES[name];
  return unit === '' || unit === 'messages' ? name : `${name} ${unit}`;
}

function trendRows(samples: readonly Sample[]): Row[] {
  const warm = samples.slice(Math.floor(samples.length * WARMUP_SHARE));
  return SERIES_NAMES.map((name) => {
    const { title, unit, isJudged } = SERIES[name];
    const trend = trendOf(warm.map(({ seconds, values }) => ({ seconds, value: values[name] })));
    return {
      series: unit === '' ? title : `${title}, ${unit}`,
      'per hour': trend === undefined ? '' : rounded(trend.slopePerHour),
      '95 % ±': trend === undefined ? '' : rounded(trend.marginPerHour),
      verdict: isJudged ? verdictOf(trend, unit) : 'grows with history',
    };
  });
}

function plotOf(samples: readonly Sample[], rate: number): string {
  const panels = SERIES_NAMES.map((name) => ({
    title: SERIES[name].title,
    unit: SERIES[name].unit,
    points: samples.map(({ seconds, values }) => ({ seconds, value: values[name] })),
  }));
  const warmupSeconds = (samples.at(-1)?.seconds ?? 0) * WARMUP_SHARE;
  return plot(`Soak at ${rate.toLocaleString('en-US')} events/s; shaded: warm-up`, panels, warmupSeconds);
}
