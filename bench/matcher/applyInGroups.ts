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
  for (let index = 0; index < events.length; index++) {
    if (index % PREFETCHED_MAX === 0) engine.prefetch?.(events, index);
    take(engine.apply(events[index]!), events[index]!);
  }
}
