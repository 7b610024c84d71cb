import { type FunnelMode, openClickHouse } from './clickhouse.ts';
import { openDuckDb } from './duckdb.ts';
import { runMatcher } from './matcherPass.ts';
import { type Run, runBatch, type Workload } from './run.ts';

/** Memory grows with the columns: 1,000 in one query took over 9 GB on the card, 100 at a time under 2 GB. */
const COLUMNS_MAX = 100;

export const MATCHER = 'matcher';
/** Those that are measured beside the matcher: each peer the ways that its users would write it. */
export const PEERS = [
  'ClickHouse, a column per sequence',
  'ClickHouse, a query per sequence',
  'DuckDB, a query per sequence',
] as const;
/** Other modes of windowFunnel, to show by cases where they differ from the rules. */
export const OTHER_MODES = ['ClickHouse, default mode', 'ClickHouse, strict_increase'] as const;

export type Contestant = typeof MATCHER | (typeof PEERS)[number] | (typeof OTHER_MODES)[number];

export const CONTESTANTS: Readonly<Record<Contestant, (workload: Workload) => Promise<Run>>> = {
  matcher: runMatcher,
  'ClickHouse, a column per sequence': clickHouse('strict_once', COLUMNS_MAX),
  'ClickHouse, a query per sequence': clickHouse('strict_once', 1),
  'ClickHouse, default mode': clickHouse('default', 1),
  'ClickHouse, strict_increase': clickHouse('strict_increase', 1),
  'DuckDB, a query per sequence': async (workload) => runBatch(await openDuckDb(), workload),
};

function clickHouse(mode: FunnelMode, sequencesPerQuery: number): (workload: Workload) => Promise<Run> {
  return async (workload) => runBatch(openClickHouse({ mode, sequencesPerQuery }), workload);
}
