import { z } from 'zod';
import { count, instant, noFields, noParameters } from './commonSchema.ts';
import { endpoint, jsonBody, optionalJsonBody, type Shown } from './endpoint.ts';
import { newSequence, refireMode, sequencePatch } from './sequenceSchema.ts';
import { stepShown } from './stepSchema.ts';
import { deliveriesShown, secretShown, versionShown } from './triggerContract.ts';

const fields = {
  id: z.string(),
  name: z.string(),
  event_types: z.array(stepShown).meta({ description: 'The steps; a type may stand more than once.' }),
  exclude: z.array(z.string()).nullable().meta({
    description: 'None of these lies between the first and the last event of a match.',
  }),
  window_seconds: count.meta({ description: 'From the first to the last event at most, inclusive.' }),
  window_unit: z.string().meta({ description: 'A label of the window, such as "7 days".' }),
  ordered: z.boolean(),
  max_gap_seconds: count.nullable().meta({
    description: 'Between neighbouring steps of an ordered sequence at most; null: no limit.',
  }),
  ...deliveriesShown,
  refire: z.object({ mode: refireMode, cooldown_seconds: count.nullable() }).meta({
    description: 'Whether a lead that completed the sequence before fires again.',
  }),
  max_fire_delay_seconds: count.nullable().meta({
    description: 'Completions that are older on arrival are recorded and not sent; null: no limit.',
  }),
  backfill: z
    .object({
      state: z.enum(['reading', 'done', 'failed', 'stopped']).meta({
        description:
          'What was read counts from the moment it is done. failed: see the reason. stopped: a later change of what completes it made it pointless.',
      }),
      fraction: z.number().min(0).max(1),
      events_read: count.meta({ description: 'Stored events of all leads and types.' }),
      events_added: count.meta({ description: 'Events that were not held before.' }),
      started_at: instant,
      finished_at: instant.nullable(),
      reason: z.string().nullable(),
    })
    .nullable()
    .meta({ description: 'The last one that was asked for; null: none. Its progress changes no version.' }),
  ...versionShown,
};
const sequence = z.object(fields).meta({ id: 'Sequence' });
const sequenceWithSecret = z.object({ ...fields, ...secretShown }).meta({ id: 'SequenceWithSecret' });

export type SequenceView = Shown<z.infer<typeof sequence>>;

const EXAMPLE: SequenceView = {
  id: 'seq-51d0',
  name: 'Ready to buy',
  event_types: [
    'pricing_page',
    { any_of: ['whitepaper', 'webinar'], where: { 'metadata.topic': { in: ['plans', 'security'] } } },
    'demo_request',
  ],
  exclude: ['purchase'],
  window_seconds: 604_800,
  window_unit: '7 days',
  ordered: true,
  max_gap_seconds: 259_200,
  webhook_url: 'https://example.com/hook',
  emails: [],
  email_subject: null,
  email_preheader: null,
  email_message: null,
  active: true,
  refire: { mode: 'every', cooldown_seconds: null },
  max_fire_delay_seconds: null,
  backfill: null,
  version: 1,
  created_at: '2026-03-01T09:00:00.000Z',
  updated_at: '2026-03-01T09:00:00.000Z',
};
const SECRET_EXAMPLE = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw1aYxQ2ZQ3Dc=';

const UNAVAILABLE = {
  503: 'Sequences cannot be changed at this moment, as after a crash or while a backfill is added to the leads; try again after Retry-After.',
} as const;

export const listSequences = endpoint({
  name: 'listSequences',
  method: 'get',
  path: '/sequences',
  tag: 'Sequences',
  summary: 'List sequences',
  description: 'All of them, the oldest first.',
  query: noParameters,
  answer: {
    status: 200,
    description: 'The sequences.',
    schema: z.object({ sequences: z.array(sequence) }),
  },
  example: { answer: { sequences: [EXAMPLE] } },
});

export const createSequence = endpoint({
  name: 'createSequence',
  method: 'post',
  path: '/sequences',
  tag: 'Sequences',
  summary: 'Create a sequence',
  description:
    'It is in force for everything after the answer, and looks back on the events that are held: earlier steps may lie before it, the completing event may not. `location` names it.',
  body: jsonBody(newSequence),
  answer: {
    status: 201,
    description: 'The sequence, with its secret.',
    schema: sequenceWithSecret,
    isVersioned: true,
  },
  problems: { ...UNAVAILABLE, 409: 'There are as many sequences as there may be (SEQUENCES_MAX).' },
  example: {
    body: {
      name: EXAMPLE.name,
      event_types: EXAMPLE.event_types,
      exclude: EXAMPLE.exclude,
      window_seconds: EXAMPLE.window_seconds,
      ordered: true,
      max_gap_seconds: EXAMPLE.max_gap_seconds,
      webhook_url: EXAMPLE.webhook_url,
    },
    answer: { ...EXAMPLE, webhook_secret: SECRET_EXAMPLE },
  },
});

export const getSequence = endpoint({
  name: 'getSequence',
  method: 'get',
  path: '/sequences/{id}',
  tag: 'Sequences',
  summary: 'Read a sequence',
  description: 'Without its secret.',
  idOf: 'sequence',
  answer: { status: 200, description: 'The sequence.', schema: sequence, isVersioned: true },
  example: { id: EXAMPLE.id, answer: EXAMPLE },
});

const change = {
  path: '/sequences/{id}',
  tag: 'Sequences',
  summary: 'Change a sequence',
  description: 'The fields that are sent and no others; null clears an optional one.',
  idOf: 'sequence',
  body: jsonBody(sequencePatch),
  isConditional: true,
  answer: { status: 200, description: 'The sequence as it is now.', schema: sequence, isVersioned: true },
  problems: UNAVAILABLE,
  example: {
    id: EXAMPLE.id,
    body: { active: false },
    answer: { ...EXAMPLE, active: false, version: 2, updated_at: '2026-03-02T12:00:00.000Z' },
  },
} as const;
export const putSequence = endpoint({
  ...change,
  name: 'putSequence',
  method: 'put',
  summary: 'Change a sequence (the same as PATCH)',
});
export const patchSequence = endpoint({ ...change, name: 'patchSequence', method: 'patch' });

export const deleteSequence = endpoint({
  name: 'deleteSequence',
  method: 'delete',
  path: '/sequences/{id}',
  tag: 'Sequences',
  summary: 'Delete a sequence',
  description: 'Its fires and deliveries stay; what is still to be delivered is.',
  idOf: 'sequence',
  isConditional: true,
  answer: { status: 204, description: 'It is gone.' },
  problems: UNAVAILABLE,
  example: { id: EXAMPLE.id, answer: null },
});

export const rotateSecret = endpoint({
  name: 'rotateSecret',
  method: 'post',
  path: '/sequences/{id}/rotate-secret',
  tag: 'Sequences',
  summary: 'Get a new signing secret',
  description: 'The old one signs along for 24 hours.',
  idOf: 'sequence',
  body: optionalJsonBody(noFields),
  answer: {
    status: 200,
    description: 'The sequence, with its new secret.',
    schema: sequenceWithSecret,
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
