import { z } from 'zod';
import { count, instant, pageInfo, pageQuery } from './commonSchema.ts';
import { endpoint, type Shown } from './endpoint.ts';

const rejectedEvent = z
  .object({
    reason: z.string().meta({ description: 'In a word, such as not_json, missing_field or too_late.' }),
    detail: z.string().meta({ description: 'Names the field, the value and what is allowed.' }),
    stream_sequence: count,
    rejected_at: instant,
    subject: z.string(),
    payload: z.string().meta({ description: 'The first 1 KiB of the original.' }),
    payload_bytes: count.meta({ description: 'The size of the whole original.' }),
  })
  .meta({ id: 'RejectedEvent' });

export type RejectedEventView = Shown<z.infer<typeof rejectedEvent>>;

export const listRejected = endpoint({
  name: 'listRejectedEvents',
  method: 'get',
  path: '/rejected-events',
  tag: 'Events',
  summary: 'List messages that could not be used',
  description: 'Newest first, each with its reason.',
  query: pageQuery,
  answer: {
    status: 200,
    description: 'A page of rejected messages.',
    schema: z.object({ events: z.array(rejectedEvent), ...pageInfo }),
  },
  problems: { 503: 'The stream cannot be read now; try again after Retry-After.' },
  example: {
    query: { limit: '10' },
    answer: {
      events: [
        {
          reason: 'missing_field',
          detail: 'lead_id is required: a string of 1 to 256 bytes',
          stream_sequence: 12,
          rejected_at: '2026-03-01T09:30:00Z',
          subject: 'events.default',
          payload: '{"event_type":"pricing_page"}',
          payload_bytes: 29,
        },
      ],
      total: 1,
      page: 1,
      limit: 10,
    },
  },
});
