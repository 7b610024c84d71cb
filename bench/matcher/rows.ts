import type { Row } from '../report.ts';
import type { LatencyFigures, ThroughputFigures } from './measure.ts';
import { MeasuringProcess } from './measuringProcess.ts';
import type { Workload } from './workload.ts';

/** How thoroughly rows are measured; one more pass times every apply. */
export interface Effort {
  readonly throughputPasses: number;
  readonly warmUp: boolean;
}

export interface NamedWorkload {
  readonly name: string;
  readonly workload: Workload;
}

/** All that was measured of one row. */
export interface Measured extends NamedWorkload {
  readonly throughput: readonly ThroughputFigures[];
  readonly latency: LatencyFigures;
}

/**
 * Measures the rows of a table, each in a process of its own, in turns: the first pass of each row, then the
 * second of each in reverse order, and so on. What slows the machine for a while slows all rows alike.
 *
 * @throws Error when two passes over the same events fired differently.
 */
export async function measureInTurns(rows: readonly NamedWorkload[], effort: Effort): Promise<Measured[]> {
  const lanes = rows.map((row) => ({
    ...row,
    process: new MeasuringProcess(),
    throughput: [] as ThroughputFigures[],
  }));
  try {
    for (const { process, workload } of effort.warmUp ? lanes : []) await process.run('warmUp', workload);
    for (let turn = 0; turn < effort.throughputPasses; turn++) {
      for (const { process, workload, throughput } of turn % 2 === 0 ? lanes : lanes.toReversed()) {
        throughput.push(await process.run('measureThroughput', workload));
      }
    }
    const measured: Measured[] = [];
    for (const { name, workload, process, throughput } of lanes) {
      const latency = await process.run('measureLatency', workload);
      for (const { hash } of throughput) {
        if (hash !== latency.hash)
          throw new Error(`${name}: two passes over the same events fired differently`);
      }
      measured.push({ name, workload, throughput, latency });
    }
    return measured;
  } finally {
    await Promise.all(lanes.map(({ process }) => process.end()));
  }
}

/** Events per second of each throughput pass. */
function eventRates({ workload, throughput }: Measured): number[] {
  return throughput.map(
    ({ blockMicros }) => workload.events / (blockMicros.reduce((sum, micros) => sum + micros, 0) / 1e6),
  );
}

/** The columns that every row has; memory is that of the first pass. */
export function rowOf(measured: Measured, baseline?: Measured): Row {
  const { name, throughput, latency } = measured;
  const rates = eventRates(measured);
  const [first] = throughput as [ThroughputFigures];
  const perHeldEvent = (bytes: number) =>
    first.heldEvents === 0 ? '-' : Math.round(bytes / first.heldEvents);
  return {
    row: name,
    'events/s': Math.round(median(rates)),
    'min–max': `${thousands(Math.min(...rates))}–${thousands(Math.max(...rates))}`,
    ...(baseline === undefined ? {} : { ratio: ratioOf(measured, baseline) }),
    'p50 µs': latency.p50Micros,
    'p99 µs': latency.p99Micros,
    'p99.9 µs': latency.p999Micros,
    'max µs': latency.maxMicros,
    'max block ms': rounded(Math.max(...throughput.flatMap(({ blockMicros }) => blockMicros)) / 1000, 1),
    'max GC ms': rounded(Math.max(...throughput.map(({ gcMaxMillis }) => gcMaxMillis)), 1),
    'CPU %': Math.round(Math.min(...throughput.map(({ cpuShare }) => cpuShare)) * 100),
    'RSS MB': Math.round(first.rssBytes / 2 ** 20),
    'held events': first.heldEvents,
    'RSS B/held': perHeldEvent(first.rssGrowthBytes),
    'heap B/held': perHeldEvent(first.heapGrowthBytes),
    fires: first.fires,
    'hash of the fires': first.hash,
  };
}

/** Throughput as a share of the baseline's, medians. */
function ratioOf(measured: Measured, baseline: Measured): number {
  return rounded(median(eventRates(measured)) / median(eventRates(baseline)), 3);
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
}

export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function thousands(value: number): string {
  return `${Math.round(value / 1000)}k`;
}
