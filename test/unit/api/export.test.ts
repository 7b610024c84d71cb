import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Fire } from '../../../src/model/fire.ts';
import { aDelivery, aFire, START_MS, startApi, TOKEN_TWO } from '../../support/api.ts';

const COLUMNS = [
  'id',
  'sequence_id',
  'sequence_name',
  'lead_id',
  'event_types',
  'fired_at',
  'completed_at',
  'late',
  'delivery',
  'event_ids',
];
const START_MICROS = START_MS * 1000;

async function exported(fires: readonly Fire[], query = '', options = {}) {
  const { call, world } = startApi();
  world.fires = [...fires];
  world.deliveries = [aDelivery({ state: 'dead' })];
  const answer = await call('GET', `/sequence-events/export${query}`, options);
  return { ...answer, rows: parse(answer.text, { record_delimiter: '\r\n' }) };
}

/** As the documentation says that a program does it. */
const unguarded = (cell: string) => (cell.startsWith("'") ? cell.slice(1) : cell);
const listIn = (cell: string) => cell.split(' > ').map((entry) => entry.replaceAll(/\\([\\>])/g, '$1'));

describe('GET /sequence-events/export', () => {
  it('answers a file with a row for each fire below the names of the columns', async () => {
    const answer = await exported([aFire({ late: true })]);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="sequence-events.csv"');
    expect(answer.text).toBe(
      `${COLUMNS.join(',')}\r\nfire-1,seq-1,Buyers,lead-1,view > buy,2026-01-01T00:00:01Z,2026-01-01T00:00:00.25Z,true,dead,e1 > e2\r\n`,
    );
  });

  it('answers the names of the columns alone where there is no fire', async () => {
    expect((await exported([])).text).toBe(`${COLUMNS.join(',')}\r\n`);
    expect((await exported([aFire()], '', { token: TOKEN_TWO })).rows).toEqual([COLUMNS]);
  });

  it('has every fire once, newest first, also where there are more than are read at a time', async () => {
    const numbers = Array.from({ length: 450 }, (_, n) => n);
    const fires = numbers.map((n) => aFire({ id: `fire-${n}`, firedAtMicros: START_MICROS + n }));
    const { rows } = await exported(fires);
    expect(rows.map(([id]) => id)).toEqual(['id', ...numbers.map((n) => `fire-${n}`).reverse()]);
  });

  it.each([
    ['?sequence_id=seq-2', ['fire-2']],
    ['?lead_id=ada', ['fire-3']],
    ['?from=2026-01-01T00:00:02Z&to=2026-01-01T00:00:02Z', ['fire-2']],
  ])('takes the filters of the list: %s', async (query, expected) => {
    const { rows } = await exported(
      [
        aFire({ id: 'fire-1', firedAtMicros: START_MICROS + 1_000_000 }),
        aFire({ id: 'fire-2', firedAtMicros: START_MICROS + 2_000_000, sequenceId: 'seq-2' }),
        aFire({ id: 'fire-3', firedAtMicros: START_MICROS + 3_000_000, leadId: 'ada' }),
      ],
      query,
    );
    expect(rows.slice(1).map(([id]) => id)).toEqual(expected);
  });

  it.each([
    '?page=1',
    '?limit=5',
    '?cursor=x',
    '?from=now',
    '?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z',
  ])('refuses %s', async (query) => {
    const { call } = startApi();
    const answer = await call('GET', `/sequence-events/export${query}`);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([400, 'application/problem+json']);
  });

  it('answers HEAD like GET, without a body', async () => {
    const answer = await exported([aFire()], '', {});
    const { call, world } = startApi();
    world.fires = [aFire()];
    const head = await call('HEAD', '/sequence-events/export');
    expect([head.status, head.text]).toEqual([200, '']);
    const headersOf = ({ headers }: typeof head) => [...headers].filter(([name]) => name !== 'x-request-id');
    expect(headersOf(head)).toEqual(headersOf(answer));
  });

  it('answers 500 where the first fires cannot be read', async () => {
    const { call, ports, world } = startApi();
    const { call: broken } = startApi({
      fires: { ...ports.fires, readFires: () => Promise.reject(new Error('the disk is gone')) },
    });
    world.fires = [aFire()];
    expect((await broken('GET', '/sequence-events/export')).status).toBe(500);
    expect((await call('GET', '/sequence-events/export')).status).toBe(200);
  });
});

describe('a cell of the export', () => {
  const pieces = fc.constantFrom(
    ...['=', '+', '-', '@', '\t', '\r', '\n', '\r\n', ' ', "'", '"', '""', ',', ';', '>', ' > ', '\\', '\0'],
    ...['\u00a0', '\ufeff', '\u200b', '\uff1d', 'é', '😀', 'a', '=1+1', '#', '|'],
  );
  const hostile = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(pieces).map((parts) => parts.join('')),
  );
  const texts = fc.array(hostile, { minLength: 1, maxLength: 4 });

  it('comes back as it was from a parser of RFC 4180, whatever it holds', async () => {
    await fc.assert(
      fc.asyncProperty(hostile, hostile, texts, texts, async (sequenceName, leadId, eventTypes, ids) => {
        const events = ids.map((id) => ({ id, type: 'view', timeMicros: START_MICROS }));
        const { rows } = await exported([aFire({ sequenceName, leadId, eventTypes, events })]);
        expect(rows).toHaveLength(2);
        const cells = rows[1]!.map(unguarded);
        expect(cells).toHaveLength(COLUMNS.length);
        expect([cells[2], cells[3]]).toEqual([sequenceName, leadId]);
        expect([listIn(cells[4]!), listIn(cells[9]!)]).toEqual([eventTypes, ids]);
      }),
      { numRuns: 500 },
    );
  });

  it('never begins as a formula does, also behind white space and in wide characters', async () => {
    await fc.assert(
      fc.asyncProperty(hostile, texts, async (leadId, eventTypes) => {
        const { rows } = await exported([aFire({ leadId, eventTypes })]);
        const begins = rows.flat().map((cell) => cell.replace(/^[\s\0\u200b]+/u, '').slice(0, 1));
        for (const begin of begins) expect('=+-@\uff1d').not.toContain(begin === '' ? 'nothing' : begin);
        expect(rows.flat().filter((cell) => /^[\t\r\n]/.test(cell))).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['=1+1', "'=1+1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['-2', "'-2"],
    [' \u00a0+x', "' \u00a0+x"],
    ['\tx', "'\tx"],
    ["'quoted", "''quoted"],
    ['a=b', 'a=b'],
    ['a\rb', '"a\rb"'],
    ['a,"b"', '"a,""b"""'],
    ['=a\nb', '"\'=a\nb"'],
  ])('%j is written as %j', async (leadId, written) => {
    const { text } = await exported([aFire({ leadId })]);
    expect(text.split(',Buyers,')[1]?.split(',view > buy,')[0]).toBe(written);
  });
});
