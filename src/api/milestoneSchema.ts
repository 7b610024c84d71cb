import { z } from 'zod';
import { leadIdText } from './commonSchema.ts';
import { EVENTS_MAX, event } from './ingestSchema.ts';
import { deliveryFields, SET_BY_SERVER, triggerName, YEAR_SECONDS } from './triggerFields.ts';
import { exactObject, integer, listOf, textOfBytes } from './validation.ts';

export const fireMode = z.enum(['once', 'always'], { error: '"once" or "always"' });

const required = {
  name: triggerName,
  score_threshold: z.number({ error: 'a number' }).meta({
    description: 'It fires when an event lifts the score of a lead from below this to it or above.',
  }),
};

const optional = {
  event_type: textOfBytes({ min: 1, max: 128 }).nullish().meta({
    description: 'Only an event of this type makes it fire; otherwise any.',
  }),
  ...deliveryFields,
  fire_mode: fireMode.nullish().meta({
    description:
      'once: the first time that a lead gets there; always: each time that it gets there from below. Otherwise once.',
  }),
  cooldown_seconds: integer(1, YEAR_SECONDS).nullish().meta({
    description: 'With the mode "always", and only there: no other fire of a lead within it, in event time.',
  }),
};

/** Of fields that are both there; a change is checked again together with what stands. */
export const COOLDOWN_ALLOWED = 'left out, or null, unless fire_mode is "always"';

interface FireModeFields {
  readonly fire_mode?: 'once' | 'always' | null | undefined;
  readonly cooldown_seconds?: number | null | undefined;
}

function refuseIdleCooldown(value: FireModeFields, context: z.core.$RefinementCtx): void {
  if (typeof value.cooldown_seconds !== 'number' || value.fire_mode === 'always') return;
  context.addIssue({
    code: 'custom',
    path: ['cooldown_seconds'],
    input: value.cooldown_seconds,
    message: COOLDOWN_ALLOWED,
  });
}

/** The body of `POST /triggers`. */
export const newMilestone = exactObject({ ...required, ...optional }, SET_BY_SERVER).superRefine(
  refuseIdleCooldown,
);
export type NewMilestone = z.infer<typeof newMilestone>;

/** The body of `PUT` and `PATCH /triggers/{id}`: any of the fields; null clears an optional one. */
export const milestonePatch = exactObject(
  { ...z.object(required).partial().shape, ...optional },
  SET_BY_SERVER,
);
export type MilestonePatch = z.infer<typeof milestonePatch>;

const tried = {
  events: listOf(event, 1, EVENTS_MAX, 'events').optional().meta({
    description: 'As for POST /ingest, in the order in which they come; of leads of whom nothing is known.',
  }),
  lead_id: leadIdText.optional().meta({ description: 'A lead, to ask how it stands.' }),
};

function requireOne(
  value: { readonly events?: unknown; readonly lead_id?: unknown },
  context: z.core.$RefinementCtx,
): void {
  if ((value.events === undefined) !== (value.lead_id === undefined)) return;
  context.addIssue({
    code: 'custom',
    path: ['events'],
    input: value.events,
    message: 'given, or lead_id instead, and not both',
  });
}

/** The body of `POST /triggers/{id}/simulate`. */
export const simulation = exactObject(tried).superRefine(requireOne);

/** The body of `POST /triggers/simulate`. */
export const newSimulation = exactObject({ trigger: newMilestone, ...tried }).superRefine(requireOne);
export type Simulation = z.infer<typeof simulation>;
