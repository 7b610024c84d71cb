import type { LeadEvent } from '../../src/model/event.ts';
import type { SequenceDefinition } from '../../src/model/sequence.ts';
import { seededRandom } from '../random.ts';

/** The workload that matcher figures are quoted for. */
export interface Card {
  readonly seed: number;
  readonly types: number;
  readonly sequences: number;
  readonly leads: number;
  readonly events: number;
  readonly windowDays: number;
}

export const CARD: Card = {
  seed: 1,
  types: 200,
  sequences: 5_000,
  leads: 100_000,
  events: 2_000_000,
  windowDays: 7,
};

const DAY_MICROS = 86_400_000_000;
const START_MICROS = 1_767_225_600_000_000;
const SPAN_MICROS = 30 * DAY_MICROS;

/** Ordered sequences of three distinct types, drawn with the same skew as the events. */
export function sequencesOf(card: Card): SequenceDefinition[] {
  const random = seededRandom(card.seed);
  return Array.from({ length: card.sequences }, (_, index) => {
    const steps = new Set<string>();
    while (steps.size < 3) steps.add(skewedType(card, random));
    return {
      ou: 'bench',
      id: `seq-${index}`,
      eventTypes: [...steps],
      windowMicros: card.windowDays * DAY_MICROS,
      ordered: true,
      active: true,
      refire: { mode: 'every' },
      maxFireDelayMicros: null,
      effectiveFrom: 0,
    };
  });
}

/** The events as JSON lines, in blocks, in order over 30 days; leads uniform, types skewed. */
export function* linesOf(card: Card, blockSize: number): Generator<string[]> {
  const random = seededRandom(card.seed + 1);
  for (let from = 0; from < card.events; from += blockSize) {
    const lines: string[] = [];
    for (let index = from; index < Math.min(from + blockSize, card.events); index++) {
      const timeMicros = START_MICROS + Math.floor((index / card.events) * SPAN_MICROS);
      lines.push(
        JSON.stringify({
          id: `evt-${index.toString(36).padStart(8, '0')}`,
          lead_id: `lead-${Math.floor(random() * card.leads)}`,
          event_type: skewedType(card, random),
          created_at: new Date(timeMicros / 1000).toISOString(),
        }),
      );
    }
    yield lines;
  }
}

/** The events of a block as the matcher takes them; every string is fresh from JSON.parse, as in a feed. */
export function eventsOf(lines: readonly string[], firstStreamSequence: number): LeadEvent[] {
  return lines.map((line, index) => {
    const { id, lead_id, event_type, created_at } = JSON.parse(line) as Record<string, string>;
    const timeMicros = Date.parse(created_at!) * 1000;
    return {
      ou: 'bench',
      leadId: lead_id!,
      id: id!,
      type: event_type!,
      timeMicros,
      streamSequence: firstStreamSequence + index,
      arrivalMicros: timeMicros,
    };
  });
}

function skewedType(card: Card, random: () => number): string {
  return `type-${Math.floor(card.types * random() ** 2)}`;
}
