import { z } from 'zod';
import { count } from './commonSchema.ts';
import { endpoint } from './endpoint.ts';
import { readEvents } from './ingestBody.ts';
import { batch, event } from './ingestSchema.ts';
import { freshIdOf, readJson } from './request.ts';

export const ingest = endpoint({
  name: 'ingestEvents',
  method: 'post',
  path: '/ingest',
  tag: 'Events',
  role: 'ingest',
  summary: 'Send events',
  description:
    'One event, or `{ "events": [ … ] }` with up to 1,000; all of them are taken or none. Send an `id` with each, or an Idempotency-Key with the request: then it may be repeated without counting twice. Fields of an event that are not listed are ignored, misspelled ones too; those beside `events` are refused.',
  body: {
    schema: z.union([event, batch]),
    isRequired: true,
    read: async (context) => {
      const freshId = freshIdOf(context);
      return readEvents(await readJson(context), (index) => `evt-${freshId}-${index}`);
    },
  },
  answer: {
    status: 202,
    description: 'The stream has stored all of them.',
    schema: z.object({ accepted: count, ids: z.array(z.string()) }),
  },
  problems: {
    413: 'The body or the metadata of an event is too large, or the stream takes no event of that size (max_msg_size); in that case others of the batch may be stored.',
    503: 'They are not all stored; send them again after Retry-After.',
  },
  example: {
    body: {
      events: [
        { id: 'e1', lead_id: 'ada', event_type: 'pricing_page', created_at: '2026-02-27T17:05:00Z' },
        { id: 'e2', lead_id: 'ada', event_type: 'demo_request', metadata: { page: '/pricing' } },
      ],
    },
    answer: { accepted: 2, ids: ['e1', 'e2'] },
  },
});
