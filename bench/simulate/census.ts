import { setImmediate as nextLoop } from 'node:timers/promises';
import { LEADS_PER_PORTION } from '../../src/engine/progress.ts';
import { Matcher } from '../../src/matcher/matcher.ts';
import { seededRandom } from '../random.ts';
import type { Row } from '../report.ts';

const WEEK_MICROS = 7 * 86_400 * 1e6;
const TYPES = 50;
const SEQUENCES = 1_000;
const EVENTS_PER_LEAD = 4;
/** Applied without a count and beside one, for each lead there is. */
const EVENTS_BETWEEN_PER_LEAD = 0.2;
const OU = 'default';

/** Counts all leads in portions, as the program does, and says what a count costs the events applied beside it. */
export async function measureCensus(leads: number): Promise<Row[]> {
  const random = seededRandom(3);
  const matcher = filledMatcher();
  let streamSequence = 0;
  const apply = (lead: number): void => {
    streamSequence++;
    const timeMicros = 1.7e15 + streamSequence * 1_000;
    matcher.apply({
      ou: OU,
      leadId: `lead-${lead}`,
      id: `event-${streamSequence}`,
      type: `type-${Math.floor(random() * TYPES)}`,
      timeMicros,
      arrivalMicros: timeMicros,
      streamSequence,
    });
  };
  for (let index = 0; index < leads * EVENTS_PER_LEAD; index++) apply(index % leads);

  await count(matcher);
  const { totalMs, longestMs } = await count(matcher);
  const between = Math.ceil(leads * EVENTS_BETWEEN_PER_LEAD);
  const plainRate = rateOf(between, () => apply(Math.floor(random() * leads)));
  const census = matcher.insight.beginCensus(OU, 'seq-4')!;
  const countedRate = rateOf(between, () => apply(Math.floor(random() * leads)));
  matcher.insight.endCensus(census);
  return [
    {
      leads,
      'held events': matcher.heldEventCount,
      'count, ms': Math.round(totalMs),
      'longest portion, ms': Math.round(longestMs * 10) / 10,
      'events/s, no count': plainRate,
      'events/s, each lead copied on write': countedRate,
    },
  ];
}

function filledMatcher(): Matcher {
  const limits = { allowedLatenessMicros: 86_400e6, futureSkewMicros: 300e6, heldEventsMax: 4_096 };
  const matcher = new Matcher(limits);
  for (let index = 0; index < SEQUENCES; index++) {
    matcher.setSequence({
      ou: OU,
      id: `seq-${index}`,
      eventTypes: [1, 7, 13].map((factor) => `type-${(index * factor + factor) % TYPES}`),
      windowMicros: WEEK_MICROS,
      ordered: index % 2 === 0,
      active: true,
      refire: { mode: 'every' },
      maxFireDelayMicros: null,
      effectiveFrom: 0,
    });
  }
  return matcher;
}

async function count(matcher: Matcher): Promise<{ totalMs: number; longestMs: number }> {
  const startedMs = performance.now();
  const census = matcher.insight.beginCensus(OU, 'seq-4')!;
  let longestMs = 0;
  for (let isOver = false; !isOver; await nextLoop()) {
    const portionMs = performance.now();
    isOver = census.count(LEADS_PER_PORTION);
    longestMs = Math.max(longestMs, performance.now() - portionMs);
  }
  matcher.insight.endCensus(census);
  return { totalMs: performance.now() - startedMs, longestMs };
}

function rateOf(events: number, applyOne: () => void): number {
  const startedMs = performance.now();
  for (let index = 0; index < events; index++) applyOne();
  return Math.round((events / (performance.now() - startedMs)) * 1000);
}
