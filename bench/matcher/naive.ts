import type { LeadEvent } from '../../src/model/event.ts';
import type { SequenceDefinition } from '../../src/model/sequence.ts';
import { labelsOf } from '../../src/model/step.ts';
import type { Engine, Match } from './engine.ts';

/** The latest start from which some first steps are complete, as a list from the last of those steps back. */
interface Run {
  readonly eventId: string;
  readonly startMicros: number;
  readonly startStreamSequence: number;
  readonly previous: Run | null;
}

/** State of one (sequence, lead): per step, the run that ends with it. */
type RunState = (Run | null)[];

/**
 * The matcher that one would write first, to compare ours with: for every event, every sequence that lists
 * its type, and one state object per (sequence, lead), made when the first step occurs.
 *
 * It reports the same matches (R3, R5, R7, R9) but does less: ordered sequences alone, events in order alone,
 * no duplicates, and nothing is ever forgotten.
 */
export class NaiveEngine implements Engine {
  readonly heldEventCount = 0;
  private readonly sequencesByType = new Map<string, SequenceDefinition[]>();
  private readonly statesByLead = new Map<string, Map<SequenceDefinition, RunState>>();

  constructor(sequences: readonly SequenceDefinition[]) {
    for (const sequence of sequences) {
      if (!sequence.ordered) throw new Error(`${sequence.id} is unordered, which is not written here`);
      for (const type of new Set(labelsOf(sequence.eventTypes))) {
        const listing = this.sequencesByType.get(type);
        if (listing === undefined) this.sequencesByType.set(type, [sequence]);
        else listing.push(sequence);
      }
    }
  }

  apply(event: LeadEvent): { readonly kind: string; readonly completions: readonly Match[] } {
    let states = this.statesByLead.get(event.leadId);
    if (states === undefined) {
      states = new Map();
      this.statesByLead.set(event.leadId, states);
    }
    const completions: Match[] = [];
    for (const sequence of this.sequencesByType.get(event.type) ?? []) {
      const match = advance(states, sequence, event);
      if (match !== null) completions.push(match);
    }
    completions.sort((a, b) => (a.sequenceId < b.sequenceId ? -1 : 1));
    return { kind: 'held', completions };
  }
}

function advance(
  states: Map<SequenceDefinition, RunState>,
  sequence: SequenceDefinition,
  event: LeadEvent,
): Match | null {
  const { eventTypes } = sequence;
  let state = states.get(sequence);
  if (state === undefined) {
    if (eventTypes[0] !== event.type) return null;
    state = eventTypes.map(() => null);
    states.set(sequence, state);
  }
  // From the last step to the first, so that one event never fills two steps.
  for (let step = eventTypes.length - 1; step >= 0; step--) {
    if (eventTypes[step] !== event.type) continue;
    const run = extended(state, step, event);
    if (run === null) continue;
    const isLast = step === eventTypes.length - 1;
    if (!isLast) {
      state[step] = run;
    } else if (event.timeMicros - run.startMicros <= sequence.windowMicros) {
      state.fill(null);
      return { sequenceId: sequence.id, events: eventsOf(run) };
    }
  }
  return null;
}

/** The run that the event makes at a step; null when there is none, or none with a later start than before. */
function extended(state: RunState, step: number, event: LeadEvent): Run | null {
  const { id: eventId, timeMicros, streamSequence } = event;
  if (step === 0) {
    return { eventId, startMicros: timeMicros, startStreamSequence: streamSequence, previous: null };
  }
  const previous = state[step - 1] ?? null;
  if (previous === null) return null;
  const { startMicros, startStreamSequence } = previous;
  // With an equal start, the earlier continuation stays.
  if (startStreamSequence <= (state[step]?.startStreamSequence ?? 0)) return null;
  return { eventId, startMicros, startStreamSequence, previous };
}

function eventsOf(last: Run): { readonly id: string }[] {
  const events: { readonly id: string }[] = [];
  for (let run: Run | null = last; run !== null; run = run.previous) events.push({ id: run.eventId });
  return events.reverse();
}
