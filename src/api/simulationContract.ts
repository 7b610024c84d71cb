import { z } from 'zod';
import type { RejectionReason } from '../model/event.ts';
import { count, instant, leadIdText } from './commonSchema.ts';
import { endpoint, type RequestBody, type Shown } from './endpoint.ts';
import { readEvents, simulatedId } from './ingestBody.ts';
import { EVENTS_MAX, event } from './ingestSchema.ts';
import type { SimulationInput } from './ports.ts';
import { readBody } from './request.ts';
import { type NewSequence, newSequence } from './sequenceSchema.ts';
import { eventFields, standingFields } from './standingContract.ts';
import { documented, exactObject, integer, listOf } from './validation.ts';

/** A million events took 8.5 s beside an idle feed, and some eight times as long beside a busy one. */
const TIME_LIMIT_SECONDS_DEFAULT = 30;
const TIME_LIMIT_SECONDS_MAX = 300;
const MODES = ['events', 'lead_id', 'lookback_days'] as const;

/** The entries of `events` are checked where they are read, as those of an ingest are. */
const input = {
  events: listOf(z.unknown(), 1, EVENTS_MAX, 'events')
    .meta({
      items: documented(event),
      description: 'As `/ingest` takes them, and as if they arrived now, in this order.',
    })
    .nullish(),
  lead_id: leadIdText.nullish().meta({ description: 'The events of this lead that are held now.' }),
  lookback_days: integer(1, 365)
    .nullish()
    .meta({ description: 'What the stream still holds of these days, from the oldest event on.' }),
  time_limit_seconds: integer(1, TIME_LIMIT_SECONDS_MAX)
    .nullish()
    .meta({
      description: `Of a look-back; ${TIME_LIMIT_SECONDS_DEFAULT} unless told otherwise. The client, and any proxy between, must wait for the answer as long.`,
    }),
};
const inputObject = exactObject(input);
type Input = z.infer<typeof inputObject>;

const ofSaved = inputObject.superRefine(requireOneMode);
const ofNew = exactObject({
  sequence: newSequence.meta({ description: 'As for `POST /sequences`; it is not saved.' }),
  ...input,
}).superRefine(requireOneMode);

function requireOneMode(value: Input, context: z.RefinementCtx): void {
  const [mode, ...others] = MODES.filter((name) => given(value[name]));
  const refuse = (path: keyof Input, message: string) =>
    context.addIssue({ code: 'custom', path: [path], input: value[path], message });
  if (mode === undefined) {
    const message = 'an object with exactly one of events, lead_id and lookback_days';
    context.addIssue({ code: 'custom', path: [], input: value, message });
    return;
  }
  for (const other of others) refuse(other, `left out where ${mode} is given`);
  if (given(value.time_limit_seconds) && !given(value.lookback_days)) {
    refuse('time_limit_seconds', 'left out unless lookback_days is given');
  }
}

function given(value: unknown): boolean {
  return value !== null && value !== undefined;
}

/** After `requireOneMode`. */
function toInput({ events, lead_id, lookback_days, time_limit_seconds }: Input): SimulationInput {
  if (typeof lead_id === 'string') return { kind: 'lead', leadId: lead_id };
  if (typeof lookback_days === 'number') {
    const timeLimitSeconds = time_limit_seconds ?? TIME_LIMIT_SECONDS_DEFAULT;
    return { kind: 'look_back', days: lookback_days, timeLimitSeconds };
  }
  return { kind: 'events', events: readEvents({ events }, simulatedId) };
}

const savedBody: RequestBody<SimulationInput> = {
  schema: ofSaved,
  isRequired: true,
  read: async (context) => toInput(await readBody(context, ofSaved)),
};
const newBody: RequestBody<{ readonly sequence: NewSequence; readonly input: SimulationInput }> = {
  schema: ofNew,
  isRequired: true,
  read: async (context) => {
    const { sequence, ...rest } = await readBody(context, ofNew);
    return { sequence, input: toInput(rest) };
  },
};

const REASONS = [
  'not_json',
  'missing_field',
  'invalid_field',
  'too_large',
  'invalid_subject',
  'too_late',
  'in_future',
] as const satisfies readonly RejectionReason[];

const simulation = z
  .object({
    fires: z
      .array(
        z.object({
          lead_id: z.string(),
          events: z.array(z.object(eventFields)),
          completed_at: instant,
          late: z.boolean(),
          stale: z.boolean().meta({ description: 'Recorded and not sent, by `max_fire_delay_seconds`.' }),
        }),
      )
      .meta({ description: 'The first 100.' }),
    fire_count: count,
    lead_count: count.meta({ description: 'Leads that fire.' }),
    scanned_events: count,
    from: instant.nullable().meta({
      description:
        'The earliest `created_at` of the events; of a look-back the arrival of the first event. Null: there were none.',
    }),
    to: instant.nullable().meta({ description: 'The same of the latest, or the last.' }),
    counts: z
      .object({
        duplicates: count,
        unlisted: count.meta({ description: 'Events of types that no sequence lists.' }),
        late_fires: count,
        stale_fires: count,
        suppressed: z.object({ once_per_lead: count, cooldown: count }),
        rejected: z.object(
          Object.fromEntries(REASONS.map((reason) => [reason, count])) as Record<
            RejectionReason,
            typeof count
          >,
        ),
      })
      .meta({ description: 'What became of the events, and of completions that did not simply fire.' }),
    progress: z.object({
      complete: z.boolean().meta({ description: 'False: the time was over before all was looked at.' }),
      fraction: z.number().min(0).max(1).meta({ description: 'How much was looked at.' }),
      leads_after_step: z.array(count).meta({
        description: 'For each step, the leads that stand behind it at the end.',
      }),
      lead: z
        .object({
          ...standingFields,
          types_not_held: z.array(z.string()).meta({
            description:
              'Types of steps, and excluded ones, whose events are not held for as long as the window, because no saved sequence asks for that. One that is saved with `backfill` has them read.',
          }),
        })
        .nullable()
        .meta({ description: 'With `lead_id`: how far it is behind its last fire; else null.' }),
    }),
  })
  .meta({ id: 'Simulation' });

export type SimulationView = Shown<z.infer<typeof simulation>>;
export const NONE_REJECTED = Object.fromEntries(REASONS.map((reason) => [reason, 0])) as Record<
  RejectionReason,
  number
>;

const EVENTS = [
  { id: 'e1', event_type: 'pricing_page', created_at: '2026-02-27T17:05:00Z' },
  { id: 'e2', event_type: 'demo_request', created_at: '2026-03-01T09:30:00Z' },
];
const EXAMPLE: SimulationView = {
  fires: [
    { lead_id: 'ada', events: EVENTS, completed_at: '2026-03-01T09:30:00Z', late: false, stale: false },
  ],
  fire_count: 1,
  lead_count: 1,
  scanned_events: 2,
  from: '2026-02-27T17:05:00Z',
  to: '2026-03-01T09:30:00Z',
  counts: {
    duplicates: 0,
    unlisted: 0,
    late_fires: 0,
    stale_fires: 0,
    suppressed: { once_per_lead: 0, cooldown: 0 },
    rejected: NONE_REJECTED,
  },
  progress: { complete: true, fraction: 1, leads_after_step: [0, 0], lead: null },
};

const ABOUT =
  'Nothing is sent, saved or changed. An inactive sequence is taken as active; nothing counts as used up before, and the other sequences count only in that they have events held. Exactly one of `events`, `lead_id` and `lookback_days` says what it is tried on. Of a look-back, completions need all their events within it; there is one at a time.';
const common = {
  method: 'post',
  role: 'read',
  tag: 'Sequences',
  answer: { status: 200, description: 'What would have fired.', schema: simulation },
  problems: { 503: 'Another look-back is under way, or the stream cannot be read; try again.' },
} as const;

export const simulateSequence = endpoint({
  ...common,
  name: 'simulateSequence',
  path: '/sequences/{id}/simulate',
  summary: 'Try a sequence on events',
  description: ABOUT,
  idOf: 'sequence',
  body: savedBody,
  example: { id: 'seq-51d0', body: { lookback_days: 7 }, answer: EXAMPLE },
});

export const simulateNewSequence = endpoint({
  ...common,
  name: 'simulateNewSequence',
  path: '/sequences/simulate',
  summary: 'Try a sequence that is not saved',
  description: ABOUT,
  body: newBody,
  example: {
    body: {
      sequence: {
        name: 'Wants a demo',
        event_types: EVENTS.map(({ event_type }) => event_type),
        window_seconds: 604_800,
        ordered: true,
      },
      events: EVENTS.map((each) => ({ ...each, lead_id: 'ada' })),
    },
    answer: EXAMPLE,
  },
});
