import { z } from 'zod';
import { DELIVERY_STATES } from '../model/delivery.ts';
import {
  count,
  cursorPageFields,
  cursorPageInfo,
  instant,
  noFields,
  sequenceIdText,
} from './commonSchema.ts';
import { endpoint, optionalJsonBody, type Shown } from './endpoint.ts';
import { exactObject } from './validation.ts';

export const deliveryState = z.enum(DELIVERY_STATES).meta({
  id: 'DeliveryState',
  description:
    'pending: not attempted yet. retrying: failed at least once, due again. held: waits until its destination is resumed or email is configured. dead: given up, for the reason given. skipped_stale: never to be sent, by the max_fire_delay_seconds of the sequence.',
});

/** A delivery as the fire that it belongs to shows it. */
const summary = {
  id: z.string(),
  channel: z.enum(['webhook', 'email']),
  destination: z.string().meta({ description: 'The URL of a webhook, or the address of one recipient.' }),
  state: deliveryState,
  reason: z.string().nullable().meta({
    description: 'Why it is held or dead, or what the last attempt ran into.',
  }),
  attempts: count.meta({ description: 'How many attempts were made.' }),
  next_attempt_at: instant.nullable(),
  updated_at: instant,
};
const alone = {
  ...summary,
  fire_id: z.string(),
  sequence_id: z.string().nullable().meta({ description: 'null where it is of a milestone trigger.' }),
  trigger_id: z.string().nullable().meta({ description: 'null where it is of a sequence.' }),
  created_at: instant,
};

const attempt = z
  .object({
    number: count.meta({ description: '1 for the first.' }),
    started_at: instant,
    duration_ms: z.number().min(0),
    outcome: z.enum(['delivered', 'failed']),
    status: z.int().nullable().meta({
      description: 'The HTTP status, or the SMTP reply code; null where there was no answer.',
    }),
    error: z.string().nullable().meta({
      description: 'The kind of error in a word, such as timeout; null where there was an answer.',
    }),
    response: z.string().nullable().meta({ description: 'The first 1 KiB of the answer.' }),
  })
  .meta({ id: 'Attempt' });

export const deliverySummary = z.object(summary).meta({ id: 'DeliverySummary' });
export const delivery = z.object(alone).meta({ id: 'Delivery' });
export const deliveryDetail = z
  .object({
    ...alone,
    attempt_count: count.meta({ description: 'How many attempts were made: `attempts` in lists.' }),
    attempts: z.array(attempt).meta({ description: 'Every attempt, the oldest first.' }),
  })
  .meta({ id: 'DeliveryDetail' });

export type DeliverySummary = Shown<z.infer<typeof deliverySummary>>;
export type DeliveryView = Shown<z.infer<typeof delivery>>;
export type DeliveryDetail = Shown<z.infer<typeof deliveryDetail>>;
export type AttemptView = Shown<z.infer<typeof attempt>>;

const deliveryFilters = exactObject({
  ...cursorPageFields,
  status: z.enum(DELIVERY_STATES, { error: `one of ${DELIVERY_STATES.join(', ')}` }).optional(),
  sequence_id: sequenceIdText.optional(),
  trigger_id: sequenceIdText.optional(),
});

export const DELIVERY_EXAMPLE: DeliveryView = {
  id: 'dlv-4b1f',
  channel: 'webhook',
  destination: 'https://example.com/hook',
  state: 'dead',
  reason: 'answered 500',
  attempts: 10,
  next_attempt_at: null,
  updated_at: '2026-03-04T10:12:00.000Z',
  fire_id: 'fire-7c02',
  sequence_id: 'seq-51d0',
  trigger_id: null,
  created_at: '2026-03-01T09:30:00.000Z',
};

const ATTEMPT_EXAMPLE: AttemptView = {
  number: 10,
  started_at: '2026-03-04T10:12:00.000Z',
  duration_ms: 41,
  outcome: 'failed',
  status: 500,
  error: null,
  response: 'Internal Server Error',
};

export const listDeliveries = endpoint({
  name: 'listDeliveries',
  method: 'get',
  path: '/deliveries',
  tag: 'Deliveries',
  summary: 'List deliveries',
  description:
    'What became of the webhooks and emails, newest first. A walk by `cursor` shows each that stood when it began once; by `status`, those that keep it meanwhile.',
  query: deliveryFilters,
  answer: {
    status: 200,
    description: 'A page of deliveries.',
    schema: z.object({ deliveries: z.array(delivery), ...cursorPageInfo }),
  },
  example: {
    query: { status: 'dead', limit: '10' },
    answer: { deliveries: [DELIVERY_EXAMPLE], total: 1, page: 1, limit: 10, next_cursor: null },
  },
});

export const getDelivery = endpoint({
  name: 'getDelivery',
  method: 'get',
  path: '/deliveries/{id}',
  tag: 'Deliveries',
  summary: 'Read a delivery',
  description: 'One delivery with every attempt: when, for how long, and what the receiver answered.',
  idOf: 'delivery',
  answer: { status: 200, description: 'The delivery.', schema: deliveryDetail },
  example: {
    id: DELIVERY_EXAMPLE.id,
    answer: {
      ...DELIVERY_EXAMPLE,
      attempt_count: DELIVERY_EXAMPLE.attempts,
      attempts: [ATTEMPT_EXAMPLE],
    },
  },
});

export const redeliver = endpoint({
  name: 'redeliverDelivery',
  method: 'post',
  path: '/deliveries/{id}/redeliver',
  tag: 'Deliveries',
  summary: 'Send a delivery again',
  description:
    'Makes it due at once, with the whole retry schedule before it, whatever its state was. A webhook goes out with the same webhook-id and body as before.',
  idOf: 'delivery',
  body: optionalJsonBody(noFields),
  answer: { status: 202, description: 'The delivery, due again.', schema: delivery },
  problems: { 409: 'It is being attempted at this moment, or it is held.' },
  example: {
    id: DELIVERY_EXAMPLE.id,
    answer: {
      ...DELIVERY_EXAMPLE,
      state: 'pending',
      reason: null,
      next_attempt_at: '2026-03-05T08:00:00.000Z',
      updated_at: '2026-03-05T08:00:00.000Z',
    },
  },
});
