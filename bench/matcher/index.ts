import { createHash } from 'node:crypto';
import { createHistogram } from 'node:perf_hooks';
import { Bench } from 'tinybench';
import { Matcher } from '../../src/matcher/matcher.ts';
import type { LeadEvent } from '../../src/model/event.ts';
import type { BenchReport, Row } from '../report.ts';
import { CARD, type Card, eventsOf, linesOf, sequencesOf } from './card.ts';

const BLOCK = 20_000;
const COMPARED_BLOCKS = 20;
const WARMUP_BLOCKS = 4;
/** Calls that tinybench makes beyond those, to learn whether a task is asynchronous. */
const PROBE_BLOCKS = 2;
const SEQUENCE_COUNTS = [100, 1_000, 5_000, 20_000];
const LIMITS = { allowedLatenessMicros: 86_400_000_000, futureSkewMicros: 300_000_000, heldEventsMax: 4_096 };

/**
 * The matcher alone, one thread, no I/O: throughput over the card at several numbers of sequences, latency
 * per apply, and the cost of matching beside the cost of merely parsing the same events.
 *
 * @param scale of the card's events and leads; 1 is the card, less is for a smoke test.
 */
export async function benchMatcher(scale: number): Promise<BenchReport> {
  const card = { ...CARD, leads: Math.ceil(CARD.leads * scale), events: Math.ceil(CARD.events * scale) };
  const throughput: Row[] = [];
  for (const sequences of SEQUENCE_COUNTS) throughput.push(measureCard({ ...card, sequences }));
  return {
    name: 'matcher',
    tables: [
      { title: `the card: ${card.events} events, ${card.leads} leads, 7-day windows`, rows: throughput },
      {
        title: 'parsing alone beside parsing and matching, 1,000 sequences, medians',
        rows: await compareWithParsing(card, Math.ceil(BLOCK * scale)),
      },
    ],
  };
}

/** Two passes over the same events: one for the throughput, one that times every apply. */
function measureCard(card: Card): Row {
  const { seconds, fires, hash, matcher } = pass(card, (matcher, events, sink) => {
    for (const event of events) sink(matcher.apply(event), event);
  });
  const heldEvents = matcher.heldEventCount;
  const rssMb = process.memoryUsage().rss / 2 ** 20;
  const histogram = createHistogram();
  const timed = pass(card, (matcher, events, sink) => {
    for (const event of events) {
      const started = performance.now();
      const outcome = matcher.apply(event);
      histogram.record(Math.max(1, Math.round((performance.now() - started) * 1e6)));
      sink(outcome, event);
    }
  });
  if (timed.hash !== hash) throw new Error('two passes over the same events fired differently');
  return {
    sequences: card.sequences,
    'events/s': Math.round(card.events / seconds),
    'p50 µs': histogram.percentile(50) / 1000,
    'p99 µs': histogram.percentile(99) / 1000,
    'p99.9 µs': histogram.percentile(99.9) / 1000,
    'max µs': histogram.max / 1000,
    fires,
    'held events': heldEvents,
    'RSS MB': Math.round(rssMb),
    'fires hash': hash,
  };
}

type Apply = (
  matcher: Matcher,
  events: readonly LeadEvent[],
  sink: (outcome: ReturnType<Matcher['apply']>, event: LeadEvent) => void,
) => void;

function pass(card: Card, apply: Apply) {
  const matcher = new Matcher(LIMITS);
  for (const definition of sequencesOf(card)) matcher.setSequence(definition);
  const hash = createHash('sha256');
  let fires = 0;
  let pending: string[] = [];
  let milliseconds = 0;
  let streamSequence = 1;
  for (const lines of linesOf(card, BLOCK)) {
    const events = eventsOf(lines, streamSequence);
    streamSequence += lines.length;
    const started = performance.now();
    apply(matcher, events, (outcome, event) => {
      if (outcome.kind !== 'held' || outcome.completions.length === 0) return;
      for (const { sequenceId, events } of outcome.completions) {
        fires++;
        pending.push(sequenceId, event.leadId, ...events.map(({ id }) => id));
      }
    });
    milliseconds += performance.now() - started;
    hash.update(pending.join(' '));
    pending = [];
  }
  return { seconds: milliseconds / 1000, fires, hash: hash.digest('hex').slice(0, 16), matcher };
}

/** What matching adds to reading: JSON.parse and a map by lead are the least that any program does per event. */
async function compareWithParsing(card: Card, blockSize: number): Promise<Row[]> {
  const events = blockSize * (COMPARED_BLOCKS + WARMUP_BLOCKS + PROBE_BLOCKS);
  const blocks = [...linesOf({ ...card, events }, blockSize)];
  const matcher = new Matcher(LIMITS);
  for (const definition of sequencesOf({ ...card, sequences: 1_000 })) matcher.setSequence(definition);
  const leads = new Map<string, number>();
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
        leads.set(lead_id, (leads.get(lead_id) ?? 0) + 1);
      }
    })
    .add('JSON.parse and Matcher.apply', () => {
      for (const event of eventsOf(blocks[matchedBlocks]!, matchedBlocks * blockSize + 1)) {
        if (matcher.apply(event).kind === 'rejected')
          throw new Error('the card has an event that is rejected');
      }
      matchedBlocks++;
    });
  await bench.run();
  const medians = bench.tasks.map(({ name, result }) => {
    if (result.state !== 'completed') throw new Error(`${name} did not complete`);
    return { name, microsPerEvent: (result.latency.p50 * 1000) / blockSize };
  });
  return medians.map(({ name, microsPerEvent }) => ({
    name,
    'µs per event': Number(microsPerEvent.toFixed(3)),
    'ratio to baseline': Number((microsPerEvent / medians[0]!.microsPerEvent).toFixed(2)),
  }));
}
