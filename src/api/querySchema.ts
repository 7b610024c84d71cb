import { z } from 'zod';
import { parseInstant } from '../model/instant.ts';
import { exactObject, textOfBytes } from './validation.ts';

const PAGE_MAX = 1_000_000_000;
const LIMIT_MAX = 100;
const LIMIT_DEFAULT = 25;

function integerText(min: number, max: number, byDefault: number) {
  const error = `an integer from ${min} to ${max.toLocaleString('en-US')}`;
  return z
    .string({ error })
    .refine((text) => /^\d{1,10}$/.test(text) && Number(text) >= min && Number(text) <= max, { error })
    .transform(Number)
    .default(byDefault);
}

const instantAllowed =
  'an RFC 3339 instant such as 2026-03-01T09:30:00Z (in a query a + is written %2B), in the years 1684 to 2255';

/** `from` and `to`: an instant, as microseconds. */
export const instantText = z
  .string({ error: instantAllowed })
  .refine((text) => parseInstant(text) !== undefined, { error: instantAllowed })
  .transform((text) => parseInstant(text) ?? 0);

/** `page` and `limit`, which every list takes. */
export const pageFields = {
  page: integerText(1, PAGE_MAX, 1),
  limit: integerText(1, LIMIT_MAX, LIMIT_DEFAULT),
};

const idAllowed = 'an id of 1 to 128 letters, digits, and _ - . :';
export const sequenceIdText = z.string({ error: idAllowed }).refine(isPlausibleId, { error: idAllowed });
export const leadIdText = textOfBytes({ min: 1, max: 256, characters: 'any' });

/** What cannot be the id of anything never reaches a store as a key. */
export function isPlausibleId(id: string): boolean {
  return /^[\w.:-]{1,128}$/.test(id);
}

export const pageQuery = exactObject(pageFields);
export const noParameters = exactObject({});
