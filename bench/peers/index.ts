import { CARD, scaled } from '../matcher/workload.ts';
import type { BenchReport, Row } from '../report.ts';
import { contest, differences, pairsOf } from './contest.ts';
import { MATCHER, PEERS } from './contestants.ts';
import { requirePeers } from './installed.ts';
import type { WorkerResult } from './worker.ts';
import type { CardSize } from './workload.ts';

const SEQUENCE_COUNTS = [1, 10, 100, 200, 1_000];

/**
 * The matcher's card in engines that evaluate a table when asked: which leads complete which sequence must
 * agree exactly, and the time of one evaluation stands beside the matcher's pass over the same events.
 *
 * @param scale of the card's events and leads.
 * @param sequenceCounts fewer for a smoke test: a query per sequence has its price on an empty table, too.
 * @throws NotInstalled when the packages of the peers are absent, Error when a peer answers differently.
 */
export async function benchPeers(scale: number, sequenceCounts = SEQUENCE_COUNTS): Promise<BenchReport> {
  requirePeers();
  const card = scaled(CARD, scale);
  const rows: Row[] = [];
  for (const sequences of sequenceCounts) rows.push(...(await compare({ ...card, sequences })));
  return {
    name: 'peers',
    tables: [{ title: `the card: ${card.events} events, ${card.leads} leads, 7-day windows`, rows }],
  };
}

async function compare(card: CardSize): Promise<Row[]> {
  const ours = await contest({ contestant: MATCHER, workload: card });
  const rows = [rowOf(card, MATCHER, ours, ours)];
  for (const contestant of PEERS) {
    const theirs = await contest({ contestant, workload: card });
    const different = differences(ours.completed, theirs.completed);
    if (different.length > 0) {
      throw new Error(
        `${contestant} differs in ${different.length}, first: ${different.slice(0, 5).join('; ')}`,
      );
    }
    rows.push(rowOf(card, contestant, theirs, ours));
  }
  return rows;
}

function rowOf(card: CardSize, contestant: string, run: WorkerResult, ours: WorkerResult): Row {
  return {
    sequences: card.sequences,
    contestant,
    version: run.version,
    'load s': Number(run.loadSeconds.toFixed(2)),
    'evaluation s': Number(run.evaluation.seconds.toFixed(3)),
    'evaluation CPU s': Number(run.evaluation.cpuSeconds.toFixed(3)),
    'evaluations per CPU of one pass': Number(
      (ours.evaluation.cpuSeconds / run.evaluation.cpuSeconds).toFixed(2),
    ),
    'RSS max MB': run.rssMaxMb,
    'completed (sequence, lead)': pairsOf(run.completed).length,
  };
}
