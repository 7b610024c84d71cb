import type { Table } from './environment.ts';
import type { RangeCounts, TimeRange } from './rangeCounts.ts';

type Key = Array<string | number>;

/** Where an entry lies in a list: its time, in the unit of the index, and its id. */
export interface ListPlace {
  readonly time: number;
  readonly id: string;
}

/** Which part of a list: a page by its number, 1 for the first, or what comes behind a place. */
export interface PageQuery {
  readonly page: number;
  readonly limit: number;
  /** Absent or null: `page` says where to begin; else it counts for nothing. */
  readonly after?: ListPlace | null | undefined;
}

/**
 * The entries of a page, the newest first, then by id backwards, and the place of the last one where more follow.
 * A place goes on meaning the same whatever is added or removed meanwhile, also its own entry.
 */
export function readPage(
  index: Table,
  counts: RangeCounts,
  prefix: Key,
  range: TimeRange,
  query: PageQuery,
): { readonly ids: readonly string[]; readonly next: ListPlace | null } {
  const keys = [
    ...index.getKeys({
      ...beginning(counts, prefix, range, query),
      end: [...prefix, range.from],
      reverse: true,
      limit: query.limit + 1,
    }),
  ];
  const shown = keys.slice(0, query.limit);
  const last = shown.at(-1);
  const isLast = last === undefined || keys.length <= query.limit;
  return {
    ids: shown.map((key) => String(key.at(-1))),
    next: isLast ? null : { time: Number(last.at(-2)), id: String(last.at(-1)) },
  };
}

function beginning(counts: RangeCounts, prefix: Key, range: TimeRange, { page, limit, after }: PageQuery) {
  if (after === undefined || after === null) {
    const { end, offset } = counts.skip(prefix, range.end, (page - 1) * limit);
    return { start: [...prefix, end], offset };
  }
  if (after.time >= range.end) return { start: [...prefix, range.end] };
  return { start: [...prefix, after.time, after.id], exclusiveStart: true };
}
