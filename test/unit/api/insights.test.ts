import { describe, expect, it } from 'vitest';
import type { LeadStanding } from '../../../src/model/standing.ts';
import { errorsOf, startApi, TOKEN_TWO } from '../../support/api.ts';
import { NOTHING_KNOWN } from '../../support/memoryInsight.ts';

const DAY_MICROS = Date.UTC(2026, 2, 1) * 1000;
const at = (seconds: number): number => DAY_MICROS + seconds * 1_000_000;
const shown = (seconds: number): string => `2026-03-01T00:00:${String(seconds).padStart(2, '0')}Z`;
const event = (type: string, seconds: number, step: number) => ({
  id: `e${seconds}`,
  type,
  timeMicros: at(seconds),
  step,
});

/** A lead of which a `view` at 1 s is held and nothing else happened; of `view` and `buy` within 30 s. */
const WAITING: LeadStanding = {
  ...NOTHING_KNOWN,
  filled: [event('view', 1, 1)],
  missing: ['buy'],
  untilMicros: at(31),
  holdsAny: true,
  newestMicros: at(1),
  nowMicros: at(2),
};
const UNKNOWN: LeadStanding = { ...NOTHING_KNOWN, missing: ['view', 'buy'] };
const NOTHING_HELD: LeadStanding = { ...UNKNOWN, newestMicros: at(1), nowMicros: at(2) };
const horizon = (seconds: number) => ({ timeMicros: at(seconds), streamSequence: 3, eventId: 'e3' });
const cooldown = { mode: 'cooldown', cooldown_seconds: 20 };

/** What a lead is in, with which sequence, and what is said of it. */
const CASES: readonly (readonly [string, object, LeadStanding, readonly string[]])[] = [
  [
    'is not known',
    {},
    UNKNOWN,
    [
      'Nothing is known of this lead: no event of it was accepted, or it was silent for so long that it is forgotten.',
    ],
  ],
  ['holds nothing', {}, NOTHING_HELD, ['No event of the types that the sequence lists is held.']],
  ['waits for the next step', {}, WAITING, [`It waits for buy, until ${shown(31)}.`]],
  [
    'waits for several in order',
    { event_types: ['view', 'buy', 'buy'], ordered: true },
    { ...WAITING, missing: ['buy', 'buy'] },
    [`It waits for buy, then buy, until ${shown(31)}.`],
  ],
  [
    'waits, while the sequence is not active',
    { active: false },
    WAITING,
    ['The sequence is not active.', `It waits for buy, until ${shown(31)}.`],
  ],
  [
    'had the next step before the last one',
    { ordered: true },
    { ...WAITING, cameTooEarly: true },
    ['buy came before view.', `It waits for buy, until ${shown(31)}.`],
  ],
  [
    'has no event for the first step, but for a later one',
    { ordered: true },
    { ...NOTHING_HELD, holdsAny: true },
    ['No held event fills the first step; it waits for view, then buy.'],
  ],
  [
    'has run out of its window',
    {},
    {
      ...NOTHING_HELD,
      holdsAny: true,
      hindrances: [{ kind: 'window', first: event('view', 1, 1), tooLate: null }],
    },
    [`The window that began with view at ${shown(1)} has run out.`],
  ],
  [
    'used its events up',
    {},
    { ...NOTHING_HELD, holdsAny: true, horizon: horizon(9), lastFireMicros: at(9) },
    [
      `It fired at ${shown(9)}, completed by event e3; events up to that one are used up.`,
      'No held event after it fills a step; it waits for view, buy.',
    ],
  ],
  [
    'fired once, and may not again',
    { refire: { mode: 'once_per_lead' } },
    { ...WAITING, lastFireMicros: at(9) },
    [
      `It fired for this lead at ${shown(9)}, and does so once per lead.`,
      `It waits for buy, until ${shown(31)}.`,
    ],
  ],
  [
    'fired once, and is otherwise forgotten',
    { refire: { mode: 'once_per_lead' } },
    { ...UNKNOWN, lastFireMicros: at(9) },
    [
      `It fired for this lead at ${shown(9)}, and does so once per lead.`,
      'Nothing is known of this lead: no event of it was accepted, or it was silent for so long that it is forgotten.',
    ],
  ],
  [
    'is in its cooldown',
    { refire: cooldown },
    { ...WAITING, lastFireMicros: at(0) },
    [
      `It fired at ${shown(0)}; the cooldown lasts until ${shown(20)}.`,
      `It waits for buy, until ${shown(31)}.`,
    ],
  ],
  [
    'is past its cooldown',
    { refire: cooldown },
    { ...WAITING, lastFireMicros: at(-18) },
    [`It waits for buy, until ${shown(31)}.`],
  ],
  [
    'had all steps filled before the sequence was there',
    {},
    {
      ...WAITING,
      filled: [event('view', 1, 1), event('buy', 2, 2)],
      missing: [],
      hindrances: [{ kind: 'completed', last: event('buy', 2, 2), isBeforeChange: true }],
    },
    [
      `All steps are filled, but buy at ${shown(2)}, the last of them, came before the sequence was created, changed or activated.`,
      `It waits for another view or buy, until ${shown(31)}.`,
    ],
  ],
];

describe('why a lead did not fire is said in sentences when it', () => {
  it.each(CASES)('%s', async (_, fields, standing, reasons) => {
    const { call, create, world } = startApi();
    const { id } = await create(fields);
    world.standings.set('ada', standing);
    const { status, json } = await call('GET', `/sequences/${id}/leads/ada`);
    expect([status, json.reasons]).toEqual([200, reasons]);
  });
});

describe('how far a lead is', () => {
  it('is answered with its events, what is missing, and the last completion that did not fire', async () => {
    const { call, create, world } = startApi();
    const { id } = await create({ refire: cooldown, ordered: true });
    world.standings.set('ada', { ...WAITING, horizon: horizon(0), lastFireMicros: at(-3) });
    expect((await call('GET', `/sequences/${id}/leads/ada`)).json).toEqual({
      sequence_id: id,
      lead_id: 'ada',
      known: true,
      step: 1,
      steps: 2,
      held: [{ step: 1, id: 'e1', event_type: 'view', created_at: shown(1) }],
      missing: ['buy'],
      until: shown(31),
      lead_time: shown(2),
      horizon: shown(0),
      last_fired_at: '2026-02-28T23:59:57Z',
      suppressed: { reason: 'cooldown', completed_at: shown(0), until: shown(17) },
      active: true,
      effective_from: 0,
      reasons: expect.arrayContaining([`Events up to ${shown(0)} were used by a completion.`]),
      as_of: { position: 7, arrival_time: shown(0) },
    });
  });

  it('names the policy that the last completion was suppressed by, as far as it can be told', async () => {
    const { call, create, world } = startApi();
    world.standings.set('ada', { ...WAITING, horizon: horizon(0), lastFireMicros: at(-3) });
    world.standings.set('fired', { ...WAITING, horizon: horizon(0), lastFireMicros: at(0) });
    const suppressedOf = async (fields: object, lead: string) => {
      const { id } = await create(fields);
      return (await call('GET', `/sequences/${id}/leads/${lead}`)).json.suppressed;
    };
    const once = { reason: 'once_per_lead', completed_at: shown(0), until: null };
    expect(await suppressedOf({ refire: { mode: 'once_per_lead' } }, 'ada')).toEqual(once);
    expect(await suppressedOf({}, 'ada')).toEqual({ ...once, reason: 'earlier_policy' });
    expect(await suppressedOf({ refire: cooldown }, 'fired')).toBeNull();
    expect(await suppressedOf({ refire: cooldown }, 'unknown')).toBeNull();
  });

  it('takes any lead id as one part of the path', async () => {
    const { call, create } = startApi();
    const { id } = await create();
    const ids = [
      'a/b',
      '100%',
      '%2F',
      'ada lovelace',
      'été',
      '\u0000',
      '?x#y',
      'seq:1+1',
      '😀',
      'x'.repeat(256),
    ];
    for (const leadId of ids) {
      const { status, json } = await call('GET', `/sequences/${id}/leads/${encodeURIComponent(leadId)}`);
      expect([status, json.lead_id]).toEqual([200, leadId]);
    }
  });

  it('names a lead id that cannot be one', async () => {
    const { call, create } = startApi();
    const { id } = await create();
    for (const part of ['x'.repeat(257), 'é'.repeat(129)].map(encodeURIComponent)) {
      const answer = await call('GET', `/sequences/${id}/leads/${part}`);
      expect([answer.status, errorsOf(answer).get('lead_id')]).toEqual([
        400,
        expect.stringContaining('1 to 256 bytes'),
      ]);
    }
    for (const part of ['%ff', '%', '%zz']) {
      const answer = await call('GET', `/sequences/${id}/leads/${part}`);
      expect([answer.status, errorsOf(answer).get('lead_id')]).toEqual([
        400,
        'must be percent-encoded UTF-8',
      ]);
    }
    for (const path of ['leads/', 'leads', 'leads/a/b']) {
      expect((await call('GET', `/sequences/${id}/${path}`)).status).toBe(404);
    }
  });
});

describe('how far all leads are', () => {
  it('is answered step by step, as of a position', async () => {
    const { call, create } = startApi();
    const { id } = await create();
    expect((await call('GET', `/sequences/${id}/progress`)).json).toEqual({
      sequence_id: id,
      steps: [
        { step: 1, event_type: 'view', leads: 0 },
        { step: 2, event_type: 'buy', leads: 1 },
      ],
      leads: 9,
      fired: 2,
      as_of: { position: 7, arrival_time: shown(0) },
    });
  });

  it('is not told to another organizational unit, nor of a lead, nor while the sequence is not in force', async () => {
    const { call, create, world } = startApi();
    const { id } = await create();
    for (const path of [`/sequences/${id}/progress`, `/sequences/${id}/leads/ada`]) {
      expect((await call('GET', path, { token: TOKEN_TWO })).status).toBe(404);
      expect((await call('GET', path.replace(String(id), 'absent'))).status).toBe(404);
      expect((await call('GET', `${path}?x=1`)).status).toBe(400);
      world.catalogAvailable = false;
      const refused = await call('GET', path);
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '2']);
      world.catalogAvailable = true;
    }
  });
});
