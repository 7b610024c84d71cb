import type { SequenceDefinition } from '../../src/model/sequence.ts';
import { seededRandom } from '../random.ts';
import { skewedType, type Workload } from './workload.ts';

const DAY_MICROS = 86_400_000_000;
const CARD_STEPS = 3;
const MIXED_STEPS_MIN = 2;
const MIXED_STEPS_MAX = 5;
const UNORDERED_SHARE = 0.3;
const REPEATED_SHARE = 0.1;
/** How many sequences can complete in the workloads where the others never do. */
const COMPLETABLE = 100;
/** A type that no event has. */
const NEVER = 'never';

type Shape = Pick<SequenceDefinition, 'eventTypes' | 'ordered'>;

/** The sequences of a workload; with the same seed and kind, fewer sequences are the first of more. */
export function sequencesOf(workload: Workload): SequenceDefinition[] {
  const random = seededRandom(workload.seed);
  return Array.from({ length: workload.sequences }, (_, index) =>
    definition(`seq-${index}`, workload.windowDays * DAY_MICROS, drawShape(workload, index, random)),
  );
}

/** One more sequence as the card has them, for a change while events are applied. */
export function drawSequence(
  id: string,
  types: number,
  windowDays: number,
  random: () => number,
): SequenceDefinition {
  return definition(id, windowDays * DAY_MICROS, {
    eventTypes: distinctTypes(CARD_STEPS, types, random),
    ordered: true,
  });
}

/** A sequence of the OU `bench` that is active and fires every time. */
export function definition(id: string, windowMicros: number, shape: Shape): SequenceDefinition {
  return {
    ou: 'bench',
    id,
    ...shape,
    windowMicros,
    active: true,
    refire: { mode: 'every' },
    maxFireDelayMicros: null,
    effectiveFrom: 0,
  };
}

function drawShape({ sequenceKind, types }: Workload, index: number, random: () => number): Shape {
  if (sequenceKind === 'mixed') return drawMixed(types, random);
  if (sequenceKind === 'threeSteps' || index < COMPLETABLE) {
    return { eventTypes: distinctTypes(CARD_STEPS, types, random), ordered: true };
  }
  const occurring = distinctTypes(CARD_STEPS - 1, types, random);
  const eventTypes = sequenceKind === 'lastNeverOccurs' ? [...occurring, NEVER] : [NEVER, ...occurring];
  return { eventTypes, ordered: true };
}

function drawMixed(types: number, random: () => number): Shape {
  const steps = MIXED_STEPS_MIN + Math.floor(random() * (MIXED_STEPS_MAX - MIXED_STEPS_MIN + 1));
  const eventTypes = distinctTypes(steps, types, random);
  if (random() < REPEATED_SHARE) eventTypes[steps - 1] = eventTypes[0]!;
  return { eventTypes, ordered: random() >= UNORDERED_SHARE };
}

/** Drawn with the same skew as the events. */
function distinctTypes(count: number, types: number, random: () => number): string[] {
  const drawn = new Set<string>();
  while (drawn.size < count) drawn.add(`type-${skewedType(types, random)}`);
  return [...drawn];
}
