import { z } from 'zod';
import { count, instant, noParameters } from './commonSchema.ts';
import { endpoint, type Shown } from './endpoint.ts';
import { asOf, standingFields } from './standingContract.ts';

const progress = z
  .object({
    sequence_id: z.string(),
    steps: z
      .array(
        z.object({
          step: count,
          event_type: z.string(),
          leads: count.meta({ description: 'Leads that stand behind this step: it is the last filled one.' }),
        }),
      )
      .meta({
        description:
          'Where the order does not count, a lead stands behind step k when any k of them are filled.',
      }),
    leads: count.meta({ description: 'Leads of the organizational unit of which something is known.' }),
    fired: count.meta({
      description:
        'Leads that remember a fire of this sequence; one that was silent for long does so only where `refire` needs it.',
    }),
    as_of: asOf,
  })
  .meta({ id: 'SequenceProgress' });

const lead = z
  .object({
    sequence_id: z.string(),
    lead_id: z.string(),
    known: z.boolean().meta({
      description:
        'False: no event of the lead was accepted, or it was silent for so long that it is forgotten.',
    }),
    ...standingFields,
    lead_time: instant.nullable().meta({
      description:
        'The time that it is for the lead now: its newest `created_at`, and what has passed since it was last heard of.',
    }),
    horizon: instant.nullable().meta({
      description: 'Events up to this one are used up, by the last completion; null: none are.',
    }),
    last_fired_at: instant.nullable().meta({ description: 'Completing event of the last fire remembered.' }),
    suppressed: z
      .object({
        reason: z.enum(['once_per_lead', 'cooldown', 'earlier_policy']).meta({
          description: 'By the policy that the sequence has now, unless that suppresses nothing.',
        }),
        completed_at: instant,
        until: instant.nullable().meta({ description: 'When the cooldown ends; null: never.' }),
      })
      .nullable()
      .meta({ description: 'The last completion, where it did not fire.' }),
    active: z.boolean(),
    effective_from: count.meta({
      description: 'Only events at a higher position complete the sequence.',
    }),
    reasons: z.array(z.string()).meta({ description: 'Why it did not fire, or not yet, in sentences.' }),
    as_of: asOf,
  })
  .meta({ id: 'LeadProgress' });

export type ProgressView = Shown<z.infer<typeof progress>>;
export type LeadView = Shown<z.infer<typeof lead>>;

const SEQUENCE_ID = 'seq-51d0';
const AS_OF = { position: 18_204, arrival_time: '2026-03-01T09:30:00.25Z' };
const problems = {
  503: 'This version of the sequence is not in force yet, as after a crash, too many are being counted, a backfill is being added to the leads, or those of a large store are being loaded; try again.',
} as const;

export const getProgress = endpoint({
  name: 'getSequenceProgress',
  method: 'get',
  path: '/sequences/{id}/progress',
  tag: 'Sequences',
  summary: 'Count how far leads are',
  description:
    'How many leads stand behind each step now. Exact as of one position of the stream; those who ask during a count get its result.',
  idOf: 'sequence',
  query: noParameters,
  answer: { status: 200, description: 'The numbers of leads.', schema: progress },
  problems,
  example: {
    id: SEQUENCE_ID,
    answer: {
      sequence_id: SEQUENCE_ID,
      steps: [
        { step: 1, event_type: 'pricing_page', leads: 310 },
        { step: 2, event_type: 'whitepaper', leads: 27 },
        { step: 3, event_type: 'demo_request', leads: 0 },
      ],
      leads: 5_120,
      fired: 14,
      as_of: AS_OF,
    },
  },
});

export const getLeadProgress = endpoint({
  name: 'getLeadProgress',
  method: 'get',
  path: '/sequences/{id}/leads/{lead_id}',
  tag: 'Sequences',
  summary: 'See how far a lead is',
  description:
    'Which steps it has filled, what is missing, and why it did not fire. The ids of leads are yours: one that is not known is answered too, with nothing held.',
  idOf: 'sequence',
  takesLeadId: true,
  query: noParameters,
  answer: { status: 200, description: 'How far it is.', schema: lead },
  problems,
  example: {
    id: SEQUENCE_ID,
    leadId: 'ada',
    answer: {
      sequence_id: SEQUENCE_ID,
      lead_id: 'ada',
      known: true,
      step: 1,
      steps: 3,
      held: [{ step: 1, id: 'e1', event_type: 'pricing_page', created_at: '2026-02-27T17:05:00Z' }],
      missing: ['whitepaper', 'demo_request'],
      until: '2026-03-06T17:05:00Z',
      lead_time: '2026-03-01T09:30:00Z',
      horizon: null,
      last_fired_at: null,
      suppressed: null,
      active: true,
      effective_from: 17_001,
      reasons: ['It waits for whitepaper, then demo_request, until 2026-03-06T17:05:00Z.'],
      as_of: AS_OF,
    },
  },
});
