import { z } from 'zod';
import { eventTypes, excludedTypes } from './stepSchema.ts';
import { deliveryFields, flag, SET_BY_SERVER, triggerName, YEAR_SECONDS } from './triggerFields.ts';
import { exactObject, integer, textOfCharacters } from './validation.ts';

export const refireMode = z.enum(['every', 'once_per_lead', 'cooldown'], {
  error: '"every", "once_per_lead" or "cooldown"',
});

/** In and out: `{ mode, cooldown_seconds }`, the seconds with the mode "cooldown" and only there. */
const refire = exactObject({
  mode: refireMode,
  cooldown_seconds: integer(1, YEAR_SECONDS).nullish().meta({
    description:
      'With the mode "cooldown", and only there: no other fire of a lead within it, in event time.',
  }),
}).superRefine((value, context) => {
  const given = typeof value.cooldown_seconds === 'number';
  if (given === (value.mode === 'cooldown')) return;
  context.addIssue({
    code: 'custom',
    path: ['cooldown_seconds'],
    input: value.cooldown_seconds,
    message: given
      ? 'left out, or null, unless the mode is "cooldown"'
      : 'an integer from 1 to 31,536,000 where the mode is "cooldown"',
  });
});

const required = {
  name: triggerName,
  event_types: eventTypes.meta({
    description:
      'The steps, 40 at most with their counts written out. A type, of 1 to 128 bytes, may stand more than once.',
  }),
  window_seconds: integer(1, YEAR_SECONDS).meta({
    description: 'From the first to the last event at most, inclusive.',
  }),
};

const optional = {
  window_unit: textOfCharacters({ min: 1, max: 50 }).nullish(),
  ordered: flag.nullish().meta({
    description: 'Whether the events have to come in the order of the steps; otherwise false.',
  }),
  exclude: excludedTypes.nullish().meta({
    description:
      'None of these lies between the first and the last event of a match. Types of a step cannot be among them.',
  }),
  max_gap_seconds: integer(1, YEAR_SECONDS).nullish().meta({
    description: 'With `ordered`, and only then: between neighbouring steps at most, inclusive.',
  }),
  ...deliveryFields,
  refire: refire.nullish().meta({
    description: 'Whether a lead that completed it before fires again; otherwise "every" time.',
  }),
  max_fire_delay_seconds: integer(1, YEAR_SECONDS).nullish().meta({
    description: 'Completions that are older on arrival are recorded and not sent.',
  }),
  backfill: flag.nullish().meta({
    description:
      'Whether events count as earlier steps that the stream retains and that were not held, because no sequence listed their type, or for a shorter window. They are read in the background; not kept as a setting.',
  }),
};

/** The body of `POST /sequences`. */
export const newSequence = exactObject({ ...required, ...optional }, SET_BY_SERVER);
export type NewSequence = z.infer<typeof newSequence>;

/** The body of `PUT` and `PATCH /sequences/{id}`: any of the fields; null clears an optional one. */
export const sequencePatch = exactObject(
  { ...z.object(required).partial().shape, ...optional },
  SET_BY_SERVER,
);
export type SequencePatch = z.infer<typeof sequencePatch>;
