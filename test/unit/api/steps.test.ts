import { describe, expect, it } from 'vitest';
import { errorsOf, startApi } from '../../support/api.ts';

const RICH_SEQUENCE = {
  event_types: [
    'view',
    { event_type: 'view' },
    {
      any_of: ['trial', 'demo'],
      where: { 'metadata.plan': { prefix: 'pro' }, score: { gte: 10 } },
      count: 2,
    },
    { event_type: 'buy', where: { 'metadata.total': { gte: 1.5, lte: 100 } } },
  ],
  exclude: ['refund', 'cancel'],
  ordered: true,
  max_gap_seconds: 60,
};

describe('a sequence with steps that ask for more', () => {
  it('comes back as it was given: a string as a string, an object as an object', async () => {
    const { call, create } = startApi();
    const { webhook_secret: _secret, ...created } = await create(RICH_SEQUENCE);
    expect(created).toMatchObject(RICH_SEQUENCE);
    expect((await call('GET', `/sequences/${created.id}`)).json).toEqual(created);
  });

  it('comes back in one form: no count of 1, no null, paths, tests and listed values in order, none twice', async () => {
    const { create } = startApi();
    const where = {
      score: { lte: 2, gte: 1 },
      'metadata.b': { in: [2, 'x', 2, 1] },
      'metadata.a': { exists: true },
    };
    const { event_types: shown } = await create({
      event_types: [
        { count: 1, where, event_type: 'view' },
        { event_type: 'buy', where: null, count: null },
      ],
    });
    expect(JSON.stringify(shown)).toBe(
      JSON.stringify([
        {
          event_type: 'view',
          where: {
            'metadata.a': { exists: true },
            'metadata.b': { in: ['x', 1, 2] },
            score: { gte: 1, lte: 2 },
          },
        },
        { event_type: 'buy' },
      ]),
    );
  });

  it('has no new version when it is sent again, whatever the order within it', async () => {
    const { call, create, world } = startApi();
    const { id } = await create(RICH_SEQUENCE);
    const again = {
      ...RICH_SEQUENCE,
      event_types: RICH_SEQUENCE.event_types.with(2, {
        count: 2,
        where: { score: { gte: 10 }, 'metadata.plan': { prefix: 'pro' } },
        any_of: ['trial', 'demo'],
      }),
    };
    expect((await call('PUT', `/sequences/${id}`, { body: again })).json.version).toBe(1);
    expect(world.catalogWrites).toBe(1);
  });

  it('loses what null clears, and keeps the rest', async () => {
    const { call, create } = startApi();
    const { id } = await create(RICH_SEQUENCE);
    const patch = async (body: object) => (await call('PATCH', `/sequences/${id}`, { body })).json;
    expect(await patch({ name: 'Other' })).toMatchObject({
      exclude: ['refund', 'cancel'],
      max_gap_seconds: 60,
    });
    expect(await patch({ exclude: null })).toMatchObject({ exclude: null, max_gap_seconds: 60, version: 3 });
    expect(await patch({ max_gap_seconds: null, ordered: false })).toMatchObject({
      max_gap_seconds: null,
      ordered: false,
      version: 4,
    });
  });
});

const SCALAR = 'a string of up to 256 characters, a number, true or false';
const TEST = 'an object with one or more of eq, in, prefix, gte, lte, exists';
const PATH = 'score, or a path below metadata such as metadata.plan.name, of up to 512 characters';
const DIFFERENT = 'a list of 2 to 20 different event types';
const step = (fields: object) => ({ event_types: ['a', fields] });
const where = (tests: unknown) => step({ event_type: 'x', where: tests });
const test = (fields: unknown) => where({ 'metadata.n': fields });

/** What is sent, the path that the error names, and what it says. */
const BAD: readonly (readonly [object, string, string])[] = [
  [
    step({}),
    'event_types[1]',
    'must be an object with event_type, or any_of and no event_type; got an object',
  ],
  [
    step({ event_type: 'x', any_of: ['y', 'z'] }),
    'event_types[1]',
    'must be an object with event_type, or any_of and no event_type; got an object',
  ],
  [
    step({ event_type: '' }),
    'event_types[1].event_type',
    'must be a string of 1 to 128 bytes, well-formed Unicode without NUL; got ""',
  ],
  [
    step({ event_type: 'x', types: 1 }),
    'event_types[1].types',
    'is not known here; known are event_type, any_of, where, count',
  ],
  [step({ any_of: ['x'] }), 'event_types[1].any_of', `must be ${DIFFERENT}; got a list of 1`],
  [
    step({ any_of: ['x', 'y', 'x'] }),
    'event_types[1].any_of[2]',
    'must be a type that does not stand in the list already; got "x"',
  ],
  [step({ any_of: Array(21).fill('x') }), 'event_types[1].any_of', `must be ${DIFFERENT}; got a list of 21`],
  [
    step({ any_of: ['x', 7] }),
    'event_types[1].any_of[1]',
    'must be a string of 1 to 128 bytes, well-formed Unicode without NUL; got 7',
  ],
  [step({ event_type: 'x', count: 0 }), 'event_types[1].count', 'must be an integer from 1 to 20; got 0'],
  [step({ event_type: 'x', count: 21 }), 'event_types[1].count', 'must be an integer from 1 to 20; got 21'],
  [step({ event_type: 'x', count: 1.5 }), 'event_types[1].count', 'must be an integer from 1 to 20; got 1.5'],
  [
    { event_types: ['a', { event_type: 'x', count: 20 }, { event_type: 'y', count: 20 }] },
    'event_types',
    'must be a list of 1 to 20 event types that stand for at most 40 steps; got a list of 3',
  ],
  [where({}), 'event_types[1].where', 'must be an object of 1 to 20 paths; got an object'],
  [where([]), 'event_types[1].where', 'must be an object of 1 to 20 paths; got a list of 0'],
  [
    where(Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`metadata.p${n}`, { eq: 1 }]))),
    'event_types[1].where',
    'must be an object of 1 to 20 paths; got an object',
  ],
  [where({ color: { eq: 1 } }), 'event_types[1].where.color', `must be ${PATH}; got "color"`],
  [where({ metadata: { eq: 1 } }), 'event_types[1].where.metadata', `must be ${PATH}; got "metadata"`],
  [
    where({ 'metadata.a..b': { eq: 1 } }),
    'event_types[1].where.metadata.a..b',
    `must be ${PATH}; got "metadata.a..b"`,
  ],
  [where({ 'score.a': { eq: 1 } }), 'event_types[1].where.score.a', `must be ${PATH}; got "score.a"`],
  [test({}), 'event_types[1].where.metadata.n', `must be ${TEST}; got an object`],
  [test(3), 'event_types[1].where.metadata.n', 'must be a JSON object; got 3'],
  [
    test({ regex: 'x' }),
    'event_types[1].where.metadata.n.regex',
    'is not known here; known are eq, in, prefix, gte, lte, exists',
  ],
  [test({ eq: null }), 'event_types[1].where.metadata.n.eq', `must be ${SCALAR}; got null`],
  [test({ eq: { a: 1 } }), 'event_types[1].where.metadata.n.eq', `must be ${SCALAR}; got an object`],
  [
    test({ in: [] }),
    'event_types[1].where.metadata.n.in',
    'must be a list of 1 to 100 strings, numbers, true or false; got a list of 0',
  ],
  [test({ in: [1, []] }), 'event_types[1].where.metadata.n.in[1]', `must be ${SCALAR}; got a list of 0`],
  [
    test({ prefix: '' }),
    'event_types[1].where.metadata.n.prefix',
    'must be a string of 1 to 256 characters, well-formed Unicode without NUL; got ""',
  ],
  [test({ gte: '3' }), 'event_types[1].where.metadata.n.gte', 'must be a number; got "3"'],
  [test({ lte: null }), 'event_types[1].where.metadata.n.lte', 'must be a number; got null'],
  [test({ exists: 1 }), 'event_types[1].where.metadata.n.exists', 'must be true or false; got 1'],
  [
    test({ exists: false, eq: 1 }),
    'event_types[1].where.metadata.n.exists',
    'must be true, or left out, beside what only a field that is there can be; got false',
  ],
  [
    { exclude: Array(21).fill('x') },
    'exclude',
    'must be a list of 0 to 20 different event types; got a list of 21',
  ],
  [{ exclude: ['x', 'x'] }, 'exclude[1]', 'must be a type that does not stand in the list already; got "x"'],
  [
    { exclude: ['x', { event_type: 'y' }] },
    'exclude[1]',
    'must be a string of 1 to 128 bytes, well-formed Unicode without NUL; got an object',
  ],
  [{ exclude: ['x', 'view'] }, 'exclude[1]', 'must be a type that no step has; got "view"'],
  [
    { event_types: [{ any_of: ['a', 'b'] }], exclude: ['b'] },
    'exclude[0]',
    'must be a type that no step has; got "b"',
  ],
  [
    { max_gap_seconds: 0, ordered: true },
    'max_gap_seconds',
    'must be an integer from 1 to 31,536,000; got 0',
  ],
  [{ max_gap_seconds: 60 }, 'max_gap_seconds', 'must be left out, or null, unless ordered is true; got 60'],
];

describe('a step that is not one is a 400 that names the field, the value and what is allowed', () => {
  const named = BAD.map(([fields, path, message]) => ({
    fields,
    sent: JSON.stringify(fields),
    path,
    message,
  }));

  it.each(named)('$path in $sent', async ({ fields, path, message }) => {
    const { call, world } = startApi();
    const body = { name: 'Buyers', event_types: ['view', 'buy'], window_seconds: 60, ...fields };
    const answer = await call('POST', '/sequences', { body });
    expect([answer.status, [...errorsOf(answer)]]).toEqual([400, [[path, message]]]);
    expect(world.catalogWrites).toBe(0);
  });

  it('also where a change makes fields contradict each other that were fine before', async () => {
    const { call, create, world } = startApi();
    const { id } = await create(RICH_SEQUENCE);
    const patch = async (body: object) => {
      const answer = await call('PATCH', `/sequences/${id}`, { body });
      return [answer.status, ...errorsOf(answer).keys()];
    };
    expect(await patch({ ordered: false })).toEqual([400, 'max_gap_seconds']);
    expect(await patch({ event_types: ['cancel'] })).toEqual([400, 'exclude[1]']);
    expect(await patch({ exclude: ['demo'] })).toEqual([400, 'exclude[0]']);
    expect(await patch({ ordered: false, max_gap_seconds: null })).toEqual([200]);
    expect(world.catalogWrites).toBe(2);
  });
});

describe('what is just within the limits is accepted', () => {
  it.each([
    { event_types: Array(20).fill({ event_type: 'x', count: 2 }) },
    { event_types: [{ any_of: Array.from({ length: 20 }, (_, n) => `type ${n}`), count: 20 }] },
    { exclude: Array.from({ length: 20 }, (_, n) => `type ${n}`) },
    {
      event_types: [
        { event_type: 'x', where: { [`metadata.${'é.'.repeat(250)}x`]: { eq: 'x'.repeat(256) } } },
      ],
    },
    { event_types: [{ event_type: 'x', where: { 'metadata.__proto__': { in: [false] } } }] },
    { ordered: true, max_gap_seconds: 31_536_000 },
  ])('%j', async (fields) => {
    const { create } = startApi();
    expect(await create(fields)).toMatchObject(fields);
  });
});
