import { describe, expect, it } from 'vitest';
import { aDelivery, aFire, errorsOf, START_MS, startApi, TOKEN_TWO } from '../../support/api.ts';
import { aMilestone, aMilestoneFire } from '../../support/outbox.ts';

const MINIMAL = { name: 'Hot lead', score_threshold: 100 };
const FULL = {
  name: 'Hot again',
  score_threshold: -0.5,
  event_type: 'demo_request',
  webhook_url: 'https://hooks.example.com/in?x=1',
  emails: ['sales@example.com'],
  email_subject: 'Call',
  email_preheader: 'soon',
  email_message: 'Line one\nLine two',
  active: false,
  fire_mode: 'always',
  cooldown_seconds: 60,
};

function start(...replaced: Parameters<typeof startApi>) {
  const api = startApi(...replaced);
  const create = async (fields: object = {}) => {
    const answer = await api.call('POST', '/triggers', { body: { ...MINIMAL, ...fields } });
    if (answer.status !== 201) throw new Error(`creation answered ${answer.status}: ${answer.text}`);
    const { webhook_secret, ...trigger } = answer.json;
    return { trigger, webhook_secret, path: `/triggers/${trigger.id}` };
  };
  return { ...api, create };
}

describe('the life of a milestone trigger', () => {
  it('is created with every default filled in, and null where a field is absent', async () => {
    const { call, world } = start();
    const answer = await call('POST', '/triggers', { body: MINIMAL });
    expect(answer.status).toBe(201);
    const { id, webhook_secret, ...rest } = answer.json;
    expect(id).toMatch(/^trg-\w{16,}$/);
    expect(answer.headers.get('location')).toBe(`/triggers/${id}`);
    expect(webhook_secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(rest).toEqual({
      ...MINIMAL,
      event_type: null,
      webhook_url: null,
      emails: [],
      email_subject: null,
      email_preheader: null,
      email_message: null,
      active: true,
      fire_mode: 'once',
      cooldown_seconds: null,
      version: 1,
      created_at: '2026-01-01T00:00:00.000Z',
      updated_at: '2026-01-01T00:00:00.000Z',
    });
    expect(world.milestones.get(`one/${id}`)?.kind).toBe('milestone');
  });

  it('keeps every field as it was given, through creation, reading and listing, and shows its secret no more', async () => {
    const { call, create } = start();
    const { trigger, path } = await create(FULL);
    expect(trigger).toMatchObject(FULL);
    expect((await call('GET', path)).json).toEqual(trigger);
    expect((await call('GET', '/triggers')).json).toEqual({ triggers: [trigger] });
  });

  it('is no sequence, nor a sequence a trigger', async () => {
    const api = start();
    const { trigger } = await api.create();
    const sequence = await startSequence(api);
    expect((await api.call('GET', '/sequences')).json.sequences).toEqual([expect.objectContaining(sequence)]);
    expect((await api.call('GET', `/sequences/${trigger.id}`)).status).toBe(404);
    expect((await api.call('GET', `/triggers/${sequence.id}`)).status).toBe(404);
    for (const path of [`/sequences/${trigger.id}`, `/triggers/${sequence.id}`]) {
      const range = { from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' };
      expect((await api.call('POST', `${path}/redeliver`, { body: range })).status).toBe(404);
      expect((await api.call('POST', `${path}/test`)).status).toBe(404);
    }
  });

  it('is absent to another OU', async () => {
    const { call, create } = start();
    const { path } = await create();
    expect((await call('GET', path, { token: TOKEN_TWO })).status).toBe(404);
    expect((await call('GET', '/triggers', { token: TOKEN_TWO })).json).toEqual({ triggers: [] });
  });

  it('is gone after DELETE, for reading and for deleting again', async () => {
    const { call, create } = start();
    const { path } = await create();
    const deleted = await call('DELETE', path);
    expect([deleted.status, deleted.text]).toEqual([204, '']);
    expect((await call('GET', path)).status).toBe(404);
    expect((await call('DELETE', path)).status).toBe(404);
  });

  it('gets a new secret, and keeps the old one signing along', async () => {
    const { call, create, world } = start();
    const { trigger, path, webhook_secret } = await create();
    world.nowMs += 1_000;
    const answer = await call('POST', `${path}/rotate-secret`);
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ ...trigger, version: 2, updated_at: '2026-01-01T00:00:01.000Z' });
    expect(answer.json.webhook_secret).not.toBe(webhook_secret);
    expect(world.milestones.get(`one/${trigger.id}`)?.previousWebhookSecrets).toEqual([
      { secret: webhook_secret, expiresAtMs: START_MS + 1_000 + 86_400_000 },
    ]);
  });

  it('is refused beyond the limit of the OU, and while nothing can be changed', async () => {
    const { call, world, create } = start({ sequencesPerOuMax: 1 });
    const { path } = await create();
    const beyond = await call('POST', '/triggers', { body: MINIMAL });
    expect([beyond.status, beyond.json.detail]).toEqual([409, expect.stringContaining('1 triggers already')]);
    world.catalogAvailable = false;
    const answers = [
      await call('POST', '/triggers', { body: MINIMAL }),
      await call('PATCH', path, { body: { active: false } }),
      await call('DELETE', path),
    ];
    for (const { status, headers, json } of answers) {
      expect([status, headers.get('retry-after')]).toEqual([503, '2']);
      expect(json.detail).toContain('Triggers cannot be changed');
    }
  });
});

async function startSequence({ call }: ReturnType<typeof startApi>) {
  const body = { name: 'Buyers', event_types: ['view'], window_seconds: 60 };
  const { id, name } = (await call('POST', '/sequences', { body })).json;
  return { id, name };
}

describe.each(['PUT', 'PATCH'])('%s of a milestone trigger', (method) => {
  it('changes the fields that are sent and no others, with a new version and time', async () => {
    const { call, create, world } = start();
    const { trigger, path } = await create(FULL);
    world.nowMs += 5_000;
    const answer = await call(method, path, { body: { score_threshold: 7, emails: ['x@example.com'] } });
    const changed = { score_threshold: 7, emails: ['x@example.com'] };
    expect([answer.status, answer.json]).toEqual([
      200,
      { ...trigger, ...changed, version: 2, updated_at: '2026-01-01T00:00:05.000Z' },
    ]);
    expect((await call('GET', path)).json).toEqual(answer.json);
  });

  it('clears optional fields by null', async () => {
    const { call, create } = start();
    const { trigger, path } = await create(FULL);
    const optional = Object.keys(FULL).filter((name) => !['name', 'score_threshold'].includes(name));
    const body = Object.fromEntries(optional.map((name) => [name, null]));
    const defaults = { ...body, emails: [], active: true, fire_mode: 'once' };
    expect((await call(method, path, { body })).json).toMatchObject({
      ...trigger,
      ...defaults,
      version: 2,
      updated_at: expect.anything(),
    });
  });

  it('writes nothing where nothing is another', async () => {
    const { call, create, world } = start();
    const { trigger, path } = await create(FULL);
    const writes = world.catalogWrites;
    expect((await call(method, path, { body: FULL })).json).toEqual(trigger);
    expect((await call(method, path, { body: {} })).json).toEqual(trigger);
    expect(world.catalogWrites).toBe(writes);
  });

  it('lets a cooldown go with its mode, and takes one only for the mode "always"', async () => {
    const { call, create } = start();
    const { path } = await create(FULL);
    const modeOf = async (body: object) => {
      const { status, json } = await call(method, path, { body });
      return [status, json.fire_mode, json.cooldown_seconds];
    };
    expect(await modeOf({ cooldown_seconds: 90 })).toEqual([200, 'always', 90]);
    expect(await modeOf({ fire_mode: 'once' })).toEqual([200, 'once', null]);
    const refused = await call(method, path, { body: { cooldown_seconds: 60 } });
    expect([refused.status, errorsOf(refused).get('cooldown_seconds')]).toEqual([
      400,
      'must be left out, or null, unless fire_mode is "always"; got 60',
    ]);
    expect(await modeOf({ fire_mode: 'always' })).toEqual([200, 'always', null]);
    expect(await modeOf({ cooldown_seconds: 60 })).toEqual([200, 'always', 60]);
    expect(await modeOf({ cooldown_seconds: null })).toEqual([200, 'always', null]);
  });
});

describe('a body that is no milestone trigger', () => {
  it.each([
    [{ score_threshold: 1 }, 'name', /is required: a string/],
    [{ name: 'x' }, 'score_threshold', /is required: a number/],
    [{ ...MINIMAL, score_threshold: '100' }, 'score_threshold', /must be a number; got "100"/],
    [{ ...MINIMAL, fire_mode: 'twice' }, 'fire_mode', /must be "once" or "always"; got "twice"/],
    [{ ...MINIMAL, cooldown_seconds: 5 }, 'cooldown_seconds', /must be left out, or null, unless fire_mode/],
    [{ ...MINIMAL, fire_mode: 'always', cooldown_seconds: 0 }, 'cooldown_seconds', /an integer from 1 to/],
    [{ ...MINIMAL, event_type: '' }, 'event_type', /1 to 128 bytes/],
    [{ ...MINIMAL, webhook_url: 'https://10.0.0.1/x' }, 'webhook_url', /is refused: the address/],
    [
      { ...MINIMAL, window_seconds: 5 },
      'window_seconds',
      /is not known here; known are name, score_threshold/,
    ],
    [{ ...MINIMAL, id: 'trg-1' }, 'id', /^is set by the server and cannot be sent$/],
  ])('%j is refused for its %s', async (body, path, message) => {
    const answer = await start().call('POST', '/triggers', { body });
    expect(answer.status).toBe(400);
    expect(errorsOf(answer).get(path)).toMatch(message);
  });

  it('spells no number that is not finite', async () => {
    const rawBody = '{"name":"x","score_threshold":1e999}';
    const answer = await start().call('POST', '/triggers', { rawBody });
    expect([answer.status, [...errorsOf(answer).keys()]]).toEqual([400, ['score_threshold']]);
  });
});

describe('trying a milestone trigger', () => {
  const events = [
    { id: 'e1', lead_id: 'ada', event_type: 'view', score: 99 },
    { id: 'e2', lead_id: 'ada', event_type: 'buy', score: 100 },
  ];

  it.each(['stored', 'new'])('shows what events would make it fire, %s', async (which) => {
    const { call, create } = start();
    const { path } = await create();
    const answer =
      which === 'stored'
        ? await call('POST', `${path}/simulate`, { body: { events } })
        : await call('POST', '/triggers/simulate', { body: { trigger: MINIMAL, events } });
    const event = { id: 'e2', event_type: 'buy', created_at: '2026-01-01T00:00:00Z' };
    expect([answer.status, answer.json]).toEqual([
      200,
      {
        fires: [{ lead_id: 'ada', score: 100, event, late: false }],
        fire_count: 1,
        lead_count: 1,
        scanned_events: 2,
        lead: null,
      },
    ]);
  });

  it('shows a hundred fires and counts the others', async () => {
    const { call } = start();
    const many = Array.from({ length: 130 }, (_, index) => ({
      lead_id: `lead-${index % 3}`,
      event_type: 'x',
      score: 100,
    }));
    const { json } = await call('POST', '/triggers/simulate', { body: { trigger: MINIMAL, events: many } });
    expect(json).toMatchObject({ fire_count: 130, lead_count: 3, scanned_events: 130 });
    expect((json.fires as object[]).length).toBe(100);
  });

  const last = START_MS * 1000 - 30_000_000;
  it.each([
    [{}, undefined, { score: null, is_below: true, would_fire: true, reason: null, last_fired_at: null }],
    [{}, { score: 99, lastFireMicros: null }, { score: 99, is_below: true, would_fire: true, reason: null }],
    [{}, { score: 100, lastFireMicros: last }, { is_below: false, would_fire: false, reason: 'once' }],
    [{ active: false }, undefined, { would_fire: false, reason: 'inactive' }],
    [{ fire_mode: 'always' }, { score: 1, lastFireMicros: last }, { would_fire: true, cooldown_until: null }],
    [
      { fire_mode: 'always', cooldown_seconds: 60 },
      { score: 1, lastFireMicros: last },
      {
        would_fire: false,
        reason: 'cooldown',
        last_fired_at: '2025-12-31T23:59:30Z',
        cooldown_until: '2026-01-01T00:00:30Z',
      },
    ],
    [
      { fire_mode: 'always', cooldown_seconds: 30 },
      { score: 1, lastFireMicros: last },
      { would_fire: true, reason: null, cooldown_until: '2026-01-01T00:00:00Z' },
    ],
  ])('tells of a lead under %j that stands at %j', async (fields, standing, lead) => {
    const { call, create, world } = start();
    const { path } = await create(fields);
    if (standing !== undefined) world.scoreStandings.set('one/ada', standing);
    const { json } = await call('POST', `${path}/simulate`, { body: { lead_id: 'ada' } });
    expect(json).toMatchObject({ fires: [], fire_count: 0, lead: { lead_id: 'ada', ...lead } });
  });

  it.each([
    [{}, 'events', /is required: given, or lead_id instead, and not both/],
    [{ events, lead_id: 'ada' }, 'events', /must be given, or lead_id instead, and not both/],
    [{ events: [] }, 'events', /a list of 1 to 1000 events/],
    [{ events: [{ lead_id: 'a' }] }, 'events[0].event_type', /is required/],
    [{ events: [{ ...events[0], score: 'high' }] }, 'events[0].score', /must be a number/],
    [{ lookback_days: 3 }, 'lookback_days', /is not known here/],
  ])('%j is refused for %s', async (body, path, message) => {
    const { call, create } = start();
    const answer = await call('POST', `${(await create()).path}/simulate`, { body });
    expect(answer.status).toBe(400);
    expect(errorsOf(answer).get(path)).toMatch(message);
  });
});

describe('GET /milestone-events', () => {
  function withFires() {
    const api = start();
    api.world.fires = [
      aMilestoneFire({ id: 'fire-m1', ou: 'one', firedAtMicros: 1_000_000 }),
      aMilestoneFire({
        id: 'fire-m2',
        ou: 'one',
        sequenceId: 'trg-2',
        leadId: 'ada',
        firedAtMicros: 2_500_000,
      }),
      aMilestoneFire({ id: 'fire-m3', ou: 'two' }),
      aFire({ id: 'fire-s1', ou: 'one' }),
    ];
    api.world.deliveries = [
      aDelivery({ fireId: 'fire-m1', sequenceId: 'trg-1', state: 'delivered' }),
      aDelivery({ id: 'dlv-2', fireId: 'fire-s1', sequenceId: 'seq-1' }),
    ];
    return api;
  }

  it('shows the fires of triggers, newest first, and none of sequences', async () => {
    const { call } = withFires();
    const { json } = await call('GET', '/milestone-events?limit=10');
    expect(json).toMatchObject({ total: 2, page: 1, limit: 10 });
    expect(json.events).toEqual([
      expect.objectContaining({ id: 'fire-m2', trigger_id: 'trg-2', lead_id: 'ada', delivery: 'none' }),
      {
        id: 'fire-m1',
        trigger_id: 'trg-1',
        trigger_name: 'Hot lead',
        lead_id: 'lead-1',
        score: 120,
        score_threshold: 100,
        event_type: 'signup',
        fired_at: '1970-01-01T00:00:01Z',
        completed_at: '2024-05-01T10:01:00.25Z',
        late: false,
        event: { id: 'e1', event_type: 'signup', created_at: '2024-05-01T10:01:00.25Z' },
        delivery: 'delivered',
        deliveries: [expect.objectContaining({ id: 'dlv-1', state: 'delivered' })],
      },
    ]);
  });

  it.each([
    ['trigger_id=trg-2', ['fire-m2']],
    ['lead_id=lead-1', ['fire-m1']],
    ['from=1970-01-01T00:00:02Z', ['fire-m2']],
    ['to=1970-01-01T00:00:01Z', ['fire-m1']],
    ['limit=1&page=2', ['fire-m1']],
  ])('filters by %s', async (query, ids) => {
    const { events } = (await withFires().call('GET', `/milestone-events?${query}`)).json;
    expect((events as { id: string }[]).map(({ id }) => id)).toEqual(ids);
  });

  it.each(['limit=101', 'page=0', 'from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', 'sequence_id=x'])(
    'refuses %s',
    async (query) => {
      expect((await withFires().call('GET', `/milestone-events?${query}`)).status).toBe(400);
    },
  );

  it('reads one, and keeps the two kinds apart there as well', async () => {
    const { call } = withFires();
    expect((await call('GET', '/milestone-events/fire-m1')).json).toMatchObject({
      id: 'fire-m1',
      score: 120,
    });
    expect((await call('GET', '/milestone-events/fire-s1')).status).toBe(404);
    expect((await call('GET', '/milestone-events/fire-m3')).status).toBe(404);
    expect((await call('GET', '/sequence-events/fire-m1')).status).toBe(404);
    expect((await call('GET', '/sequence-events')).json).toMatchObject({
      total: 1,
      events: [{ id: 'fire-s1' }],
    });
  });

  it('shows deliveries of both kinds together, each by the id of its own kind', async () => {
    const { call } = withFires();
    const shown = async (query: string) => {
      const { deliveries } = (await call('GET', `/deliveries${query}`)).json;
      return (deliveries as { sequence_id: unknown; trigger_id: unknown }[]).map((each) => [
        each.sequence_id,
        each.trigger_id,
      ]);
    };
    expect(await shown('')).toEqual([
      [null, 'trg-1'],
      ['seq-1', null],
    ]);
    expect(await shown('?trigger_id=trg-1')).toEqual([[null, 'trg-1']]);
    expect((await call('GET', '/deliveries?trigger_id=trg-1&sequence_id=seq-1')).status).toBe(400);
  });

  it('sends those of a trigger again, and a sample, below the path of the trigger', async () => {
    const { call, world } = withFires();
    world.milestones.set('one/trg-1', aMilestone({ ou: 'one', webhookUrl: 'https://example.com/hook' }));
    const body = { from: '2026-01-01T00:00:00Z', to: '2026-01-01T00:00:00Z', status: 'delivered' };
    const again = await call('POST', '/triggers/trg-1/redeliver', { body });
    expect([again.status, again.json.queued]).toEqual([202, 1]);
    const sample = await call('POST', '/triggers/trg-1/test');
    expect(sample.status).toBe(202);
    expect(sample.json.deliveries).toMatchObject([{ trigger_id: 'trg-1', sequence_id: null }]);
    world.milestones.set('one/trg-1', aMilestone({ ou: 'one' }));
    const nowhere = await call('POST', '/triggers/trg-1/test');
    expect([nowhere.status, nowhere.json.detail]).toEqual([
      409,
      expect.stringContaining('The trigger has neither'),
    ]);
  });
});
