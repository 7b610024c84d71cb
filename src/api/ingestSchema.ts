import { z } from 'zod';
import { parseInstant } from '../model/instant.ts';
import { exactObject, listOf, sentence, textOfBytes } from './validation.ts';

export const EVENTS_MAX = 1_000;
export const METADATA_BYTES_MAX = 100_000;
/** Deeper nesting serves no one and can exhaust the stack of whoever serializes it. */
const METADATA_DEPTH_MAX = 64;

const createdAtAllowed =
  'an RFC 3339 instant with an offset or Z, such as 2026-03-01T09:30:00.25Z, in the years 1684 to 2255';
const createdAt = z
  .string({ error: createdAtAllowed })
  .refine((text) => parseInstant(text) !== undefined, { error: createdAtAllowed })
  .meta({ format: 'date-time', description: sentence(createdAtAllowed) })
  .nullish();

const metadataAllowed = `a JSON object, nested at most ${METADATA_DEPTH_MAX} levels deep`;
/** Taken as it is: a schema of records would leave out a key named `__proto__`. */
const metadata = z
  .custom<Readonly<Record<string, unknown>>>(
    (value) => isObject(value) && isWithinDepth(value, METADATA_DEPTH_MAX),
    { error: metadataAllowed },
  )
  .meta({ type: 'object', description: `${sentence(metadataAllowed)} Conditions of steps look at it.` })
  .nullish();

const scoreAllowed = 'a number';
const score = z
  .number({ error: scoreAllowed })
  .meta({ description: "The lead's score after the event, which milestone triggers watch." })
  .nullish();

/** One event. Fields that are not listed are dropped (R14); null is the same as absent. */
export const event = z
  .object(
    {
      lead_id: textOfBytes({ min: 1, max: 256, characters: 'any' }),
      event_type: textOfBytes({ min: 1, max: 128, characters: 'any' }),
      id: textOfBytes({ min: 1, max: 256, characters: 'any' }).nullish(),
      created_at: createdAt,
      timestamp: createdAt,
      metadata,
      score,
    },
    { error: 'a JSON object' },
  )
  .superRefine((value, context) => {
    const { created_at, timestamp } = value;
    if (!created_at || !timestamp || parseInstant(created_at) === parseInstant(timestamp)) return;
    context.addIssue({
      code: 'custom',
      path: ['timestamp'],
      input: timestamp,
      message: 'left out where created_at is given, which is the same field',
    });
  });

/** Several events. Checked as one list, which takes a third to two fifths of the time of one by one. */
export const batch = exactObject({ events: listOf(event, 1, EVENTS_MAX, 'events') });

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isWithinDepth(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((each) => isWithinDepth(each, levels - 1));
}
