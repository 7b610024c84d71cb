import { z } from 'zod';
import { count, instant, instantField, noFields } from './commonSchema.ts';
import { DELIVERY_EXAMPLE, delivery } from './deliveryContract.ts';
import { endpoint, jsonBody, optionalJsonBody } from './endpoint.ts';
import { exactObject, integer } from './validation.ts';

const RATE_PER_SECOND_MAX = 1_000;
const RATE_PER_SECOND_DEFAULT = 100;

const REDELIVERABLE = ['dead', 'delivered', 'skipped_stale'] as const;

const cursorAllowed = 'the "after" of an earlier answer';
const CURSOR_PATTERN = /^[\w.:~=+/-]{1,512}$/;

const rangeBody = exactObject({
  from: instantField,
  to: instantField,
  status: z
    .enum(REDELIVERABLE, { error: `one of ${REDELIVERABLE.join(', ')}` })
    .default('dead')
    .meta({ description: 'Which of them.' }),
  rate_per_second: integer(1, RATE_PER_SECOND_MAX).default(RATE_PER_SECOND_DEFAULT).meta({
    description: 'How many are due in a second, at most.',
  }),
  after: z.string({ error: cursorAllowed }).regex(CURSOR_PATTERN, { error: cursorAllowed }).nullish().meta({
    description: 'Where the earlier answer left off; absent or null to begin.',
  }),
});

/** The two kinds of triggers, each with paths of its own and the id that its examples name. */
const SEQUENCE = { what: 'sequence', path: '/sequences', tag: 'Sequences', id: 'seq-51d0' } as const;
const TRIGGER = { what: 'trigger', path: '/triggers', tag: 'Triggers', id: 'trg-3f20' } as const;
type Kind = typeof SEQUENCE | typeof TRIGGER;

function redeliverRangeOf(kind: Kind, name: string) {
  return endpoint({
    name,
    method: 'post',
    path: `${kind.path}/{id}/redeliver`,
    tag: 'Deliveries',
    summary: `Send the deliveries of a ${kind.what} again`,
    description: `Those that were made from \`from\` to \`to\` (both included) and have the status, up to 10,000 a call, spread over time by the rate. Call again with the \`after\` of the answer until it is null. The history of a deleted ${kind.what} can be sent again too.`,
    idOf: kind.what,
    body: jsonBody(rangeBody),
    answer: {
      status: 202,
      description: 'They are due again.',
      schema: z.object({
        queued: count,
        last_due_at: instant.nullable().meta({
          description: 'When the last of them is due; null when there are none.',
        }),
        after: z.string().nullable().meta({
          description: 'For the next call; null when the range is through.',
        }),
      }),
    },
    example: {
      id: kind.id,
      body: { from: '2026-03-01T00:00:00Z', to: '2026-03-02T00:00:00Z', status: 'dead', rate_per_second: 50 },
      answer: { queued: 120, last_due_at: '2026-03-05T08:00:02.400Z', after: null },
    },
  });
}

function sendSampleOf(kind: Kind, name: string) {
  return endpoint({
    name,
    method: 'post',
    path: `${kind.path}/{id}/test`,
    tag: kind.tag,
    summary: 'Send a marked sample',
    description: `At once, to the webhook and the emails of the ${kind.what}, to see that they arrive.`,
    idOf: kind.what,
    body: optionalJsonBody(noFields),
    answer: {
      status: 202,
      description: 'The deliveries of the sample; read them to see how they went.',
      schema: z.object({ fire_id: z.string(), deliveries: z.array(delivery) }),
    },
    problems: { 409: `The ${kind.what} has neither a webhook_url nor emails.` },
    example: {
      id: kind.id,
      answer: {
        fire_id: 'fire-sample-20',
        deliveries: [
          {
            ...DELIVERY_EXAMPLE,
            id: 'dlv-77aa',
            fire_id: 'fire-sample-20',
            sequence_id: kind.what === 'sequence' ? kind.id : null,
            trigger_id: kind.what === 'trigger' ? kind.id : null,
            state: 'pending',
            reason: null,
            attempts: 0,
            next_attempt_at: '2026-03-05T08:00:00.000Z',
            created_at: '2026-03-05T08:00:00.000Z',
            updated_at: '2026-03-05T08:00:00.000Z',
          },
        ],
      },
    },
  });
}

export const redeliverRange = redeliverRangeOf(SEQUENCE, 'redeliverSequence');
export const redeliverTriggerRange = redeliverRangeOf(TRIGGER, 'redeliverTrigger');
export const sendSample = sendSampleOf(SEQUENCE, 'testSequence');
export const sendTriggerSample = sendSampleOf(TRIGGER, 'testTrigger');
