import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildCounts } from '../../src/store/buildCounts.ts';
import { DeliveryStore } from '../../src/store/deliveries.ts';
import { type Environment, openEnvironment } from '../../src/store/environment.ts';
import { filterPrefix } from '../../src/store/fireRows.ts';
import { type FireFilters, FireStore } from '../../src/store/fires.ts';
import { median, round } from '../outbox/statistics.ts';
import type { BenchOptions, BenchReport, Row } from '../report.ts';
import { measureExport } from './export.ts';
import { entries, LEAD, OU, SEQUENCE, SPAN_MICROS } from './fill.ts';

const ROWS: Readonly<Record<string, number>> = { '100k': 100_000, '1M': 1_000_000, '10M': 10_000_000 };
export const HISTORY_VARIANTS = Object.keys(ROWS);
/** The largest takes half an hour and some 20 GB of disk, so it has to be asked for by name. */
const DEFAULT_VARIANTS = ['100k', '1M'];
/** Part of the fires that is committed while there are counts to keep, and as many before it without. */
const COUNTED_SHARE = 0.1;
const COUNTED_MAX = 100_000;
/** Fires that are in memory before they are committed. */
const MADE_AT_ONCE = 30_000;
/** Groups that are committed together where it is not measured. */
const GROUPS_OF_BULK = 100;
const REPETITIONS = 9;
const LIMIT = 25;

interface Opened {
  readonly environment: Environment;
  readonly fires: FireStore;
  readonly deliveries: DeliveryStore;
}

/**
 * The lists of fires and the export, on stores of several sizes. What counts save is shown against counting the
 * entries one by one on the same store.
 *
 * @param options scale: of the numbers of fires
 */
export async function benchHistory({ scale, only }: BenchOptions): Promise<BenchReport> {
  const filled: Row[] = [];
  const read: Row[] = [];
  const exported: Row[] = [];
  for (const variant of only ?? DEFAULT_VARIANTS) {
    const rows = Math.ceil(ROWS[variant]! * scale);
    const dataDir = mkdtempSync(join(tmpdir(), 'sequence-triggers-bench-'));
    try {
      const opened = open(dataDir);
      try {
        filled.push(await fill(opened, rows, dataDir));
        read.push(...measureReads(opened, rows));
      } finally {
        await opened.environment.close();
      }
      exported.push(await measureExport(dataDir, rows));
    } finally {
      rmSync(dataDir, { recursive: true });
    }
  }
  return {
    name: 'history',
    tables: [
      { title: 'committing fires, each with a delivery, and counting those of before', rows: filled },
      { title: `reading ${LIMIT} fires of a list and its total, ms`, rows: read },
      { title: 'the export of all fires', rows: exported },
    ],
  };
}

function open(dataDir: string): Opened {
  const environment = openEnvironment(dataDir);
  const deliveries = new DeliveryStore(environment);
  return { environment, deliveries, fires: new FireStore(environment, deliveries) };
}

/**
 * Most fires come before there are counts, as in the store of an older program. Only as many as there are counted ones
 * after it are committed as the engine does it, so that the two can be compared; those before them go in at once.
 */
async function fill({ environment, fires, deliveries }: Opened, rows: number, dataDir: string): Promise<Row> {
  const startMicros = Date.now() * 1000 - SPAN_MICROS;
  const commit = async (first: number, end: number, groupsAtOnce: number) => {
    let spentMs = 0;
    for (let from = first; from < end; from += MADE_AT_ONCE) {
      const upTo = Math.min(from + MADE_AT_ONCE, end);
      const groups = [...entries({ first: from, end: upTo, count: rows, startMicros })];
      const startedMs = performance.now();
      while (groups.length > 0) {
        const commits = groups.splice(0, groupsAtOnce).map((group) => fires.commitFires(group).committed);
        await Promise.all(commits);
      }
      spentMs += performance.now() - startedMs;
    }
    return (spentMs * 1_000) / (end - first);
  };
  const counted = Math.min(Math.ceil(rows * COUNTED_SHARE), COUNTED_MAX);
  const before = Math.max(rows - 2 * counted, 0);
  await commit(0, before, GROUPS_OF_BULK);
  const withoutMicros = await commit(before, rows - counted, 1);
  const startedMs = performance.now();
  await buildCounts(
    environment,
    [fires.rows.counts, deliveries.rows.indexCounts],
    AbortSignal.timeout(2 ** 31 - 1),
  );
  const buildSeconds = (performance.now() - startedMs) / 1_000;
  const withMicros = await commit(rows - counted, rows, 1);
  await environment.flushed();
  return {
    fires: rows,
    'µs/fire without counts': round(withoutMicros),
    'with counts': round(withMicros),
    'building counts s': round(buildSeconds),
    'file MiB': Math.round(statSync(join(dataDir, 'lmdb', 'data.mdb')).size / 2 ** 20),
  };
}

function measureReads({ fires }: Opened, rows: number): Row[] {
  const middle = Date.now() * 1000 - SPAN_MICROS / 2;
  const lists: readonly [string, FireFilters][] = [
    ['all', {}],
    ['half of the time', { fromMicros: middle }],
    ['a sequence', { sequenceId: SEQUENCE }],
    ['a lead', { leadId: LEAD }],
  ];
  return lists.map(([list, filters]) => {
    const { total } = fires.listFires(OU, { ...filters, page: 1, limit: LIMIT });
    const prefix = filterPrefix(OU, filters.sequenceId, filters.leadId);
    const start = [...prefix, filters.fromMicros ?? 0];
    const end = [...prefix, Number.MAX_SAFE_INTEGER];
    const deep = Math.floor(total / LIMIT / 2) + 1;
    const offset = (deep - 1) * LIMIT;
    const newestFirst = { start: end, end: start, reverse: true, limit: LIMIT };
    const countOneByOne = () => fires.rows.index.getKeysCount({ start, end });
    if (countOneByOne() !== total) throw new Error(`the total of ${list} is ${total}, which it is not`);
    return {
      fires: rows,
      list,
      total,
      'first page and total': medianMs(() => fires.listFires(OU, { ...filters, page: 1, limit: LIMIT })),
      'middle page and total': medianMs(() => fires.listFires(OU, { ...filters, page: deep, limit: LIMIT })),
      'counting one by one': medianMs(countOneByOne),
      'passing over one by one': medianMs(() => [...fires.rows.index.getKeys({ ...newestFirst, offset })]),
    };
  });
}

function medianMs(work: () => unknown): number {
  const durations = Array.from({ length: REPETITIONS }, () => {
    const startedMs = performance.now();
    work();
    return performance.now() - startedMs;
  });
  return round(median(durations));
}
