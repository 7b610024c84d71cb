import { z } from 'zod';
import { count, instant, noFields, noParameters } from './commonSchema.ts';
import { endpoint, jsonBody, optionalJsonBody, type Shown } from './endpoint.ts';
import { fireMode, milestonePatch, newMilestone, newSimulation, simulation } from './milestoneSchema.ts';
import { matchedEvent } from './sequenceEventContract.ts';
import { deliveriesShown, secretShown, versionShown } from './triggerContract.ts';

const fields = {
  id: z.string(),
  name: z.string(),
  score_threshold: z.number().meta({
    description: 'It fires when an event lifts the score of a lead from below this to it or above.',
  }),
  event_type: z
    .string()
    .nullable()
    .meta({ description: 'Only an event of this type makes it fire; null: any.' }),
  ...deliveriesShown,
  fire_mode: fireMode.meta({
    description:
      'once: the first time that a lead gets there; always: each time that it gets there from below.',
  }),
  cooldown_seconds: count.nullable().meta({
    description: 'With the mode "always": no other fire of a lead within it, in event time; null: none.',
  }),
  ...versionShown,
};
const trigger = z.object(fields).meta({ id: 'Trigger' });
const triggerWithSecret = z.object({ ...fields, ...secretShown }).meta({ id: 'TriggerWithSecret' });

export type MilestoneView = Shown<z.infer<typeof trigger>>;

const EXAMPLE: MilestoneView = {
  id: 'trg-3f20',
  name: 'Hot lead',
  score_threshold: 100,
  event_type: null,
  webhook_url: 'https://example.com/hook',
  emails: [],
  email_subject: null,
  email_preheader: null,
  email_message: null,
  active: true,
  fire_mode: 'once',
  cooldown_seconds: null,
  version: 1,
  created_at: '2026-03-01T09:00:00.000Z',
  updated_at: '2026-03-01T09:00:00.000Z',
};
const SECRET_EXAMPLE = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw1aYxQ2ZQ3Dc=';

const UNAVAILABLE = {
  503: 'Triggers cannot be changed at this moment, as after a crash; try again after Retry-After.',
} as const;

export const listMilestones = endpoint({
  name: 'listTriggers',
  method: 'get',
  path: '/triggers',
  tag: 'Triggers',
  summary: 'List milestone triggers',
  description: 'All of them, the oldest first.',
  query: noParameters,
  answer: { status: 200, description: 'The triggers.', schema: z.object({ triggers: z.array(trigger) }) },
  example: { answer: { triggers: [EXAMPLE] } },
});

export const createMilestone = endpoint({
  name: 'createTrigger',
  method: 'post',
  path: '/triggers',
  tag: 'Triggers',
  summary: 'Create a milestone trigger',
  description:
    'It watches the `score` of events. It is in force for everything after the answer, and knows the scores of before: a lead that is at the threshold already has to fall below it first. `location` names it.',
  body: jsonBody(newMilestone),
  answer: {
    status: 201,
    description: 'The trigger, with its secret.',
    schema: triggerWithSecret,
    isVersioned: true,
  },
  problems: { ...UNAVAILABLE, 409: 'There are as many triggers as there may be (SEQUENCES_MAX).' },
  example: {
    body: { name: EXAMPLE.name, score_threshold: 100, webhook_url: EXAMPLE.webhook_url },
    answer: { ...EXAMPLE, webhook_secret: SECRET_EXAMPLE },
  },
});

export const getMilestone = endpoint({
  name: 'getTrigger',
  method: 'get',
  path: '/triggers/{id}',
  tag: 'Triggers',
  summary: 'Read a milestone trigger',
  description: 'Without its secret.',
  idOf: 'trigger',
  answer: { status: 200, description: 'The trigger.', schema: trigger, isVersioned: true },
  example: { id: EXAMPLE.id, answer: EXAMPLE },
});

const change = {
  path: '/triggers/{id}',
  tag: 'Triggers',
  summary: 'Change a milestone trigger',
  description:
    'The fields that are sent and no others; null clears an optional one. With another threshold or event type it counts from now on.',
  idOf: 'trigger',
  body: jsonBody(milestonePatch),
  isConditional: true,
  answer: { status: 200, description: 'The trigger as it is now.', schema: trigger, isVersioned: true },
  problems: UNAVAILABLE,
  example: {
    id: EXAMPLE.id,
    body: { score_threshold: 80 },
    answer: { ...EXAMPLE, score_threshold: 80, version: 2, updated_at: '2026-03-02T12:00:00.000Z' },
  },
} as const;
export const putMilestone = endpoint({
  ...change,
  name: 'putTrigger',
  method: 'put',
  summary: 'Change a milestone trigger (the same as PATCH)',
});
export const patchMilestone = endpoint({ ...change, name: 'patchTrigger', method: 'patch' });

export const deleteMilestone = endpoint({
  name: 'deleteTrigger',
  method: 'delete',
  path: '/triggers/{id}',
  tag: 'Triggers',
  summary: 'Delete a milestone trigger',
  description: 'Its fires and deliveries stay; what is still to be delivered is.',
  idOf: 'trigger',
  isConditional: true,
  answer: { status: 204, description: 'It is gone.' },
  problems: UNAVAILABLE,
  example: { id: EXAMPLE.id, answer: null },
});

export const rotateSecret = endpoint({
  name: 'rotateTriggerSecret',
  method: 'post',
  path: '/triggers/{id}/rotate-secret',
  tag: 'Triggers',
  summary: 'Get a new signing secret',
  description: 'The old one signs along for 24 hours.',
  idOf: 'trigger',
  body: optionalJsonBody(noFields),
  answer: {
    status: 200,
    description: 'The trigger, with its new secret.',
    schema: triggerWithSecret,
    isVersioned: true,
  },
  problems: UNAVAILABLE,
  example: {
    id: EXAMPLE.id,
    answer: {
      ...EXAMPLE,
      version: 2,
      updated_at: '2026-03-02T12:00:00.000Z',
      webhook_secret: SECRET_EXAMPLE,
    },
  },
});

const simulated = z
  .object({
    fires: z
      .array(
        z.object({
          lead_id: z.string(),
          score: z.number(),
          event: matchedEvent,
          late: z.boolean().meta({ description: 'An event out of order made it fire.' }),
        }),
      )
      .meta({ description: 'The first 100.' }),
    fire_count: count,
    lead_count: count.meta({ description: 'Of how many leads.' }),
    scanned_events: count,
    lead: z
      .object({
        lead_id: z.string(),
        score: z.number().nullable().meta({ description: 'Now; null where no event of the lead had one.' }),
        is_below: z.boolean().meta({ description: 'Its next event can lift it to the threshold.' }),
        would_fire: z.boolean().meta({ description: 'Whether the next time that it gets there would.' }),
        reason: z
          .enum(['inactive', 'once', 'cooldown'])
          .nullable()
          .meta({ description: 'Why it would not.' }),
        last_fired_at: instant
          .nullable()
          .meta({ description: 'The time of the event that it last fired by.' }),
        cooldown_until: instant.nullable(),
      })
      .nullable()
      .meta({ description: 'How the lead stands that was asked for.' }),
  })
  .meta({ id: 'TriggerSimulation' });

export type SimulationView = Shown<z.infer<typeof simulated>>;

const SIMULATED_EXAMPLE: SimulationView = {
  fires: [
    {
      lead_id: 'ada',
      score: 110,
      event: { id: 'e2', event_type: 'demo_request', created_at: '2026-03-01T09:30:00Z' },
      late: false,
    },
  ],
  fire_count: 1,
  lead_count: 1,
  scanned_events: 2,
  lead: null,
};
const EVENTS_EXAMPLE = [
  { id: 'e1', lead_id: 'ada', event_type: 'pricing_page', created_at: '2026-03-01T09:00:00Z', score: 60 },
  { id: 'e2', lead_id: 'ada', event_type: 'demo_request', created_at: '2026-03-01T09:30:00Z', score: 110 },
];

export const simulateMilestone = endpoint({
  name: 'simulateTrigger',
  method: 'post',
  role: 'read',
  path: '/triggers/{id}/simulate',
  tag: 'Triggers',
  summary: 'Try a milestone trigger',
  description:
    'With `events`: what these would make it fire if it were active, had they come in this order to leads of whom nothing is known. With `lead_id`: how that lead stands. Sends nothing and changes nothing.',
  idOf: 'trigger',
  body: jsonBody(simulation),
  answer: { status: 200, description: 'What would fire, or how the lead stands.', schema: simulated },
  example: { id: EXAMPLE.id, body: { events: EVENTS_EXAMPLE }, answer: SIMULATED_EXAMPLE },
});

export const simulateNewMilestone = endpoint({
  name: 'simulateNewTrigger',
  method: 'post',
  role: 'read',
  path: '/triggers/simulate',
  tag: 'Triggers',
  summary: 'Try a milestone trigger that is not saved',
  description: 'The same with the fields of a trigger in `trigger`.',
  body: jsonBody(newSimulation),
  answer: { status: 200, description: 'What would fire, or how the lead stands.', schema: simulated },
  example: {
    body: { trigger: { name: 'Hot lead', score_threshold: 100 }, events: EVENTS_EXAMPLE },
    answer: SIMULATED_EXAMPLE,
  },
});
