import type { LeadEvent, RejectionReason } from '../../src/model/event.ts';
import type { SequenceDefinition } from '../../src/model/sequence.ts';
import type { StepEntry } from '../../src/model/step.ts';
import type { OracleCompletion, OracleOutcome } from './oracle.ts';

/**
 * A workbench for examples: events are written as in the rules ("A0 B5 C10", seconds), results come back
 * as text. The matcher and the oracle both fit in it.
 */

export const SECOND_MICROS = 1_000_000;
export const YEAR_MICROS = 365 * 86_400 * SECOND_MICROS;

/** What an outcome of the matcher looks like to a comparison: the wording of a rejection left out. */
export interface Subject {
  setSequence(definition: SequenceDefinition): void;
  removeSequence(ou: string, id: string): void;
  apply(event: LeadEvent): SubjectOutcome;
}

export type SubjectOutcome =
  | Exclude<OracleOutcome, { kind: 'rejected' }>
  | { readonly kind: 'rejected'; readonly reason: RejectionReason }
  | { readonly kind: 'rejected'; readonly rejection: { readonly reason: RejectionReason } };

/** Brings the outcomes of matcher and oracle to one shape, field by field. */
export function normalized(outcome: SubjectOutcome): OracleOutcome {
  switch (outcome.kind) {
    case 'held':
      return { kind: 'held', completions: outcome.completions.map(copyCompletion) };
    case 'rejected':
      return {
        kind: 'rejected',
        reason: 'reason' in outcome ? outcome.reason : outcome.rejection.reason,
      };
    default:
      return { kind: outcome.kind };
  }
}

function copyCompletion(completion: OracleCompletion): OracleCompletion {
  return {
    sequenceId: completion.sequenceId,
    events: completion.events.map(({ id, type, timeMicros }) => ({ id, type, timeMicros })),
    completingEventId: completion.completingEventId,
    completedAtMicros: completion.completedAtMicros,
    late: completion.late,
    suppressed: completion.suppressed,
    stale: completion.stale,
  };
}

export interface SequenceOptions {
  readonly id?: string;
  readonly ou?: string;
  /** The steps, where types alone do not say what they are. */
  readonly entries?: readonly StepEntry[];
  readonly exclude?: readonly string[];
  readonly maxGapSeconds?: number;
  readonly ordered?: boolean;
  readonly windowSeconds?: number;
  readonly active?: boolean;
  readonly refire?: SequenceDefinition['refire'];
  readonly maxFireDelaySeconds?: number;
  readonly effectiveFrom?: number;
}

/** Steps written as "A,B,C"; the window is 10 s and the order counts unless told otherwise. */
export function sequenceOf(steps: string, options: SequenceOptions = {}): SequenceDefinition {
  const delaySeconds = options.maxFireDelaySeconds;
  return {
    ou: options.ou ?? 'ou',
    id: options.id ?? 's',
    eventTypes: options.entries ?? steps.split(','),
    exclude: options.exclude ?? [],
    windowMicros: micros(options.windowSeconds ?? 10),
    maxGapMicros: options.maxGapSeconds === undefined ? null : micros(options.maxGapSeconds),
    ordered: options.ordered ?? true,
    active: options.active ?? true,
    refire: options.refire ?? { mode: 'every' },
    maxFireDelayMicros: delaySeconds === undefined ? null : micros(delaySeconds),
    effectiveFrom: options.effectiveFrom ?? 0,
  };
}

export function micros(seconds: number): number {
  return Math.round(seconds * SECOND_MICROS);
}

export interface FeedOptions {
  readonly ou?: string;
  readonly lead?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly score?: number;
}

/**
 * Feeds a subject and remembers the stream position and the arrival clock. An event is written
 * `TYPE SECONDS`, then `#id` where the id is not the text itself, then `@seconds` where the arrival is
 * not the highest event time so far.
 */
export class Bench<S extends Subject = Subject> {
  subject: S;
  streamSequence = 0;
  #clockMicros = Number.NEGATIVE_INFINITY;

  constructor(subject: S) {
    this.subject = subject;
  }

  /** Creates or replaces a sequence as of the present stream position. */
  change(steps: string, options: SequenceOptions = {}): void {
    this.subject.setSequence(sequenceOf(steps, { effectiveFrom: this.streamSequence, ...options }));
  }

  /** The completions of all events, as text: "A0 B5 C10", with the id ahead where it is not `s`. */
  fires(text: string, options: FeedOptions = {}): string[] {
    return this.outcomes(text, options).flatMap((outcome) =>
      outcome.kind === 'held' ? outcome.completions.map(describeCompletion) : [],
    );
  }

  /** What became of each event: its kind, or the reason of its rejection. */
  kinds(text: string, options: FeedOptions = {}): string[] {
    return this.outcomes(text, options).map((outcome) =>
      outcome.kind === 'rejected' ? outcome.reason : outcome.kind,
    );
  }

  outcomes(text: string, options: FeedOptions = {}): OracleOutcome[] {
    return text
      .split(' ')
      .filter((token) => token !== '')
      .map((token) => normalized(this.subject.apply(this.#event(token, options))));
  }

  #event(token: string, options: FeedOptions): LeadEvent {
    const parts = /^([A-Za-z_]+)(-?[\d.]+)(?:#(\w+))?(?:@(-?[\d.]+))?$/.exec(token);
    if (parts === null) throw new Error(`not an event of the bench: ${token}`);
    const timeMicros = micros(Number(parts[2]));
    const arrivalMicros =
      parts[4] === undefined ? Math.max(this.#clockMicros, timeMicros) : micros(Number(parts[4]));
    this.#clockMicros = Math.max(this.#clockMicros, arrivalMicros);
    this.streamSequence += 1;
    return {
      ou: options.ou ?? 'ou',
      leadId: options.lead ?? 'lead',
      id: parts[3] ?? `${parts[1]}${parts[2]}`,
      type: parts[1]!,
      timeMicros,
      streamSequence: this.streamSequence,
      arrivalMicros,
      metadata: options.metadata,
      score: options.score,
    };
  }
}

function describeCompletion(completion: OracleCompletion): string {
  const name = completion.sequenceId === 's' ? [] : [`${completion.sequenceId}:`];
  const flags = [completion.late ? 'late' : '', completion.stale ? 'stale' : '', completion.suppressed ?? ''];
  return [...name, ...completion.events.map((event) => event.id), ...flags.filter((f) => f !== '')].join(' ');
}
