/** Records what the peers find on small workloads: `node dist/bench/peers/record.js`, then `npm run format`. */
import { contest, differences, pairsOf } from './contest.ts';
import { type Contestant, PEERS } from './contestants.ts';
import { type Recording, writeRecordings } from './expected.ts';
import { requirePeers } from './installed.ts';
import type { WorkloadName } from './workload.ts';

const CARD = { seed: 1, types: 30, sequences: 60, leads: 150, events: 4_000, windowDays: 7 };

requirePeers();
const recordings = [
  await record(CARD, PEERS),
  await record('repeats', PEERS),
  // windowFunnel knows no order among events of one instant.
  await record('ties', ['DuckDB, a query per sequence']),
];
writeRecordings(recordings);
for (const { completed, versions } of recordings) {
  console.log(`recorded ${pairsOf(completed).length} pairs with ${versions.join(' and ')}`);
}

async function record(workload: WorkloadName, contestants: readonly Contestant[]): Promise<Recording> {
  const runs = [];
  for (const contestant of contestants) runs.push(await contest({ contestant, workload }));
  const { completed } = runs[0]!;
  if (runs.some((run) => differences(completed, run.completed).length > 0)) {
    throw new Error('the peers do not agree');
  }
  return { workload, contestants, versions: [...new Set(runs.map(({ version }) => version))], completed };
}
