import { z } from 'zod';
import { DELIVERY_STATES } from '../model/delivery.ts';
import {
  cursorPageFields,
  cursorPageInfo,
  instant,
  instantText,
  leadIdText,
  sequenceIdText,
} from './commonSchema.ts';
import { DELIVERY_EXAMPLE, deliverySummary } from './deliveryContract.ts';
import { endpoint, type Shown } from './endpoint.ts';
import { EXPORTS_PER_OU_MAX } from './exportTurns.ts';
import { exactObject } from './validation.ts';

export const matchedEvent = z
  .object({ id: z.string(), event_type: z.string(), created_at: instant })
  .meta({ id: 'MatchedEvent' });

/** What the fires of both kinds of triggers show of their deliveries. */
export const deliveriesOfFire = {
  delivery: z.enum([...DELIVERY_STATES, 'none']).meta({
    description: 'The least finished of the deliveries; none where there are none.',
  }),
  deliveries: z.array(deliverySummary),
};

const fire = z
  .object({
    id: z.string(),
    sequence_id: z.string(),
    sequence_name: z.string().meta({ description: 'At the time of the fire.' }),
    lead_id: z.string(),
    event_types: z.array(z.string()),
    fired_at: instant.meta({ description: 'When the event arrived that completed the sequence.' }),
    completed_at: instant.meta({ description: 'The time of the completing event.' }),
    late: z.boolean().meta({ description: 'That event arrived out of order for its lead.' }),
    events: z.array(matchedEvent).meta({
      description: 'In the order of the steps where the sequence is ordered, else by time.',
    }),
    ...deliveriesOfFire,
  })
  .meta({ id: 'Fire' });

export type FireView = Shown<z.infer<typeof fire>>;

/** Filters of the fires of both kinds of triggers. */
export const leadAndTime = {
  lead_id: leadIdText.optional(),
  from: instantText.optional(),
  to: instantText.optional(),
};
const filterFields = { sequence_id: sequenceIdText.optional(), ...leadAndTime };
/** What the list and the export take. */
export const fireFilters = exactObject(filterFields);
export type FireFilterQuery = z.infer<typeof fireFilters>;

const { fire_id, sequence_id: _sequence, trigger_id: _trigger, created_at: _, ...SUMMARY } = DELIVERY_EXAMPLE;
/** A delivery as a fire shows it. */
export const SUMMARY_EXAMPLE = SUMMARY;
const EXAMPLE: FireView = {
  id: fire_id,
  sequence_id: 'seq-51d0',
  sequence_name: 'Ready to buy',
  lead_id: 'ada',
  event_types: ['pricing_page', 'demo_request'],
  fired_at: '2026-03-01T09:30:00.25Z',
  completed_at: '2026-03-01T09:30:00Z',
  late: false,
  events: [
    { id: 'e1', event_type: 'pricing_page', created_at: '2026-02-27T17:05:00Z' },
    { id: 'e2', event_type: 'demo_request', created_at: '2026-03-01T09:30:00Z' },
  ],
  delivery: 'dead',
  deliveries: [SUMMARY],
};

export const listFires = endpoint({
  name: 'listSequenceEvents',
  method: 'get',
  path: '/sequence-events',
  tag: 'Fires',
  summary: 'List fires',
  description:
    'Newest first. `from` and `to` are about `fired_at`, and both are included. A walk by `cursor` shows each fire that stood when it began once, whatever fires or is removed meanwhile.',
  query: exactObject({ ...cursorPageFields, ...filterFields }),
  answer: {
    status: 200,
    description: 'A page of fires.',
    schema: z.object({ events: z.array(fire), ...cursorPageInfo }),
  },
  example: {
    query: { lead_id: 'ada', from: '2026-03-01T00:00:00Z' },
    answer: { events: [EXAMPLE], total: 1, page: 1, limit: 25, next_cursor: null },
  },
});

export const EXPORT_COLUMNS = [
  'id',
  'sequence_id',
  'sequence_name',
  'lead_id',
  'event_types',
  'fired_at',
  'completed_at',
  'late',
  'delivery',
  'event_ids',
] as const;

export const exportFires = endpoint({
  name: 'exportSequenceEvents',
  method: 'get',
  path: '/sequence-events/export',
  tag: 'Fires',
  summary: 'Export fires as CSV',
  description: `All that the filters let through, newest first, as RFC 4180 in UTF-8. The first row names the columns: ${EXPORT_COLUMNS.map((name) => `\`${name}\``).join(', ')}. \`event_types\` and \`event_ids\` are in the same order, with \` > \` between them; a \`>\` or \`\\\` of their own has a \`\\\` before it. So that a spreadsheet computes nothing, a cell that would begin a formula there (=, +, -, @, also behind white space, a tab or a line break) or that begins with an apostrophe gets an apostrophe before it: a program takes the first character from every cell that begins with one. An export that cannot be finished ends with a broken connection.`,
  query: fireFilters,
  answer: { status: 200, description: 'The file.', contentType: 'text/csv' },
  problems: {
    429: `The token has made more requests than it may make in a second, or the organizational unit has ${EXPORTS_PER_OU_MAX} exports under way, as many as it may have; try again after Retry-After.`,
  },
  example: { query: { from: '2026-03-01T00:00:00Z' }, answer: null },
});

export const getFire = endpoint({
  name: 'getSequenceEvent',
  method: 'get',
  path: '/sequence-events/{id}',
  tag: 'Fires',
  summary: 'Read a fire',
  description: 'With the events that were matched and the state of each delivery.',
  idOf: 'sequence event',
  answer: { status: 200, description: 'The fire.', schema: fire },
  example: { id: EXAMPLE.id, answer: EXAMPLE },
});
