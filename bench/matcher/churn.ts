import { Matcher } from '../../src/matcher/matcher.ts';
import type { LeadEvent } from '../../src/model/event.ts';
import type { SequenceDefinition } from '../../src/model/sequence.ts';
import { seededRandom } from '../random.ts';
import { Durations } from './durations.ts';
import { type Engine, LIMITS } from './engine.ts';
import { drawSequence, sequencesOf } from './sequences.ts';
import type { Workload } from './workload.ts';

export const EVENTS_PER_CHANGE = 1_000;

export const CHANGE_KINDS = ['create', 'edit', 'delete'] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

/** Makes changes of sequences in turn: one is created, one gets other steps, one is deleted. */
export class SequenceChanger {
  private readonly matcher: Matcher;
  private readonly types: number;
  private readonly windowsDays: readonly number[];
  private readonly random: () => number;
  private readonly sequences: SequenceDefinition[];
  private created = 0;

  /** @param windowsDays one of which each changed sequence gets. */
  constructor(matcher: Matcher, workload: Workload, windowsDays: readonly number[]) {
    this.matcher = matcher;
    this.types = workload.types;
    this.windowsDays = windowsDays;
    this.random = seededRandom(workload.seed + 3);
    this.sequences = sequencesOf(workload);
  }

  /**
   * Makes one change behind a stream position.
   *
   * @returns how long the matcher took, in microseconds.
   */
  change(kind: ChangeKind, position: number): number {
    const place =
      kind === 'create' ? this.sequences.length : Math.floor(this.random() * this.sequences.length);
    const id = this.sequences[place]?.id ?? `created-${this.created++}`;
    const next = { ...this.draw(id), effectiveFrom: position };
    const started = performance.now();
    if (kind === 'delete') this.matcher.removeSequence(next.ou, id);
    else this.matcher.setSequence(next);
    const micros = (performance.now() - started) * 1000;
    if (kind === 'delete') this.sequences.splice(place, 1);
    else this.sequences[place] = next;
    return micros;
  }

  private draw(id: string): SequenceDefinition {
    const windowDays = this.windowsDays[Math.floor(this.random() * this.windowsDays.length)]!;
    return drawSequence(id, this.types, windowDays, this.random);
  }
}

/** The matcher while sequences are created, edited and deleted, one change before every thousandth event. */
export class ChurnedMatcher implements Engine {
  readonly changes = new Durations();
  private readonly matcher: Matcher;
  private readonly changer: SequenceChanger;

  constructor(workload: Workload) {
    this.matcher = matcherOf(workload);
    this.changer = new SequenceChanger(this.matcher, workload, [workload.windowDays]);
  }

  get heldEventCount(): number {
    return this.matcher.heldEventCount;
  }

  prefetch(events: readonly LeadEvent[], from: number): void {
    this.matcher.prefetch(events, from);
  }

  apply(event: LeadEvent): ReturnType<Matcher['apply']> {
    if (event.streamSequence % EVENTS_PER_CHANGE === 0) {
      const kind = CHANGE_KINDS[this.changes.count % CHANGE_KINDS.length]!;
      this.changes.add(this.changer.change(kind, event.streamSequence - 1));
    }
    return this.matcher.apply(event);
  }
}

/** The matcher with the sequences of a workload. */
export function matcherOf(workload: Workload): Matcher {
  const matcher = new Matcher(LIMITS);
  for (const sequence of sequencesOf(workload)) matcher.setSequence(sequence);
  return matcher;
}
