import { PREFETCHED_MAX } from '../../src/matcher/leadTable.ts';
import type { LeadEvent } from '../../src/model/event.ts';
import type { Engine } from './engine.ts';

type Outcome = ReturnType<Engine['apply']>;

/** Applies events as the program does: those of a few at a time are announced to the engine before. */
export function applyInGroups(
  engine: Engine,
  events: readonly LeadEvent[],
  take: (outcome: Outcome, event: LeadEvent) => void,
): void {
  for (let from = 0; from < events.length; from += PREFETCHED_MAX) {
    const group = events.slice(from, from + PREFETCHED_MAX);
    engine.prefetch?.(group);
    for (const event of group) take(engine.apply(event), event);
  }
}
