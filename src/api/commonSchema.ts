import { z } from 'zod';
import { parseInstant } from '../model/instant.ts';
import { readCursor } from './cursor.ts';
import { exactObject, sentence, textOfBytes } from './validation.ts';

const PAGE_MAX = 1_000_000_000;
const LIMIT_MAX = 100;
const LIMIT_DEFAULT = 25;

function integerText(min: number, max: number, byDefault: number) {
  return integerOrNothing(min, max, byDefault).default(byDefault);
}

/** Without a default in what is read, for who has to know whether the parameter was given. */
function integerOrNothing(min: number, max: number, byDefault: number) {
  const error = `an integer from ${min} to ${max.toLocaleString('en-US')}`;
  return z
    .string({ error })
    .refine((text) => /^\d{1,10}$/.test(text) && Number(text) >= min && Number(text) <= max, { error })
    .meta({ type: 'integer', minimum: min, maximum: max, default: byDefault })
    .transform(Number);
}

const INSTANT = 'an RFC 3339 instant such as 2026-03-01T09:30:00Z';
const YEARS = 'in the years 1684 to 2255';

function instantRead(allowed: string) {
  return z
    .string({ error: allowed })
    .refine((text) => parseInstant(text) !== undefined, { error: allowed })
    .meta({ format: 'date-time', description: sentence(allowed) })
    .transform((text) => parseInstant(text) ?? 0);
}

/** A parameter such as `from` and `to`: an instant, as microseconds. */
export const instantText = instantRead(`${INSTANT} (in a query a + is written %2B), ${YEARS}`);

/** The same as a field of a body. */
export const instantField = instantRead(`${INSTANT}, ${YEARS}`);

/** A time in an answer. */
export const instant = z.string().meta({ format: 'date-time' });
/** A number of things in an answer. */
export const count = z.int().min(0);

/** `page` and `limit`, which every list takes. */
export const pageFields = {
  page: integerText(1, PAGE_MAX, 1),
  limit: integerText(1, LIMIT_MAX, LIMIT_DEFAULT),
};

const cursorAllowed = 'the next_cursor of an earlier answer';

/** The same for a list that can also be read on from a place, with `next_cursor` in its answers. */
export const cursorPageFields = {
  page: integerOrNothing(1, PAGE_MAX, 1).optional(),
  limit: pageFields.limit,
  cursor: z
    .string({ error: cursorAllowed })
    .refine((text) => readCursor(text) !== undefined, { error: cursorAllowed })
    .meta({ description: 'Instead of `page`: the `next_cursor` of an earlier answer, to read on behind it.' })
    .transform((text) => readCursor(text) ?? null)
    .optional(),
};

const flagAllowed = 'true or false';
export const booleanText = z
  .enum(['true', 'false'], { error: flagAllowed })
  .meta({ type: 'boolean', enum: [true, false] })
  .transform((text) => text === 'true');

const idAllowed = 'an id of 1 to 128 letters, digits, and _ - . :';
const ID_PATTERN = /^[\w.:-]{1,128}$/;
export const sequenceIdText = z.string({ error: idAllowed }).regex(ID_PATTERN, { error: idAllowed });
export const leadIdText = textOfBytes({ min: 1, max: 256, characters: 'any' });

/** What cannot be the id of anything never reaches a store as a key. */
export function isPlausibleId(id: string): boolean {
  return ID_PATTERN.test(id);
}

/** What every page of a list says of itself. */
export const pageInfo = {
  total: count.meta({ description: 'How many the filters let through, on all pages.' }),
  page: count,
  limit: count,
};

/** The same of a list that takes a cursor. */
export const cursorPageInfo = {
  ...pageInfo,
  page: count.nullable().meta({ description: 'Null where the request had a cursor.' }),
  next_cursor: z.string().nullable().meta({ description: 'To read on behind this page; null at the end.' }),
};

export const pageQuery = exactObject(pageFields);
export const noParameters = exactObject({});
/** The body of a POST that needs none: empty, or an empty object. */
export const noFields = exactObject({});
