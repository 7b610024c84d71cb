import { setImmediate as nextTurn } from 'node:timers/promises';
import { PREFETCHED_MAX } from '../../src/matcher/leadTable.ts';
import type { LeadEvent } from '../../src/model/event.ts';
import { applyInGroups } from './applyInGroups.ts';
import type { Engine } from './engine.ts';
import { type EventFeed, eventsOf, linesOf } from './feed.ts';
import { type Fired, FireHash } from './fireHash.ts';

/** As many messages as the program's feed pulls at once; the same for every row. */
export const BLOCK_EVENTS = 2_000;

/** Applies a block and notes what fired. The only thing whose time is taken. */
type ApplyBlock = (engine: Engine, events: readonly LeadEvent[], fired: Fired[]) => void;

/** One run of an engine over all events of a feed. */
export interface Pass {
  /** Time of applying each block, in microseconds. */
  readonly blockMicros: number[];
  readonly fires: number;
  readonly hash: string;
  readonly pairsHash: string;
}

/**
 * Runs an engine over a feed, block by block: the events are written as JSON and parsed, then applied, then
 * what fired is hashed. Only the applying counts. Between blocks other things get their turn, as in the program.
 */
export async function runPass(
  engine: Engine,
  feed: EventFeed,
  { applyBlock, withPairs }: { applyBlock: ApplyBlock; withPairs: boolean },
): Promise<Pass> {
  const blockMicros: number[] = [];
  const hash = new FireHash(withPairs);
  const count = feed.ids.length;
  for (let from = 0; from < count; from += BLOCK_EVENTS) {
    const to = Math.min(from + BLOCK_EVENTS, count);
    const events = eventsOf(feed, from, linesOf(feed, from, to));
    const fired: Fired[] = [];
    const started = performance.now();
    applyBlock(engine, events, fired);
    blockMicros.push((performance.now() - started) * 1000);
    hash.add(fired);
    await nextTurn();
  }
  return { blockMicros, fires: hash.fires, hash: hash.digest(), pairsHash: hash.pairsDigest() };
}

export function applyAll(engine: Engine, events: readonly LeadEvent[], fired: Fired[]): void {
  applyInGroups(engine, events, (outcome, event) => note(outcome, event, fired));
}

/**
 * As `applyAll`, and hands each event's time in nanoseconds to `record`, with an equal share of what announcing
 * its group took; the timers slow the pass as a whole.
 */
export function timingEach(record: (nanoseconds: number) => void): ApplyBlock {
  return (engine, events, fired) => {
    let shareNanoseconds = 0;
    for (let index = 0; index < events.length; index++) {
      if (index % PREFETCHED_MAX === 0) {
        const announced = performance.now();
        engine.prefetch?.(events, index);
        shareNanoseconds = ((performance.now() - announced) * 1e6) / PREFETCHED_MAX;
      }
      const event = events[index]!;
      const started = performance.now();
      const outcome = engine.apply(event);
      record((performance.now() - started) * 1e6 + shareNanoseconds);
      note(outcome, event, fired);
    }
  };
}

function note(outcome: ReturnType<Engine['apply']>, event: LeadEvent, fired: Fired[]): void {
  const matches = outcome.completions;
  if (matches === undefined) {
    if (outcome.kind !== 'unlisted') throw new Error(`the workload has an event that is ${outcome.kind}`);
  } else if (matches.length > 0) {
    fired.push({ leadId: event.leadId, matches });
  }
}
