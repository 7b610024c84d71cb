import { describe, expect, it } from 'vitest';
import { errorsOf, MINIMAL_SEQUENCE, startApi, TOKEN_TWO } from '../../support/api.ts';

const EVENT = { lead_id: 'ada', event_type: 'view' };
const ONE_MODE = 'exactly one of events, lead_id and lookback_days';

/** Bodies for a saved sequence that are wrong, and the paths and texts of what is said of them. */
const BAD_BODIES: readonly (readonly [object, string, string])[] = [
  [{}, '', ONE_MODE],
  [{ events: null, lead_id: null }, '', ONE_MODE],
  [{ time_limit_seconds: 5 }, '', ONE_MODE],
  [{ events: [EVENT], lead_id: 'ada' }, 'lead_id', 'left out where events is given'],
  [{ lead_id: 'ada', lookback_days: 1 }, 'lookback_days', 'left out where lead_id is given'],
  [{ lead_id: 'ada', time_limit_seconds: 5 }, 'time_limit_seconds', 'left out unless lookback_days is given'],
  [{ events: [EVENT], time_limit_seconds: 5 }, 'time_limit_seconds', 'left out unless'],
  [{ events: [] }, 'events', 'a list of 1 to 1000 events'],
  [{ events: Array(1_001).fill(EVENT) }, 'events', 'a list of 1 to 1000 events; got a list of 1001'],
  [{ events: EVENT }, 'events', 'a list of 1 to 1000 events; got an object'],
  [{ events: [EVENT, { event_type: 'view' }] }, 'events[1].lead_id', 'is required'],
  [{ events: [{ ...EVENT, created_at: 'today' }] }, 'events[0].created_at', 'got "today"'],
  [{ lead_id: '' }, 'lead_id', '1 to 256 bytes'],
  [{ lead_id: 'é'.repeat(129) }, 'lead_id', '1 to 256 bytes'],
  [{ lead_id: 7 }, 'lead_id', 'got 7'],
  [{ lookback_days: 0 }, 'lookback_days', 'an integer from 1 to 365; got 0'],
  [{ lookback_days: 366 }, 'lookback_days', 'an integer from 1 to 365'],
  [{ lookback_days: 1.5 }, 'lookback_days', 'an integer from 1 to 365'],
  [{ lookback_days: '7' }, 'lookback_days', 'an integer from 1 to 365'],
  [{ lookback_days: 7, time_limit_seconds: 0 }, 'time_limit_seconds', 'an integer from 1 to 300'],
  [{ lookback_days: 7, time_limit_seconds: 301 }, 'time_limit_seconds', 'an integer from 1 to 300; got 301'],
  [{ lookback_days: 7, days: 7 }, 'days', 'is not known here; known are events, lead_id, lookback_days'],
];

describe('a body of a simulation that is wrong is a 400 that names what', () => {
  const named = BAD_BODIES.map(([body, path, text]) => ({
    body,
    path,
    text,
    name: JSON.stringify(body).slice(0, 80),
  }));

  it.each(named)('$name', async ({ body, path, text }) => {
    const { call, create, world } = startApi();
    const { id } = await create();
    const answer = await call('POST', `/sequences/${id}/simulate`, { body });
    expect(answer.status).toBe(400);
    expect([...errorsOf(answer).keys()]).toEqual([path]);
    expect(errorsOf(answer).get(path)).toContain(text);
    const unsaved = await call('POST', '/sequences/simulate', {
      body: { ...body, sequence: MINIMAL_SEQUENCE },
    });
    expect([unsaved.status, [...errorsOf(unsaved).keys()]]).toEqual([400, [path]]);
    expect(world.simulations).toEqual([]);
  });

  it('and so is a new sequence that could not be created', async () => {
    const { call, world } = startApi();
    const bodyOf = (fields: object) => ({ lead_id: 'ada', sequence: { ...MINIMAL_SEQUENCE, ...fields } });
    for (const [fields, path] of [
      [{ name: '' }, 'sequence.name'],
      [{ event_types: ['view', ''] }, 'sequence.event_types[1]'],
      [{ window_seconds: 0 }, 'sequence.window_seconds'],
      [{ refire: { mode: 'cooldown' } }, 'sequence.refire.cooldown_seconds'],
      [{ id: 'seq-mine' }, 'sequence.id'],
      [{ webhook_url: 'http://10.0.0.1/' }, 'sequence.webhook_url'],
    ] as const) {
      const answer = await call('POST', '/sequences/simulate', { body: bodyOf(fields) });
      expect([answer.status, [...errorsOf(answer).keys()]]).toEqual([400, [path]]);
    }
    const without = await call('POST', '/sequences/simulate', { body: { lead_id: 'ada' } });
    expect([...errorsOf(without).keys()]).toEqual(['sequence']);
    const saved = await call('POST', '/sequences/seq-1/simulate', { body: bodyOf({}) });
    expect([saved.status, [...errorsOf(saved).keys()]]).toEqual([400, ['sequence']]);
    expect(world.simulations).toEqual([]);
  });

  it('and metadata that is too large is a 413', async () => {
    const { call, create } = startApi();
    const { id } = await create();
    const events = [{ ...EVENT, metadata: { text: 'x'.repeat(100_001) } }];
    expect((await call('POST', `/sequences/${id}/simulate`, { body: { events } })).status).toBe(413);
  });
});

describe('a simulation', () => {
  it('is made of a saved sequence or of a new one, which is not saved', async () => {
    const { call, create, world } = startApi();
    const { id } = await create();
    const writes = world.catalogWrites;
    await call('POST', `/sequences/${id}/simulate`, { body: { lead_id: 'a/b' } });
    const sequence = { name: 'New', event_types: ['x'], window_seconds: 5, ordered: true };
    await call('POST', '/sequences/simulate', { body: { sequence, lookback_days: 30 } });
    const timeLimit = { lookback_days: 1, time_limit_seconds: 60, events: null };
    await call('POST', '/sequences/simulate', { body: { sequence, ...timeLimit } });
    await call('POST', `/sequences/${id}/simulate`, { body: { events: [EVENT, { ...EVENT, id: 'e2' }] } });
    expect(world.simulations.map(({ input }) => input)).toEqual([
      { kind: 'lead', leadId: 'a/b' },
      { kind: 'look_back', days: 30, timeLimitSeconds: 30 },
      { kind: 'look_back', days: 1, timeLimitSeconds: 60 },
      {
        kind: 'events',
        events: [
          expect.objectContaining({ leadId: 'ada', eventType: 'view', createdAt: null }),
          expect.objectContaining({ leadId: 'ada', eventType: 'view', id: 'e2' }),
        ],
      },
    ]);
    expect(world.simulations[0]?.sequence).toBe(world.sequences.get(`one/${id}`));
    expect(world.simulations[1]?.sequence).toMatchObject({ ou: 'one', eventTypes: ['x'], ordered: true });
    expect([world.catalogWrites, world.published]).toEqual([writes, []]);
  });

  it('answers everything that was found', async () => {
    const { call, create } = startApi();
    const { id } = await create();
    const { json } = await call('POST', `/sequences/${id}/simulate`, { body: { lead_id: 'ada' } });
    const events = ['view', 'buy'].map((event_type, index) => ({
      id: `e${index}`,
      event_type,
      created_at: '2026-03-01T00:00:00Z',
    }));
    expect(json).toEqual({
      fires: [{ lead_id: 'ada', events, completed_at: '2026-03-01T00:00:00Z', late: false, stale: true }],
      fire_count: 1,
      lead_count: 1,
      scanned_events: 3,
      from: '2026-03-01T00:00:00Z',
      to: '2026-03-01T00:00:00.000001Z',
      counts: {
        duplicates: 1,
        unlisted: 2,
        late_fires: 3,
        stale_fires: 4,
        suppressed: { once_per_lead: 5, cooldown: 6 },
        rejected: {
          not_json: 0,
          missing_field: 0,
          invalid_field: 0,
          too_large: 0,
          invalid_subject: 0,
          too_late: 7,
          in_future: 0,
        },
      },
      progress: {
        complete: false,
        fraction: 0.5,
        leads_after_step: [0, 1],
        lead: { step: 0, steps: 2, held: [], missing: ['view', 'buy'], until: null, types_not_held: ['x'] },
      },
    });
  });

  it('sees nothing of another organizational unit, and can be asked for again where it was not possible', async () => {
    const { call, create, world } = startApi();
    const { id } = await create();
    const path = `/sequences/${id}/simulate`;
    expect((await call('POST', path, { body: { lookback_days: 1 }, token: TOKEN_TWO })).status).toBe(404);
    expect((await call('POST', '/sequences/absent/simulate', { body: { lookback_days: 1 } })).status).toBe(
      404,
    );
    world.streamAvailable = false;
    const refused = await call('POST', path, { body: { lookback_days: 1 } });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '2']);
    expect(refused.json.detail).toBe('The stream is not connected.');
  });
});
