import { z } from 'zod';
import { cursorPageFields, cursorPageInfo, instant, sequenceIdText } from './commonSchema.ts';
import { endpoint, type Shown } from './endpoint.ts';
import { deliveriesOfFire, leadAndTime, matchedEvent, SUMMARY_EXAMPLE } from './sequenceEventContract.ts';
import { exactObject } from './validation.ts';

const fire = z
  .object({
    id: z.string(),
    trigger_id: z.string(),
    trigger_name: z.string().meta({ description: 'At the time of the fire.' }),
    lead_id: z.string(),
    score: z.number().meta({ description: 'What the event lifted the score to.' }),
    score_threshold: z.number().meta({ description: 'At the time of the fire.' }),
    event_type: z.string(),
    fired_at: instant.meta({ description: 'When the event arrived that made it fire.' }),
    completed_at: instant.meta({ description: 'The time of the event that lifted the score.' }),
    late: z.boolean().meta({ description: 'An event out of order made it fire.' }),
    event: matchedEvent,
    ...deliveriesOfFire,
  })
  .meta({ id: 'MilestoneEvent' });

export type MilestoneEventView = Shown<z.infer<typeof fire>>;

const filters = exactObject({
  ...cursorPageFields,
  trigger_id: sequenceIdText.optional(),
  ...leadAndTime,
});

const EXAMPLE: MilestoneEventView = {
  id: 'fire-91be',
  trigger_id: 'trg-3f20',
  trigger_name: 'Hot lead',
  lead_id: 'ada',
  score: 110,
  score_threshold: 100,
  event_type: 'demo_request',
  fired_at: '2026-03-01T09:30:00.25Z',
  completed_at: '2026-03-01T09:30:00Z',
  late: false,
  event: { id: 'e2', event_type: 'demo_request', created_at: '2026-03-01T09:30:00Z' },
  delivery: 'dead',
  deliveries: [SUMMARY_EXAMPLE],
};

export const listMilestoneEvents = endpoint({
  name: 'listMilestoneEvents',
  method: 'get',
  path: '/milestone-events',
  tag: 'Fires',
  summary: 'List fires of milestone triggers',
  description: 'Newest first. `from` and `to` are about `fired_at`, and both are included.',
  query: filters,
  answer: {
    status: 200,
    description: 'A page of fires.',
    schema: z.object({ events: z.array(fire), ...cursorPageInfo }),
  },
  example: {
    query: { trigger_id: 'trg-3f20' },
    answer: { events: [EXAMPLE], total: 1, page: 1, limit: 25, next_cursor: null },
  },
});

export const getMilestoneEvent = endpoint({
  name: 'getMilestoneEvent',
  method: 'get',
  path: '/milestone-events/{id}',
  tag: 'Fires',
  summary: 'Read a fire of a milestone trigger',
  description: 'With the event that lifted the score and the state of each delivery.',
  idOf: 'milestone event',
  answer: { status: 200, description: 'The fire.', schema: fire },
  example: { id: EXAMPLE.id, answer: EXAMPLE },
});
