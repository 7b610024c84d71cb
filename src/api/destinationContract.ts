import { z } from 'zod';
import { booleanText, count, instant, noFields, pageFields, pageInfo } from './commonSchema.ts';
import { endpoint, jsonBody, optionalJsonBody, type Shown } from './endpoint.ts';
import { exactObject, integer, textOfCharacters } from './validation.ts';

const RATE_PER_SECOND_MAX = 1_000_000;

const fields = {
  id: z.string(),
  channel: z.enum(['webhook', 'email']),
  url: z.string().nullable().meta({
    description: 'Of a webhook; null for email, which is one destination for all recipients.',
  }),
  paused: z.object({ since: instant, reason: z.string() }).nullable().meta({
    description: 'Since when nothing is sent to it, and why; null: it is not paused.',
  }),
  rate_per_second: z.int().min(1).nullable().meta({
    description: 'At most so many attempts per second; null: what the configuration says.',
  }),
  breaker: z.object({
    state: z.enum(['closed', 'open', 'half_open']).meta({
      description:
        'closed: attempts are made. open: none until the time given, since they kept failing. half_open: one is under way, to see how it goes.',
    }),
    failures_in_a_row: count,
    until: instant.nullable(),
  }),
};
const upTo = 'counted up to 10,000.';
export const destination = z.object(fields).meta({ id: 'Destination' });
export const destinationDetail = z
  .object({
    ...fields,
    waiting: count.meta({ description: `Deliveries that are due or will be, ${upTo}` }),
    held: count.meta({ description: `Deliveries that are held, ${upTo}` }),
  })
  .meta({ id: 'DestinationDetail' });

export type DestinationView = Shown<z.infer<typeof destination>>;
export type DestinationDetail = Shown<z.infer<typeof destinationDetail>>;

const destinationFilters = exactObject({ ...pageFields, paused: booleanText.optional() });

const pauseBody = exactObject({
  reason: textOfCharacters({ min: 1, max: 200, notBlank: true, characters: 'line' }).nullish().meta({
    description: 'Up to 200 characters, shown with the destination.',
  }),
});

const rateBody = exactObject({
  rate_per_second: integer(1, RATE_PER_SECOND_MAX)
    .nullable()
    .meta({ description: 'Attempts per second at most; null: what the configuration says.' }),
});

const EXAMPLE: DestinationView = {
  id: 'dst-9a3e',
  channel: 'webhook',
  url: 'https://example.com/hook',
  paused: null,
  rate_per_second: null,
  breaker: { state: 'closed', failures_in_a_row: 0, until: null },
};

const DETAIL_EXAMPLE = { ...EXAMPLE, waiting: 12, held: 0 };

const answer = { status: 200, description: 'The destination.', schema: destinationDetail } as const;

export const listDestinations = endpoint({
  name: 'listDestinations',
  method: 'get',
  path: '/destinations',
  tag: 'Destinations',
  summary: 'List destinations',
  description:
    'Those that sequences name, and those that are paused or have a rate of their own, by URL; email comes first. How many deliveries wait for one is told by the other answers, which are of one destination.',
  query: destinationFilters,
  answer: {
    status: 200,
    description: 'A page of destinations.',
    schema: z.object({ destinations: z.array(destination), ...pageInfo }),
  },
  example: {
    query: { paused: 'false' },
    answer: { destinations: [EXAMPLE], total: 1, page: 1, limit: 25 },
  },
});

export const getDestination = endpoint({
  name: 'getDestination',
  method: 'get',
  path: '/destinations/{id}',
  tag: 'Destinations',
  summary: 'Read a destination',
  description: 'One destination, with how many deliveries wait for it.',
  idOf: 'destination',
  answer,
  example: { id: EXAMPLE.id, answer: DETAIL_EXAMPLE },
});

export const pauseDestination = endpoint({
  name: 'pauseDestination',
  method: 'post',
  path: '/destinations/{id}/pause',
  tag: 'Destinations',
  summary: 'Pause a destination',
  description:
    'Nothing more is sent to it until it is resumed; its deliveries are held meanwhile, and none is lost. Attempts under way are finished.',
  idOf: 'destination',
  body: optionalJsonBody(pauseBody),
  answer,
  example: {
    id: EXAMPLE.id,
    body: { reason: 'moving to another host' },
    answer: {
      ...EXAMPLE,
      waiting: 0,
      held: 12,
      paused: { since: '2026-03-01T09:30:00.000Z', reason: 'moving to another host' },
    },
  },
});

export const resumeDestination = endpoint({
  name: 'resumeDestination',
  method: 'post',
  path: '/destinations/{id}/resume',
  tag: 'Destinations',
  summary: 'Resume a destination',
  description: 'What was held is due again, and an open breaker is closed.',
  idOf: 'destination',
  body: optionalJsonBody(noFields),
  answer,
  example: { id: EXAMPLE.id, answer: DETAIL_EXAMPLE },
});

const setRate = {
  path: '/destinations/{id}',
  tag: 'Destinations',
  summary: 'Limit the rate of a destination',
  description: 'At most so many attempts per second; null goes back to what the configuration says.',
  idOf: 'destination',
  body: jsonBody(rateBody),
  answer,
  example: {
    id: EXAMPLE.id,
    body: { rate_per_second: 5 },
    answer: { ...DETAIL_EXAMPLE, rate_per_second: 5 },
  },
} as const;
export const patchDestination = endpoint({ ...setRate, name: 'patchDestination', method: 'patch' });
export const putDestination = endpoint({
  ...setRate,
  name: 'putDestination',
  method: 'put',
  summary: 'Limit the rate of a destination (the same as PATCH)',
});
