import { Dice } from './dice.ts';

/** The messages of a campaign: each is a function of the seed and its index, but for the moment it is sent at. */

export const OUS = ['alpha', 'beta', 'gamma'] as const;
export type Ou = (typeof OUS)[number];

/** The campaign's ALLOWED_LATENESS_SECONDS, short, so that leads go silent and events come too late. */
export const LATENESS_SECONDS = 8;

const TYPES = 10;
/** Leads take turns: a few are busy at a time, then silent for long enough to be forgotten. */
const LEADS = 400;
const BUSY_LEADS = 30;
const COHORT_MESSAGES = 400;
const COHORT_STEP = 13;
const REPEATED_BACK_MAX = 60;

export interface PlannedMessage {
  /** Goes into `Nats-Msg-Id`, so that a message which is sent again is recognized. */
  readonly messageId: string;
  readonly ou: Ou;
  readonly subject: string;
  /** Why the program has to reject it, whatever else; null for a proper event. */
  readonly malformed: 'not_json' | 'missing_field' | 'invalid_field' | null;
  /** The body when sent at this wall-clock time. */
  body(nowMs: number): string;
}

export function typeName(number: number): string {
  return `type ${number}`;
}

/** Types drawn so that the lower numbers are more frequent. */
export function drawType(dice: Dice): string {
  return typeName(Math.floor(TYPES * dice.fraction() ** 1.5));
}

export function plannedMessage(seed: number, index: number): PlannedMessage {
  const dice = new Dice(seed, 'message', index);
  const messageId = `m${index}`;
  if (dice.chance(0.02)) return malformedMessage(dice, messageId);
  const { ou, leadId, type, id } = dice.chance(0.04)
    ? identity(seed, Math.max(0, index - dice.integer(1, REPEATED_BACK_MAX)))
    : identity(seed, index);
  const time = drawTime(dice);
  const own = dice.chance(0.05) ? {} : { id };
  return {
    messageId,
    ou,
    subject: dice.chance(0.5) ? `events.${ou}` : `events.${ou}.web`,
    malformed: null,
    body: (nowMs) => JSON.stringify({ ...own, lead_id: leadId, event_type: type, ...timeField(time, nowMs) }),
  };
}

/** The index in a message id of `plannedMessage`. */
export function indexOf(messageId: string): number {
  return Number(messageId.slice(1));
}

/** Whose event it is, and which. Neighbours now and then share an id: those are unique per lead only. */
function identity(seed: number, index: number) {
  const dice = new Dice(seed, 'identity', index);
  const cohort = Math.floor(index / COHORT_MESSAGES);
  const lead = (cohort * COHORT_STEP + dice.integer(0, BUSY_LEADS - 1)) % LEADS;
  return {
    ou: dice.pick(OUS),
    leadId: lead % 7 === 0 ? `Äbc lead ${lead}` : `lead ${lead}`,
    type: drawType(dice),
    id: dice.chance(0.1) ? `e${Math.max(0, index - 1)}` : `e${index}`,
  };
}

interface DrawnTime {
  readonly field: 'created_at' | 'timestamp' | null;
  /** Against the moment of sending. */
  readonly offsetMs: number;
  /** Times of whole seconds make ties. */
  readonly wholeSecond: boolean;
  readonly micros: number;
}

function drawTime(dice: Dice): DrawnTime {
  const kind = dice.fraction();
  const [oldestMs, youngestMs] =
    kind < 0.74
      ? [0, 0]
      : kind < 0.94
        ? [-6_000, 0]
        : kind < 0.97
          ? [-25_000, -7_000]
          : kind < 0.99
            ? [0, 2_000]
            : [400_000, 500_000];
  return {
    field: dice.chance(0.05) ? null : dice.chance(0.1) ? 'timestamp' : 'created_at',
    offsetMs: dice.integer(oldestMs, youngestMs),
    wholeSecond: dice.chance(0.2),
    micros: dice.integer(0, 999),
  };
}

function timeField({ field, offsetMs, wholeSecond, micros }: DrawnTime, nowMs: number): object {
  if (field === null) return {};
  const timeMs = nowMs + offsetMs;
  const text = wholeSecond
    ? new Date(timeMs - (timeMs % 1_000)).toISOString()
    : `${new Date(timeMs).toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}Z`;
  return { [field]: text };
}

function malformedMessage(dice: Dice, messageId: string): PlannedMessage {
  const lead_id = `lead ${dice.integer(0, LEADS - 1)}`;
  const event_type = drawType(dice);
  const [malformed, body] = dice.pick([
    ['not_json', '{"lead_id":'],
    ['not_json', ''],
    ['not_json', '["lead"]'],
    ['missing_field', JSON.stringify({ event_type })],
    ['missing_field', JSON.stringify({ lead_id })],
    ['invalid_field', JSON.stringify({ lead_id, event_type, created_at: 'yesterday' })],
    ['invalid_field', JSON.stringify({ lead_id, event_type: 7 })],
  ] as const);
  const ou = dice.pick(OUS);
  return { messageId, ou, subject: `events.${ou}`, malformed, body: () => body };
}
