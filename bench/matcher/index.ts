import type { BenchOptions, BenchReport } from '../report.ts';
import { VARIANTS } from './variants.ts';

/** The names that `--only` takes. */
export const MATCHER_VARIANTS: readonly string[] = Object.keys(VARIANTS);

/**
 * The matcher alone, one thread, no I/O: throughput, latency and memory on the card and on what deviates from
 * it, beside a naive matcher, beside the memory accesses that none avoids, and beside the cost of parsing.
 *
 * `scale` is that of the leads and events; less than 1 is for a smoke test. A report of
 * some variants alone bears their names, so that it does not replace the whole one.
 */
export async function benchMatcher({ scale, only }: BenchOptions): Promise<BenchReport> {
  const tables: BenchReport['tables'][number][] = [];
  for (const [name, measure] of Object.entries(VARIANTS)) {
    if (only !== null && !only.includes(name)) continue;
    for (const { title, rows } of await measure(scale)) tables.push({ title: `${name}: ${title}`, rows });
  }
  return { name: ['matcher', ...(only ?? [])].join('-'), tables };
}
