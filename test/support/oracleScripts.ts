import fc from 'fast-check';
import type { LeadEvent } from '../../src/model/event.ts';
import type { Refire, SequenceDefinition } from '../../src/model/sequence.ts';
import { SECOND_MICROS } from './oracleBench.ts';

/**
 * Random histories for comparing the matcher with the oracle: sequences, events, changes, restarts and
 * sweeps. Times lie on a grid of seconds, with an occasional microsecond beside it, so that ties and the
 * exact edges of windows, lateness and silence are frequent rather than lucky.
 */

export const OUS = ['one', 'two'] as const;
export const LEADS = ['lead', 'Lead', 'one', '\u00e9t\u00e9:\u0000'] as const;
/** Sequence ids whose order by code unit differs from a reader's order. */
const SEQUENCE_IDS = ['seq-b', 'seq-B', 'seq-10', 'seq-9', 'seq-a', 'seq'] as const;
const TYPES = ['A', 'B', 'C', 'D', 'E'] as const;

export interface ScriptShape {
  /** How many of the types sequences draw from; events draw from one more, which none lists. */
  readonly typesMax: number;
  readonly leadsMax: number;
  readonly sequencesMax: number;
  readonly stepsMax: number;
  readonly commandsMin?: number;
  readonly commandsMax: number;
  /** Multiplies windows and lateness, so that logs grow long. */
  readonly spanFactor?: number;
  /** Relative weight of the commands other than events. */
  readonly changeWeight: number;
  /** Whether events may be late, in the future, repeated, or separated by long silence. */
  readonly disorder: boolean;
}

export interface SequenceDraft {
  readonly ou: number;
  readonly slot: number;
  readonly types: readonly number[];
  readonly windowSeconds: number;
  readonly ordered: boolean;
  readonly active: boolean;
  readonly refire: Refire;
  readonly delaySeconds: number | null;
}

export interface EventDraft {
  readonly kind: 'event';
  readonly ou: number;
  readonly lead: number;
  readonly type: number;
  /** Seconds by which the arrival moves on from the one before. */
  readonly arrivalStep: number;
  /** Event time relative to its arrival. */
  readonly offsetSeconds: number;
  readonly jitterMicros: number;
  readonly sequenceStep: number;
  /** Takes the id of the event this many before it; null for an id of its own. */
  readonly repeats: number | null;
}

export type Command =
  | EventDraft
  | { readonly kind: 'set'; readonly draft: SequenceDraft }
  | { readonly kind: 'edit'; readonly draft: SequenceDraft; readonly fields: readonly EditableField[] }
  | { readonly kind: 'remove'; readonly ou: number; readonly slot: number }
  | { readonly kind: 'restart' }
  | { readonly kind: 'sweep'; readonly leadsMax: number };

export type EditableField = 'types' | 'window' | 'ordered' | 'active' | 'refire' | 'delay';

export interface Script {
  readonly latenessSeconds: number;
  readonly skewSeconds: number;
  readonly sequences: readonly SequenceDraft[];
  readonly commands: readonly Command[];
}

export function scripts(shape: ScriptShape): fc.Arbitrary<Script> {
  return fc.record({
    latenessSeconds: shape.disorder
      ? fc.integer({ min: 0, max: 12 }).map((seconds) => seconds * (shape.spanFactor ?? 1))
      : fc.constant(1000),
    skewSeconds: shape.disorder ? fc.integer({ min: 0, max: 4 }) : fc.constant(1000),
    sequences: fc.array(sequenceDrafts(shape), { minLength: 1, maxLength: shape.sequencesMax }),
    commands: fc.array(commands(shape), {
      minLength: shape.commandsMin ?? 1,
      maxLength: shape.commandsMax,
      size: 'max',
    }),
  });
}

export function sequenceDrafts(shape: ScriptShape): fc.Arbitrary<SequenceDraft> {
  return fc.record({
    ou: ouIndex(),
    slot: fc.nat(SEQUENCE_IDS.length - 1),
    types: fc.array(fc.nat(shape.typesMax - 1), { minLength: 1, maxLength: shape.stepsMax, size: 'max' }),
    windowSeconds: fc.integer({ min: 1, max: 12 }).map((seconds) => seconds * (shape.spanFactor ?? 1)),
    ordered: fc.boolean(),
    active: fc.oneof(
      { weight: 5, arbitrary: fc.constant(true) },
      { weight: 1, arbitrary: fc.constant(false) },
    ),
    refire: fc.oneof<fc.WeightedArbitrary<Refire>[]>(
      { weight: 3, arbitrary: fc.constant({ mode: 'every' }) },
      { weight: 1, arbitrary: fc.constant({ mode: 'once_per_lead' }) },
      {
        weight: 2,
        arbitrary: fc
          .integer({ min: 1, max: 9 })
          .map((cooldownSeconds) => ({ mode: 'cooldown', cooldownSeconds })),
      },
    ),
    delaySeconds: fc.option(fc.integer({ min: 0, max: 5 }), { freq: 2 }),
  });
}

export function eventDrafts(shape: ScriptShape): fc.Arbitrary<EventDraft> {
  return fc.record({
    kind: fc.constant('event' as const),
    ou: ouIndex(),
    lead: fc.nat(shape.leadsMax - 1),
    type: fc.nat(shape.typesMax),
    arrivalStep: shape.disorder ? arrivalSteps() : fc.integer({ min: 0, max: 2 }),
    offsetSeconds: shape.disorder ? offsets() : fc.constant(0),
    jitterMicros: shape.disorder ? jitters() : fc.constant(0),
    sequenceStep: fc.integer({ min: 1, max: 2 }),
    repeats: shape.disorder ? repetitions() : fc.constant(null),
  });
}

/** Ids of the event before, of one a little earlier, and of one that may have been dropped since. */
function repetitions(): fc.Arbitrary<number | null> {
  return fc.oneof(
    { weight: 16, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constantFrom(1, 3, 30, 80) },
  );
}

function ouIndex(): fc.Arbitrary<number> {
  return fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(1) });
}

function arrivalSteps(): fc.Arbitrary<number> {
  return fc.oneof(
    { weight: 20, arbitrary: fc.integer({ min: 0, max: 2 }) },
    { weight: 2, arbitrary: fc.integer({ min: -2, max: 6 }) },
    { weight: 1, arbitrary: fc.integer({ min: 8, max: 26 }) },
  );
}

function offsets(): fc.Arbitrary<number> {
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant(0) },
    { weight: 5, arbitrary: fc.integer({ min: -6, max: 0 }) },
    { weight: 2, arbitrary: fc.integer({ min: -26, max: 6 }) },
  );
}

function jitters(): fc.Arbitrary<number> {
  return fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(-1, 1) });
}

function commands(shape: ScriptShape): fc.Arbitrary<Command> {
  const draft = sequenceDrafts(shape);
  const fields = fc.subarray<EditableField>(['types', 'window', 'ordered', 'active', 'refire', 'delay']);
  const edits = fc.record({ kind: fc.constant('edit' as const), draft, fields });
  const sets = fc.record({ kind: fc.constant('set' as const), draft });
  const slot = fc.nat(SEQUENCE_IDS.length - 1);
  const removals = fc.record({ kind: fc.constant('remove' as const), ou: ouIndex(), slot });
  const sweeps = fc.record({ kind: fc.constant('sweep' as const), leadsMax: fc.integer({ min: 1, max: 4 }) });
  const changes = fc.oneof<fc.WeightedArbitrary<Command>[]>(
    { weight: 6, arbitrary: edits },
    { weight: 2, arbitrary: sets },
    { weight: 1, arbitrary: removals },
    { weight: 3, arbitrary: fc.constant({ kind: 'restart' }) },
    { weight: 3, arbitrary: sweeps },
  );
  return fc.oneof<fc.WeightedArbitrary<Command>[]>(
    { weight: 100, arbitrary: eventDrafts(shape) },
    { weight: shape.changeWeight, arbitrary: changes },
  );
}

/** Turns drafts into events with positions and clocks, in the order of the stream. */
export class EventWriter {
  streamSequence = 0;
  /** A date in 2023, so that times have their usual size. */
  #arrivalMicros = 1_700_000_000 * SECOND_MICROS;
  readonly #ids: string[] = [];

  event(draft: EventDraft): LeadEvent {
    this.streamSequence += draft.sequenceStep;
    this.#arrivalMicros += draft.arrivalStep * SECOND_MICROS;
    const repeated = draft.repeats === null ? undefined : this.#ids.at(-draft.repeats);
    const id = repeated ?? `e${this.streamSequence}`;
    this.#ids.push(id);
    return {
      ou: OUS[draft.ou]!,
      leadId: LEADS[draft.lead]!,
      id,
      type: TYPES[draft.type]!,
      timeMicros: this.#arrivalMicros + draft.offsetSeconds * SECOND_MICROS + draft.jitterMicros,
      streamSequence: this.streamSequence,
      arrivalMicros: this.#arrivalMicros,
    };
  }
}

/** The sequence as it would be stored when created at this stream position. */
export function definitionOfDraft(draft: SequenceDraft, position: number): SequenceDefinition {
  return {
    ou: OUS[draft.ou]!,
    id: SEQUENCE_IDS[draft.slot]!,
    eventTypes: draft.types.map((type) => TYPES[type]!),
    windowMicros: draft.windowSeconds * SECOND_MICROS,
    ordered: draft.ordered,
    active: draft.active,
    refire: draft.refire,
    maxFireDelayMicros: draft.delaySeconds === null ? null : draft.delaySeconds * SECOND_MICROS,
    effectiveFrom: position,
  };
}

/** The sequence after an edit at this position; an edit of no field is a rename. */
export function edited(
  before: SequenceDefinition,
  draft: SequenceDraft,
  fields: readonly EditableField[],
  position: number,
): SequenceDefinition {
  const wanted = definitionOfDraft(draft, position);
  const after = {
    ...before,
    eventTypes: fields.includes('types') ? wanted.eventTypes : before.eventTypes,
    windowMicros: fields.includes('window') ? wanted.windowMicros : before.windowMicros,
    ordered: fields.includes('ordered') ? wanted.ordered : before.ordered,
    active: fields.includes('active') ? !before.active : before.active,
    refire: fields.includes('refire') ? wanted.refire : before.refire,
    maxFireDelayMicros: fields.includes('delay') ? wanted.maxFireDelayMicros : before.maxFireDelayMicros,
  };
  const looksBackAnew =
    after.eventTypes.join() !== before.eventTypes.join() ||
    after.windowMicros !== before.windowMicros ||
    after.ordered !== before.ordered ||
    (after.active && !before.active);
  return { ...after, effectiveFrom: looksBackAnew ? position : before.effectiveFrom };
}

export function sequenceIdOf(draft: { readonly slot: number }): string {
  return SEQUENCE_IDS[draft.slot]!;
}
