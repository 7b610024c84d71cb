import { Bench } from 'tinybench';
import { applyInGroups } from './applyInGroups.ts';
import { matcherOf } from './churn.ts';
import { eventsOf, feedOf, linesOf } from './feed.ts';
import type { Workload } from './workload.ts';

const COMPARED_BLOCKS = 20;
const WARMUP_BLOCKS = 4;
/** Calls that tinybench makes beyond those, to learn whether a task is asynchronous. */
const PROBE_BLOCKS = 2;
const BLOCKS = COMPARED_BLOCKS + WARMUP_BLOCKS + PROBE_BLOCKS;

export interface ParsingFigures {
  readonly name: string;
  readonly microsPerEvent: number;
}

/**
 * What matching adds to reading: JSON.parse and a map by lead are the least that any program does per event.
 * Each block of the workload is used once by each of the two.
 *
 * @returns the baseline and the matcher, each the median over the blocks.
 */
export async function compareWithParsing(workload: Workload): Promise<ParsingFigures[]> {
  const feed = feedOf(workload);
  const blockEvents = Math.floor(workload.events / BLOCKS);
  const blocks = Array.from({ length: BLOCKS }, (_, block) =>
    linesOf(feed, block * blockEvents, (block + 1) * blockEvents),
  );
  const matcher = matcherOf(workload);
  const eventsByLead = new Map<string, number>();
  let parsedBlocks = 0;
  let matchedBlocks = 0;
  const bench = new Bench({
    iterations: COMPARED_BLOCKS,
    time: 0,
    warmupIterations: WARMUP_BLOCKS,
    warmupTime: 0,
    throws: true,
  });
  bench
    .add('JSON.parse and Map (baseline)', () => {
      for (const line of blocks[parsedBlocks++]!) {
        const { lead_id } = JSON.parse(line) as { lead_id: string };
        eventsByLead.set(lead_id, (eventsByLead.get(lead_id) ?? 0) + 1);
      }
    })
    .add('JSON.parse and Matcher.apply', () => {
      const events = eventsOf(feed, matchedBlocks * blockEvents, blocks[matchedBlocks]!);
      applyInGroups(matcher, events, ({ kind }) => {
        if (kind === 'rejected') throw new Error('the workload has an event that is rejected');
      });
      matchedBlocks++;
    });
  await bench.run();
  return bench.tasks.map(({ name, result }) => {
    if (result.state !== 'completed') throw new Error(`${name} did not complete`);
    return { name, microsPerEvent: (result.latency.p50 * 1000) / blockEvents };
  });
}
