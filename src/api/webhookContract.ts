import { z } from 'zod';
import { matchedEvent } from './sequenceEventContract.ts';

/** What we send about a sequence. The body has exactly these keys. */
export const webhookBody = z
  .object({
    trigger: z.object({
      id: z.string().meta({ description: 'The id of the sequence.' }),
      name: z.string(),
      type: z.literal('sequence'),
    }),
    lead_id: z.string(),
    sequence: z.array(z.string()).meta({ description: 'The event types of the sequence.' }),
    events: z.array(matchedEvent),
  })
  .meta({ id: 'WebhookBody' });

/** What we send about a milestone trigger. The body has exactly these keys. */
export const milestoneBody = z
  .object({
    trigger: z.object({
      id: z.string().meta({ description: 'The id of the trigger.' }),
      name: z.string(),
      type: z.literal('milestone'),
    }),
    lead_id: z.string(),
    score: z.number().meta({ description: 'What the event lifted the score to.' }),
    score_threshold: z.number(),
    event: matchedEvent,
  })
  .meta({ id: 'MilestoneWebhookBody' });

export const WEBHOOK_HEADERS = {
  'webhook-id': 'The id of the fire, the same on every attempt: deduplicate by it.',
  'webhook-timestamp': 'The time of the attempt, in seconds since 1970.',
  'webhook-signature':
    '`v1,` and the HMAC-SHA256 in base64 of `<webhook-id>.<webhook-timestamp>.<body>`, by the webhook_secret of the sequence or trigger. After a rotation there are several, separated by spaces.',
  'user-agent': '`sequence-triggers/<version>`.',
};

const SAMPLE_HEADER = {
  'sequence-triggers-sample':
    '`true` on what `POST /sequences/{id}/test` and `POST /triggers/{id}/test` send: no lead did anything.',
};

export const WEBHOOK_EXAMPLE: z.infer<typeof webhookBody> = {
  trigger: { id: 'seq-51d0', name: 'Ready to buy', type: 'sequence' },
  lead_id: 'ada',
  sequence: ['pricing_page', 'demo_request'],
  events: [
    { id: 'e1', event_type: 'pricing_page', created_at: '2026-02-27T17:05:00Z' },
    { id: 'e2', event_type: 'demo_request', created_at: '2026-03-01T09:30:00Z' },
  ],
};

export const MILESTONE_EXAMPLE: z.infer<typeof milestoneBody> = {
  trigger: { id: 'trg-3f20', name: 'Hot lead', type: 'milestone' },
  lead_id: 'ada',
  score: 110,
  score_threshold: 100,
  event: { id: 'e2', event_type: 'demo_request', created_at: '2026-03-01T09:30:00Z' },
};

export const WEBHOOK_DESCRIPTION =
  'Sent to the webhook_url of the sequence or milestone trigger, signed as Standard Webhooks 1.0.0 say. Delivered at least once: an attempt that failed is repeated with the same webhook-id and body.';

/** The `webhooks` of the document. */
export function webhooks(schemaOf: (schema: z.ZodType) => object) {
  const headers = { ...WEBHOOK_HEADERS, ...SAMPLE_HEADER };
  const parameters = Object.entries(headers).map(([name, description]) => ({
    name,
    in: 'header',
    required: name in WEBHOOK_HEADERS,
    description,
    schema: { type: 'string' },
  }));
  const webhook = (operationId: string, summary: string, body: z.ZodType, example: object) => ({
    post: {
      operationId,
      tags: ['Deliveries'],
      summary,
      description: WEBHOOK_DESCRIPTION,
      parameters,
      requestBody: {
        required: true,
        content: { 'application/json': { schema: schemaOf(body), example } },
      },
      responses: {
        '2XX': { description: 'Received.' },
        default: { description: 'Anything else, redirects included, is tried again by the schedule.' },
      },
    },
  });
  return {
    sequenceCompleted: webhook(
      'sequenceCompleted',
      'A lead completed a sequence',
      webhookBody,
      WEBHOOK_EXAMPLE,
    ),
    milestoneReached: webhook(
      'milestoneReached',
      'The score of a lead reached a threshold',
      milestoneBody,
      MILESTONE_EXAMPLE,
    ),
  };
}
