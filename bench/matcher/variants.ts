import type { Row } from '../report.ts';
import { MeasuringProcess } from './measuringProcess.ts';
import { BLOCK_EVENTS } from './pass.ts';
import { type Measured, measureInTurns, median, rounded, rowOf } from './rows.ts';
import { CARD, scaled, type Workload } from './workload.ts';

export interface Table {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** Measures a part of the benchmark at a share of its leads and events. */
export type Variant = (scale: number) => Promise<readonly Table[]>;

/** The rows of a table: by name, what each changes of the card. */
type Deviations = Readonly<Record<string, Partial<Workload>>>;

/** Passes for the throughput of a row; two of each are in balance when rows take turns: A B B A. */
const THROUGHPUT_PASSES = 2;
const CARD_PASSES = 3;
/** Below this share a run is for finding out whether the benchmark works; its figures mean nothing. */
const SMOKE_SCALE_MAX = 0.1;
/** Millions of fires make it slow; its slices show the spread. */
const HOT_LEAD_PASSES = 1;
const HOT_LEAD_SLICES = 10;
const CHANGES_PER_KIND = 200;
/** The naive matcher takes minutes and gigabytes for more of them. */
const NAIVE = { sequences: 1_000 };
/** Single passes of it differ by half, and with them the ratio. */
const NAIVE_PASSES = 3;
const PARSING = { sequences: 1_000, events: 520_000 };

/** The parts of the benchmark by the names that `--only` takes. */
export const VARIANTS: Readonly<Record<string, Variant>> = {
  card,
  mixed,
  windows,
  leads1M,
  longLogs,
  disorder,
  hotLead,
  churn,
  changes,
  equalFires,
  naive,
  limit,
  parsing,
};

async function card(scale: number): Promise<Table[]> {
  const deviations = {
    '100 sequences': { sequences: 100 },
    '1,000 sequences': { sequences: 1_000 },
    '5,000 sequences': { sequences: 5_000 },
    '20,000 sequences': { sequences: 20_000 },
  };
  const rows = await measureDeviations(scale, deviations, CARD_PASSES);
  return [{ title: 'the card', rows: rows.map((row) => rowOf(row)) }];
}

async function mixed(scale: number): Promise<Table[]> {
  const rows = await measureDeviations(scale, { mixed: { sequenceKind: 'mixed' } });
  const title = '2 to 5 steps, 30 % unordered, 10 % with a repeated type';
  return [{ title, rows: rows.map((row) => rowOf(row)) }];
}

async function windows(scale: number): Promise<Table[]> {
  const rows = await measureDeviations(scale, {
    '1-day windows': { windowDays: 1 },
    '30-day windows': { windowDays: 30 },
  });
  return [{ title: 'shorter and longer windows', rows: rows.map((row) => rowOf(row)) }];
}

async function leads1M(scale: number): Promise<Table[]> {
  const size = { leads: 1_000_000, events: 4_000_000 };
  const rows = await measureDeviations(scale, {
    '7-day windows': size,
    '30-day windows: all stay held': { ...size, windowDays: 30 },
  });
  return [{ title: '1,000,000 leads and 4,000,000 events', rows: rows.map((row) => rowOf(row)) }];
}

/** Leads that hold many events each, the oldest of which end one after the other. */
async function longLogs(scale: number): Promise<Table[]> {
  const holding = (heldPerLead: number, leads: number): Partial<Workload> => ({
    sequences: 1_000,
    leads,
    events: Math.round((leads * heldPerLead * CARD.spanDays) / CARD.windowDays),
  });
  const rows = await measureDeviations(scale, {
    'some 50 held events each': holding(50, 8_000),
    'some 200': holding(200, 2_000),
    'some 800': holding(800, 250),
  });
  return [{ title: 'leads that hold many events, 1,000 sequences', rows: rows.map((row) => rowOf(row)) }];
}

/** Each kind of disorder beside the same events in order. */
async function disorder(scale: number): Promise<Table[]> {
  const rows = (await measureDeviations(scale, {
    'even, sorted': { arrival: 'lateSorted' },
    'even, late': { arrival: 'late' },
    'bursts, sorted': { arrival: 'burstsLateSorted' },
    'bursts, late': { arrival: 'burstsLate' },
  })) as [Measured, Measured, Measured, Measured];
  const [evenSorted, even, burstsSorted, bursts] = rows;
  requireEqualPairs(even, evenSorted);
  requireEqualPairs(bursts, burstsSorted);
  const columns = (row: Measured, sorted: Measured): Row => ({
    ...rowOf(row, sorted),
    'late for their lead %': rounded(row.throughput[0]!.lateShare * 100, 3),
    'hash of who fired': row.latency.pairsHash,
  });
  return [
    {
      title: 'half of the events up to 60 s late; ratio to the same events in order',
      rows: [
        columns(evenSorted, evenSorted),
        columns(even, evenSorted),
        columns(burstsSorted, burstsSorted),
        columns(bursts, burstsSorted),
      ],
    },
  ];
}

/** R10: which sequences fire for which leads does not depend on the order of arrival. */
function requireEqualPairs(row: Measured, sorted: Measured): void {
  if (row.latency.pairsHash !== sorted.latency.pairsHash) {
    throw new Error(`${row.name}: other sequences or leads fired than with the same events in order`);
  }
}

async function hotLead(scale: number): Promise<Table[]> {
  const [row] = (await measureDeviations(
    scale,
    { 'hot lead': { arrival: 'hotLead', events: 1_200_000, spanDays: 7 } },
    HOT_LEAD_PASSES,
  )) as [Measured];
  const slices = sliceRates(row);
  const lastToFirst = rounded(slices.at(-1)! / slices[0]!, 3);
  return [
    {
      title: '1,000,000 events of one lead within its window, 200,000 of others',
      rows: [{ ...rowOf(row), 'last to first slice': lastToFirst }],
    },
    {
      title: 'the same by tenths of the events',
      rows: slices.map((rate, slice) => ({
        slice: slice + 1,
        'events/s': Math.round(rate),
        ratio: rounded(rate / slices[0]!, 3),
      })),
    },
  ];
}

/** Events per second in each slice of the events. */
function sliceRates({ workload, throughput }: Measured): number[] {
  const blocks = throughput[0]!.blockMicros.length;
  const slices = Math.min(HOT_LEAD_SLICES, blocks);
  return Array.from({ length: slices }, (_, slice) => {
    const from = Math.floor((blocks * slice) / slices);
    const to = Math.floor((blocks * (slice + 1)) / slices);
    const events = Math.min(to * BLOCK_EVENTS, workload.events) - from * BLOCK_EVENTS;
    const micros = throughput.map(({ blockMicros }) =>
      blockMicros.slice(from, to).reduce((sum, block) => sum + block, 0),
    );
    return events / (median(micros) / 1e6);
  });
}

async function churn(scale: number): Promise<Table[]> {
  const [calm, churned] = (await measureDeviations(scale, {
    'no changes': {},
    'a change every 1,000 events': { engine: 'churnedMatcher' },
  })) as [Measured, Measured];
  const all = churned.throughput.map(({ changes }) => changes!);
  return [
    {
      title: 'sequences created, edited and deleted; an apply includes the change before it',
      rows: [rowOf(calm, calm), rowOf(churned, calm)],
    },
    {
      title: 'the changes',
      rows: [
        {
          changes: all[0]!.count,
          'p50 µs': rounded(median(all.map(({ p50Micros }) => p50Micros)), 1),
          'max µs': rounded(Math.max(...all.map(({ maxMicros }) => maxMicros)), 1),
        },
      ],
    },
  ];
}

async function changes(scale: number): Promise<Table[]> {
  const workload = scaled({ ...CARD, leads: 1_000_000 }, scale);
  const figures = await measureAlone((process) =>
    process.run('measureChanges', { workload, changesPerKind: Math.ceil(CHANGES_PER_KIND * scale) }),
  );
  return [
    {
      title: `changes of sequences at 1,000,000 leads; longest apply of the ${BLOCK_EVENTS} after each`,
      rows: figures.map(
        ({ kind, count, changeP50Micros, changeMaxMicros, applyP50Micros, applyMaxMicros }) => ({
          change: kind,
          count,
          'p50 µs': rounded(changeP50Micros, 1),
          'max µs': rounded(changeMaxMicros, 1),
          'longest apply p50 µs': rounded(applyP50Micros, 1),
          'longest apply max µs': rounded(applyMaxMicros, 1),
        }),
      ),
    },
  ];
}

/** From 100 to 20,000 sequences, where those added never complete. */
async function equalFires(scale: number): Promise<Table[]> {
  const rows = await measureDeviations(scale, {
    '100 sequences': { sequences: 100 },
    '20,000, last type never occurs': { sequences: 20_000, sequenceKind: 'lastNeverOccurs' },
    '20,000, first type never occurs': { sequences: 20_000, sequenceKind: 'firstNeverOccurs' },
  });
  requireEqualFires(rows);
  return [{ title: 'equal fires; ratio to 100 sequences', rows: rows.map((row) => rowOf(row, rows[0])) }];
}

async function naive(scale: number): Promise<Table[]> {
  const rows = await measureDeviations(
    scale,
    { 'slot per (sequence, lead)': { ...NAIVE, engine: 'naive' }, matcher: NAIVE },
    NAIVE_PASSES,
  );
  requireEqualFires(rows);
  const title = 'the card with 1,000 sequences; ratio to a slot per (sequence, lead)';
  return [{ title, rows: rows.map((row) => rowOf(row, rows[0])) }];
}

function requireEqualFires(rows: readonly Measured[]): void {
  for (const { name, latency } of rows) {
    if (latency.hash !== rows[0]!.latency.hash) throw new Error(`${name}: other fires than ${rows[0]!.name}`);
  }
}

async function limit(scale: number): Promise<Table[]> {
  const rows = await measureDeviations(scale, {
    'memory accesses alone': { engine: 'memoryFloor' },
    matcher: {},
  });
  return [{ title: "the machine's limit; ratio to it", rows: rows.map((row) => rowOf(row, rows[0])) }];
}

async function parsing(scale: number): Promise<Table[]> {
  const workload = scaled({ ...CARD, ...PARSING }, scale);
  const figures = await measureAlone((process) => process.run('compareWithParsing', workload));
  return [
    {
      title: 'parsing alone beside parsing and matching, 1,000 sequences, medians',
      rows: figures.map(({ name, microsPerEvent }) => ({
        name,
        'µs per event': rounded(microsPerEvent, 3),
        'ratio to baseline': rounded(microsPerEvent / figures[0]!.microsPerEvent, 2),
      })),
    },
  ];
}

function measureDeviations(
  scale: number,
  deviations: Deviations,
  throughputPasses = THROUGHPUT_PASSES,
): Promise<Measured[]> {
  const rows = Object.entries(deviations).map(([name, deviation]) => ({
    name,
    workload: scaled({ ...CARD, ...deviation }, scale),
  }));
  const isSmoke = scale < SMOKE_SCALE_MAX;
  return measureInTurns(rows, { throughputPasses: isSmoke ? 1 : throughputPasses, warmUp: !isSmoke });
}

/** Measures something that is no row of passes, in a process of its own. */
async function measureAlone<T>(measure: (process: MeasuringProcess) => Promise<T>): Promise<T> {
  const process = new MeasuringProcess();
  try {
    return await measure(process);
  } finally {
    await process.end();
  }
}
