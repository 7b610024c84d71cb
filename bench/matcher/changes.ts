import { applyInGroups } from './applyInGroups.ts';
import { CHANGE_KINDS, type ChangeKind, matcherOf, SequenceChanger } from './churn.ts';
import { Durations } from './durations.ts';
import { eventsOf, feedOf, linesOf } from './feed.ts';
import { BLOCK_EVENTS } from './pass.ts';
import type { Workload } from './workload.ts';

/** Changed sequences get one of these windows, so that how long events are held changes as well. */
const WINDOWS_DAYS = [7, 14];

export interface ChangesRequest {
  readonly workload: Workload;
  /** How often each kind of change is made. */
  readonly changesPerKind: number;
}

export interface ChangeFigures {
  readonly kind: ChangeKind | 'none';
  readonly count: number;
  /** Time of the change itself. */
  readonly changeP50Micros: number;
  readonly changeMaxMicros: number;
  /** The longest single apply among the events between this change and the next. */
  readonly applyP50Micros: number;
  readonly applyMaxMicros: number;
}

interface KindDurations {
  readonly kind: ChangeKind | 'none';
  readonly changes: Durations;
  readonly longestApplies: Durations;
}

/**
 * Changes of sequences while the matcher holds many leads: fills it with all events but the last ones, then
 * makes a change before each block of those. In turn there is none, for comparison.
 */
export async function measureChanges({ workload, changesPerKind }: ChangesRequest): Promise<ChangeFigures[]> {
  const kinds = [...CHANGE_KINDS, 'none' as const].map(
    (kind): KindDurations => ({ kind, changes: new Durations(), longestApplies: new Durations() }),
  );
  const blocks = changesPerKind * kinds.length;
  const filling = workload.events;
  const feed = feedOf({ ...workload, events: filling + blocks * BLOCK_EVENTS });
  const blockAt = (from: number, to: number) => eventsOf(feed, from, linesOf(feed, from, to));
  const matcher = matcherOf(workload);
  for (let from = 0; from < filling; from += BLOCK_EVENTS) {
    applyInGroups(matcher, blockAt(from, Math.min(from + BLOCK_EVENTS, filling)), () => undefined);
  }
  const changer = new SequenceChanger(matcher, workload, WINDOWS_DAYS);
  for (let block = 0; block < blocks; block++) {
    const from = filling + block * BLOCK_EVENTS;
    const events = blockAt(from, from + BLOCK_EVENTS);
    const { kind, changes, longestApplies } = kinds[block % kinds.length]!;
    changes.add(kind === 'none' ? 0 : changer.change(kind, from));
    let longestMicros = 0;
    for (const event of events) {
      const started = performance.now();
      matcher.apply(event);
      longestMicros = Math.max(longestMicros, (performance.now() - started) * 1000);
    }
    longestApplies.add(longestMicros);
  }
  return kinds.map(({ kind, changes, longestApplies }) => ({
    kind,
    count: changes.count,
    changeP50Micros: changes.at(0.5),
    changeMaxMicros: changes.at(1),
    applyP50Micros: longestApplies.at(0.5),
    applyMaxMicros: longestApplies.at(1),
  }));
}
