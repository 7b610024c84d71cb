import type { BenchOptions, BenchReport } from '../report.ts';
import { backlogTables } from './backlogTables.ts';
import { isolationTables } from './isolationTables.ts';
import { profileTables, throughputTables } from './throughputTables.ts';

const VARIANTS = {
  throughput: throughputTables,
  isolation: isolationTables,
  backlog: backlogTables,
  profile: profileTables,
};

export const OUTBOX_VARIANTS: readonly string[] = Object.keys(VARIANTS);

/**
 * The outbox by itself, on a real store and to receivers on the loopback: how fast it is, what destinations that
 * do not answer do to the others, how it begins with a backlog, and where its time goes.
 *
 * @param scale of the deliveries, the seconds and the rows; 1 is 20,000 deliveries, 10 s, and 1,000,000 rows.
 */
export async function benchOutbox({ scale, only }: BenchOptions): Promise<BenchReport> {
  const tables = [];
  for (const [name, measure] of Object.entries(VARIANTS)) {
    if (only === null || only.includes(name)) tables.push(...(await measure(scale)));
  }
  return { name: only?.length === 1 ? `outbox-${only[0]}` : 'outbox', tables };
}
