import fc from 'fast-check';
import type { LeadEvent } from '../../src/model/event.ts';
import type { SequenceDefinition } from '../../src/model/sequence.ts';
import type { StepEntry, Where } from '../../src/model/step.ts';
import type { Refire } from '../../src/model/triggerBase.ts';
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
/** Conditions that hold for some of what `metadataDrafts` makes, alone and together. */
export const CONDITIONS: readonly Where[] = [
  { 'metadata.n': { gte: 2 } },
  { 'metadata.n': { lte: 2 } },
  { 'metadata.plan': { eq: 'pro' } },
  { 'metadata.n': { in: [1, 3] }, 'metadata.plan': { prefix: 'p' } },
  { 'metadata.a.b': { exists: true } },
  { 'metadata.a.b': { exists: false }, score: { gte: 1, lte: 2 } },
];
/** Steps with their counts written out; the oracle looks at every choice of events for them. */
const WRITTEN_STEPS_MAX = 7;

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
  /** Whether steps may have several types, conditions and counts, and sequences gaps and excluded types. */
  readonly rich?: boolean;
  /** Whether events may be late, in the future, repeated, or separated by long silence. */
  readonly disorder: boolean;
}

/** A step: one type or several, a condition or -1 for none, and how often. */
export interface EntryDraft {
  readonly types: readonly number[];
  readonly condition: number;
  readonly count: number;
}

export interface SequenceDraft {
  readonly ou: number;
  readonly slot: number;
  readonly entries: readonly EntryDraft[];
  /** Types; those of a step among them are left out. */
  readonly exclude: readonly number[];
  readonly gapSeconds: number | null;
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
  readonly metadata: Readonly<Record<string, unknown>> | undefined;
  readonly score: number | undefined;
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

const EDITABLE_FIELDS = [
  'types',
  'exclude',
  'window',
  'gap',
  'ordered',
  'active',
  'refire',
  'delay',
] as const;
export type EditableField = (typeof EDITABLE_FIELDS)[number];

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
    entries: entryLists(shape),
    exclude: rarely(shape, fc.uniqueArray(fc.nat(shape.typesMax), { minLength: 1, maxLength: 2 }), []),
    gapSeconds: rarely<number | null>(
      shape,
      fc.integer({ min: 0, max: 5 }).map((seconds) => seconds * (shape.spanFactor ?? 1)),
      null,
    ),
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

function entryLists(shape: ScriptShape): fc.Arbitrary<readonly EntryDraft[]> {
  const type = fc.nat(shape.typesMax - 1);
  const plain = type.map((only): EntryDraft => ({ types: [only], condition: -1, count: 1 }));
  const rich = fc.record({
    types: fc.uniqueArray(type, { minLength: 1, maxLength: 3 }),
    condition: fc.oneof(fc.constant(-1), fc.nat(CONDITIONS.length - 1)),
    count: fc.constantFrom(1, 1, 2, 3),
  });
  const lengths = { minLength: 1, maxLength: shape.stepsMax, size: 'max' } as const;
  return rarely(shape, fc.array(fc.oneof(plain, rich), lengths), undefined).chain((entries) =>
    entries === undefined ? fc.array(plain, lengths) : fc.constant(entries),
  );
}

/** In a rich script, every other time; else never. */
function rarely<T>(shape: ScriptShape, arbitrary: fc.Arbitrary<T>, otherwise: T): fc.Arbitrary<T> {
  return shape.rich === true ? fc.oneof(fc.constant(otherwise), arbitrary) : fc.constant(otherwise);
}

function metadataDrafts(shape: ScriptShape): fc.Arbitrary<EventDraft['metadata']> {
  const fields = fc.record(
    {
      n: fc.constantFrom<unknown[]>(1, 2, 3, 3, '2', null),
      plan: fc.constantFrom<unknown[]>('pro', 'plus', 'free', ['pro']),
      a: fc.constantFrom<unknown[]>({ b: 1 }, { b: null }, {}, 'b'),
    },
    { requiredKeys: ['n'] },
  );
  return rarely<EventDraft['metadata']>(shape, fields, undefined);
}

export function eventDrafts(shape: ScriptShape): fc.Arbitrary<EventDraft> {
  return fc.record({
    kind: fc.constant('event' as const),
    ou: ouIndex(),
    lead: fc.nat(shape.leadsMax - 1),
    type: fc.nat(shape.typesMax),
    metadata: metadataDrafts(shape),
    score: rarely<number | undefined>(shape, fc.nat(3), undefined),
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
  const fields = fc.subarray<EditableField>([...EDITABLE_FIELDS]);
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
      metadata: draft.metadata,
      score: draft.score,
    };
  }
}

/** The sequence as it would be stored when created at this stream position. */
export function definitionOfDraft(draft: SequenceDraft, position: number): SequenceDefinition {
  return {
    ou: OUS[draft.ou]!,
    id: SEQUENCE_IDS[draft.slot]!,
    ...matchOfDraft(draft),
    windowMicros: draft.windowSeconds * SECOND_MICROS,
    maxGapMicros: draft.gapSeconds === null ? null : draft.gapSeconds * SECOND_MICROS,
    ordered: draft.ordered,
    active: draft.active,
    refire: draft.refire,
    maxFireDelayMicros: draft.delaySeconds === null ? null : draft.delaySeconds * SECOND_MICROS,
    effectiveFrom: position,
  };
}

function matchOfDraft({ entries, exclude }: SequenceDraft) {
  let written = 0;
  const eventTypes = entries.flatMap((draft): StepEntry[] => {
    const count = Math.min(draft.count, WRITTEN_STEPS_MAX - written);
    if (count <= 0) return [];
    written += count;
    const types = draft.types.map((type) => TYPES[type]!);
    const where = CONDITIONS[draft.condition] ?? null;
    return count === 1 && types.length === 1 && where === null ? types : [{ types, where, count }];
  });
  return {
    eventTypes,
    exclude: withoutStepTypes(
      exclude.map((type) => TYPES[type]!),
      eventTypes,
    ),
  };
}

function withoutStepTypes(exclude: readonly string[], eventTypes: readonly StepEntry[]): string[] {
  const types = eventTypes.flatMap((entry) => (typeof entry === 'string' ? [entry] : entry.types));
  return exclude.filter((type) => !types.includes(type));
}

/** The sequence after an edit at this position; an edit of no field is a rename. */
export function edited(
  before: SequenceDefinition,
  draft: SequenceDraft,
  fields: readonly EditableField[],
  position: number,
): SequenceDefinition {
  const wanted = definitionOfDraft(draft, position);
  const eventTypes = fields.includes('types') ? wanted.eventTypes : before.eventTypes;
  const exclude = (fields.includes('exclude') ? wanted.exclude : before.exclude) ?? [];
  const after = {
    ...before,
    eventTypes,
    exclude: withoutStepTypes(exclude, eventTypes),
    maxGapMicros: (fields.includes('gap') ? wanted.maxGapMicros : before.maxGapMicros) ?? null,
    windowMicros: fields.includes('window') ? wanted.windowMicros : before.windowMicros,
    ordered: fields.includes('ordered') ? wanted.ordered : before.ordered,
    active: fields.includes('active') ? !before.active : before.active,
    refire: fields.includes('refire') ? wanted.refire : before.refire,
    maxFireDelayMicros: fields.includes('delay') ? wanted.maxFireDelayMicros : before.maxFireDelayMicros,
  };
  const matchOf = ({ eventTypes: steps, exclude: types, ...of }: SequenceDefinition) =>
    JSON.stringify([steps, types, of.windowMicros, of.maxGapMicros, of.ordered]);
  const looksBackAnew = matchOf(after) !== matchOf(before) || (after.active && !before.active);
  return { ...after, effectiveFrom: looksBackAnew ? position : before.effectiveFrom };
}

export function sequenceIdOf(draft: { readonly slot: number }): string {
  return SEQUENCE_IDS[draft.slot]!;
}
