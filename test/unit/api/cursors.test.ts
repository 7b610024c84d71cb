import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readCursor, writeCursor } from '../../../src/api/cursor.ts';
import { aDelivery, aFire, errorsOf, START_MS, startApi } from '../../support/api.ts';

const LISTS = ['/sequence-events', '/deliveries'] as const;

/** Five entries in each list; the newest are named first. */
function startFilledApi() {
  const api = startApi();
  const numbers = [5, 4, 3, 2, 1];
  api.world.fires = numbers.map((n) => aFire({ id: `fire-${n}`, firedAtMicros: START_MS * 1000 + n }));
  api.world.deliveries = numbers.map((n) => aDelivery({ id: `dlv-${n}`, createdAtMs: START_MS + n }));
  return api;
}

interface ListAnswer {
  readonly events?: readonly { readonly id: string }[];
  readonly deliveries?: readonly { readonly id: string }[];
  readonly total: number;
  readonly page: number | null;
  readonly limit: number;
  readonly next_cursor: string | null;
}

function idsIn({ events, deliveries }: ListAnswer): readonly string[] {
  return (events ?? deliveries ?? []).map(({ id }) => id.replace(/^\w+-/, ''));
}

describe.each(LISTS)('a cursor of %s', (list) => {
  it('leads on behind the page that gave it, until it is null', async () => {
    const { call } = startFilledApi();
    const pages: ListAnswer[] = [];
    for (let query = 'limit=2'; query !== ''; ) {
      const answer = (await call('GET', `${list}?${query}`)).json as unknown as ListAnswer;
      pages.push(answer);
      query = answer.next_cursor === null ? '' : `limit=2&cursor=${answer.next_cursor}`;
    }
    expect(pages.map(idsIn)).toEqual([['5', '4'], ['3', '2'], ['1']]);
    expect(pages.map(({ page, total, limit }) => [page, total, limit])).toEqual([
      [1, 5, 2],
      [null, 5, 2],
      [null, 5, 2],
    ]);
  });

  it('is given by pages with a number too, and is null on the last one however full that is', async () => {
    const { call } = startFilledApi();
    const { json } = await call('GET', `${list}?limit=2&page=2`);
    const behind = await call('GET', `${list}?limit=2&cursor=${json.next_cursor}`);
    expect(idsIn(behind.json as unknown as ListAnswer)).toEqual(['1']);
    expect((await call('GET', `${list}?limit=5`)).json.next_cursor).toBeNull();
  });

  it('is refused together with a page', async () => {
    const { call } = startFilledApi();
    const { json } = await call('GET', `${list}?limit=2`);
    const answer = await call('GET', `${list}?page=1&cursor=${json.next_cursor}`);
    expect(answer.status).toBe(400);
    expect(errorsOf(answer).get('cursor')).toBe('cannot be given together with page');
  });

  it.each([
    '',
    'MS5maXJl!',
    'bm90aGluZw',
    Buffer.from('1.').toString('base64url'),
    Buffer.from('01.fire-1').toString('base64url'),
    Buffer.from('-0.fire-1').toString('base64url'),
    Buffer.from('9007199254740993.fire-1').toString('base64url'),
    Buffer.from('1.fire 1').toString('base64url'),
    `${Buffer.from('1.fire-1').toString('base64url')}=`,
  ])('is refused where no answer gave it: %j', async (cursor) => {
    const { call } = startFilledApi();
    const answer = await call('GET', `${list}?cursor=${encodeURIComponent(cursor)}`);
    expect(answer.status).toBe(400);
    expect(errorsOf(answer).get('cursor')).toMatch(/^must be the next_cursor of an earlier answer; got /);
  });
});

it('any place is read from its cursor', () => {
  const ids = fc.stringMatching(/^[\w.:-]{1,128}$/);
  fc.assert(
    fc.property(fc.maxSafeInteger(), ids, (time, id) => {
      expect(readCursor(writeCursor({ time, id })!)).toEqual({ time, id });
    }),
  );
});
