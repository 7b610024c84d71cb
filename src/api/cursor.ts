import type { ListPlace, Part } from './ports.ts';
import { invalid } from './problem.ts';

/** A time as a whole number, a point, an id. */
const PLACE_PATTERN = /^(-?\d{1,16})\.([\w.:-]{1,128})$/;

/** A place as clients get it: a text that means nothing to them. */
export function writeCursor(place: ListPlace | null): string | null {
  return place === null ? null : Buffer.from(`${place.time}.${place.id}`).toString('base64url');
}

/** Reads what `writeCursor` wrote; undefined: it did not write this. */
export function readCursor(text: string): ListPlace | undefined {
  const [, time, id] = PLACE_PATTERN.exec(Buffer.from(text, 'base64url').toString()) ?? [];
  if (time === undefined || id === undefined) return undefined;
  const place = { time: Number(time), id };
  // Decoding passes over what is no base64, and a number can be written in several ways.
  return writeCursor(place) === text ? place : undefined;
}

interface PartQuery {
  readonly page?: number | undefined;
  readonly limit: number;
  readonly cursor?: ListPlace | null | undefined;
}

/** Which part of a list a query asks for. Throws a 400 where it names a page and a cursor. */
export function partOf({ page, limit, cursor = null }: PartQuery): Part {
  if (cursor !== null && page !== undefined) {
    throw invalid([{ path: 'cursor', message: 'cannot be given together with page' }], 'query');
  }
  return { page: page ?? 1, limit, after: cursor };
}

/** What a page says of itself beside `total`. */
export function partInfo({ page, limit, after }: Part, next: ListPlace | null) {
  return { page: after === null ? page : null, limit, next_cursor: writeCursor(next) };
}
