import { z } from 'zod';
import type { AsOf, LeadStanding, StepEvent } from '../model/standing.ts';
import { formatMicros } from '../model/time.ts';
import { count, instant } from './commonSchema.ts';

/** An event in an answer. */
export const eventFields = { id: z.string(), event_type: z.string(), created_at: instant };

/** What every answer says of how far a lead is. */
export const standingFields = {
  step: count.meta({
    description:
      'Filled steps: the first so many where the order counts, else any so many. All of them are filled without a fire where they lay before the sequence was created, changed or activated.',
  }),
  steps: count.meta({ description: 'How many there are.' }),
  held: z.array(z.object({ step: count, ...eventFields })).meta({
    description:
      'For each filled step its event, those that last the longest. Events count that no completion used up and that lie within the window, back from the time that it is for the lead now.',
  }),
  missing: z.array(z.string()).meta({ description: 'The types of the steps that are not filled.' }),
  until: instant.nullable().meta({
    description: 'The latest `created_at` of an event that completes what is held; null: nothing is held.',
  }),
};

export const asOf = z
  .object({
    position: count.meta({ description: 'Of the last event that is in it: its position in the stream.' }),
    arrival_time: instant.nullable().meta({ description: 'The latest arrival of any event until then.' }),
  })
  .meta({ id: 'AsOf', description: 'The moment that the answer is exact as of.' });

export function standingView({ filled, missing, untilMicros }: LeadStanding) {
  return {
    step: filled.length,
    steps: filled.length + missing.length,
    held: filled.map(({ step, ...event }: StepEvent) => ({ step, ...eventView(event) })),
    missing,
    until: orNull(untilMicros),
  };
}

export function eventView({ id, type, timeMicros }: { id: string; type: string; timeMicros: number }) {
  return { id, event_type: type, created_at: formatMicros(timeMicros) };
}

export function asOfView({ position, clockMicros }: AsOf) {
  return { position, arrival_time: Number.isFinite(clockMicros) ? formatMicros(clockMicros) : null };
}

export function orNull(micros: number | null | undefined): string | null {
  return micros === null || micros === undefined ? null : formatMicros(micros);
}
