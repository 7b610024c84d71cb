import { describe, expect, it } from 'vitest';
import { errorsOf, MINIMAL_SEQUENCE, START_MS, startApi } from '../../support/api.ts';

const FULL_SEQUENCE = {
  name: 'Trial to purchase',
  event_types: ['trial', 'visit', 'visit', 'buy'],
  window_seconds: 86_400,
  window_unit: 'a day',
  ordered: true,
  webhook_url: 'https://hooks.example.com/in?x=1',
  emails: ['sales@example.com', "o'brien+x@sub.example.co.uk"],
  email_subject: 'A buyer – ünïcode',
  email_preheader: 'soon',
  email_message: 'Line one\nLine two',
  active: false,
  refire: { mode: 'cooldown', cooldown_seconds: 60 },
  max_fire_delay_seconds: 3600,
};

describe('the life of a sequence', () => {
  it('is created with every default filled in, and null where a field is absent', async () => {
    const { call } = startApi();
    const answer = await call('POST', '/sequences', { body: MINIMAL_SEQUENCE });
    expect(answer.status).toBe(201);
    const { id, webhook_secret, ...rest } = answer.json;
    expect(id).toMatch(/^seq-\w{16,}$/);
    expect(answer.headers.get('location')).toBe(`/sequences/${id}`);
    expect(webhook_secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(rest).toEqual({
      ...MINIMAL_SEQUENCE,
      window_unit: '7 days',
      ordered: false,
      exclude: null,
      max_gap_seconds: null,
      webhook_url: null,
      emails: [],
      email_subject: null,
      email_preheader: null,
      email_message: null,
      active: true,
      refire: { mode: 'every', cooldown_seconds: null },
      max_fire_delay_seconds: null,
      backfill: null,
      version: 1,
      created_at: '2026-01-01T00:00:00.000Z',
      updated_at: '2026-01-01T00:00:00.000Z',
    });
  });

  it('keeps every field as it was given, through creation, reading and listing', async () => {
    const { call, create } = startApi();
    const { webhook_secret, ...created } = await create(FULL_SEQUENCE);
    expect(created).toMatchObject(FULL_SEQUENCE);
    expect((await call('GET', `/sequences/${created.id}`)).json).toEqual(created);
    expect((await call('GET', '/sequences')).json).toEqual({ sequences: [created] });
    expect(webhook_secret).toBeDefined();
  });

  it('is listed oldest first', async () => {
    const { call, create, world } = startApi();
    for (const name of ['first', 'second', 'third']) {
      await create({ name });
      world.nowMs += 1;
    }
    const { sequences } = (await call('GET', '/sequences')).json as { sequences: { name: string }[] };
    expect(sequences.map(({ name }) => name)).toEqual(['first', 'second', 'third']);
  });

  it('is gone after DELETE, for reading and for deleting again', async () => {
    const { call, create } = startApi();
    const { id } = await create();
    const deleted = await call('DELETE', `/sequences/${id}`);
    expect([deleted.status, deleted.text]).toEqual([204, '']);
    expect((await call('GET', `/sequences/${id}`)).status).toBe(404);
    expect((await call('DELETE', `/sequences/${id}`)).status).toBe(404);
    expect((await call('GET', '/sequences')).json).toEqual({ sequences: [] });
  });
});

describe.each(['PUT', 'PATCH'])('%s of a sequence', (method) => {
  it('changes the fields that are sent and no others, with a new version and time', async () => {
    const { call, create, world } = startApi();
    const { webhook_secret: _secret, ...created } = await create(FULL_SEQUENCE);
    world.nowMs += 1_500;
    const answer = await call(method, `/sequences/${created.id}`, { body: { name: 'New', ordered: false } });
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({
      ...created,
      name: 'New',
      ordered: false,
      version: 2,
      updated_at: '2026-01-01T00:00:01.500Z',
    });
    expect((await call('GET', `/sequences/${created.id}`)).json).toEqual(answer.json);
  });

  it('leaves version, time and storage alone when nothing changes', async () => {
    const { call, create, world } = startApi();
    const { webhook_secret: _secret, ...created } = await create(FULL_SEQUENCE);
    world.nowMs += 1_000;
    for (const body of [{}, { name: created.name }, FULL_SEQUENCE]) {
      expect((await call(method, `/sequences/${created.id}`, { body })).json).toEqual(created);
    }
    expect(world.catalogWrites).toBe(1);
  });

  it('clears an optional field with null', async () => {
    const { call, create } = startApi();
    const { id } = await create(FULL_SEQUENCE);
    const body = {
      window_unit: null,
      webhook_url: null,
      emails: null,
      email_subject: null,
      email_preheader: null,
      email_message: null,
      refire: null,
      max_fire_delay_seconds: null,
      backfill: null,
    };
    expect((await call(method, `/sequences/${id}`, { body })).json).toMatchObject({
      ...body,
      window_unit: '1 day',
      emails: [],
      refire: { mode: 'every', cooldown_seconds: null },
    });
  });

  it.each(['name', 'event_types', 'window_seconds'])('does not clear %s', async (field) => {
    const { call, create } = startApi();
    const { id } = await create();
    const answer = await call(method, `/sequences/${id}`, { body: { [field]: null } });
    expect(answer.status).toBe(400);
    expect([...errorsOf(answer).keys()]).toEqual([field]);
  });
});

describe('the label of the window', () => {
  it.each([
    [604_800, '7 days'],
    [86_400, '1 day'],
    [90_000, '25 hours'],
    [3_600, '1 hour'],
    [5_400, '90 minutes'],
    [60, '1 minute'],
    [90, '90 seconds'],
    [1, '1 second'],
    [31_536_000, '365 days'],
  ])('of %i seconds is %s', async (window_seconds, label) => {
    const { create } = startApi();
    expect((await create({ window_seconds })).window_unit).toBe(label);
  });

  it('follows a new window where it was derived, and stays where it was given', async () => {
    const { call, create } = startApi();
    const { id } = await create({ window_unit: 'a week' });
    const put = async (body: object) => (await call('PUT', `/sequences/${id}`, { body })).json.window_unit;
    expect(await put({ name: 'Other' })).toBe('a week');
    expect(await put({ window_seconds: 604_800 })).toBe('a week');
    expect(await put({ window_seconds: 7_200 })).toBe('a week');
    expect(await put({ window_unit: null })).toBe('2 hours');
    expect(await put({ window_seconds: 3_600 })).toBe('1 hour');
    expect(await put({ window_seconds: 120, window_unit: 'two of them' })).toBe('two of them');
    expect(await put({ window_unit: null })).toBe('2 minutes');
  });
});

describe('the re-fire policy', () => {
  it.each([
    [{ mode: 'every' }, null],
    [{ mode: 'once_per_lead', cooldown_seconds: null }, null],
    [{ mode: 'cooldown', cooldown_seconds: 5 }, 5],
  ])('%j comes back with its seconds, which PUT takes again', async (refire, cooldown_seconds) => {
    const { call, create } = startApi();
    const created = await create({ refire });
    expect(created.refire).toEqual({ mode: refire.mode, cooldown_seconds });
    const again = await call('PUT', `/sequences/${created.id}`, { body: { refire: created.refire } });
    expect(again.json).toMatchObject({ refire: created.refire, version: 1 });
  });
});

describe('the signing secret', () => {
  it('is rotated to a new one, and the old one signs along for 24 hours', async () => {
    const { call, create, world } = startApi();
    const created = await create();
    world.nowMs += 5_000;
    const answer = await call('POST', `/sequences/${created.id}/rotate-secret`);
    expect(answer.status).toBe(200);
    expect(answer.json.webhook_secret).toMatch(/^whsec_/);
    expect(answer.json.webhook_secret).not.toBe(created.webhook_secret);
    expect(answer.json.version).toBe(2);
    expect(world.sequences.get(`one/${created.id}`)).toMatchObject({
      webhookSecret: answer.json.webhook_secret,
      previousWebhookSecrets: [
        { secret: created.webhook_secret, expiresAtMs: START_MS + 5_000 + 86_400_000 },
      ],
    });
  });

  it('rotated twice, signs along with both secrets of the last 24 hours, and not with older ones', async () => {
    const { call, create, world } = startApi();
    const created = await create();
    const rotate = () => call('POST', `/sequences/${created.id}/rotate-secret`);
    const second = await rotate();
    world.nowMs += 1_000;
    await rotate();
    const secrets = () =>
      world.sequences.get(`one/${created.id}`)?.previousWebhookSecrets.map(({ secret }) => secret);
    expect(secrets()).toEqual([second.json.webhook_secret, created.webhook_secret]);
    world.nowMs += 86_400_000;
    await rotate();
    expect(secrets()?.length).toBe(1);
  });

  it('null in PUT clears what has a default to that default', async () => {
    const { call, create } = startApi();
    const { id } = await create({ ordered: true, active: false });
    const answer = await call('PUT', `/sequences/${id}`, { body: { ordered: null, active: null } });
    expect(answer.json).toMatchObject({ ordered: false, active: true });
  });

  it('a label that was given stays when only the window changes; a derived one follows it', async () => {
    const { call, create } = startApi();
    const given = await create({ window_seconds: 60, window_unit: 'a short while' });
    const derived = await create({ window_seconds: 60 });
    const change = (id: unknown) => call('PATCH', `/sequences/${id}`, { body: { window_seconds: 604_800 } });
    expect((await change(given.id)).json.window_unit).toBe('a short while');
    expect((await change(derived.id)).json.window_unit).toBe('7 days');
  });

  it('rotation takes an empty object too, and names a field that is sent', async () => {
    const { call, create } = startApi();
    const { id } = await create();
    expect((await call('POST', `/sequences/${id}/rotate-secret`, { body: {} })).status).toBe(200);
    const answer = await call('POST', `/sequences/${id}/rotate-secret`, { body: { webhook_secret: 'mine' } });
    expect(answer.status).toBe(400);
    expect([...errorsOf(answer).keys()]).toEqual(['webhook_secret']);
  });

  it('is in no answer but those of POST and rotate-secret, nor in the log', async () => {
    const { call, create, world } = startApi();
    const { id, webhook_secret } = await create(FULL_SEQUENCE);
    const rotated = await call('POST', `/sequences/${id}/rotate-secret`);
    const answers = [
      await call('GET', '/sequences'),
      await call('GET', `/sequences/${id}`),
      await call('PUT', `/sequences/${id}`, { body: { name: 'x' } }),
      await call('PATCH', `/sequences/${id}`, { body: { window_seconds: 1 } }),
      await call('PUT', `/sequences/${id}`, { body: { webhook_secret } }),
      await call('DELETE', `/sequences/${id}`),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 400, 204]);
    for (const secret of [webhook_secret, rotated.json.webhook_secret]) {
      for (const { text } of answers) expect(text).not.toContain(secret);
      expect(JSON.stringify(world.log)).not.toContain(secret);
    }
    expect(rotated.text).not.toContain(webhook_secret);
  });
});

describe('a change that the catalog does not take', () => {
  it.each([
    ['POST', '/sequences', MINIMAL_SEQUENCE],
    ['PUT', '/sequences/{id}', { name: 'x' }],
    ['DELETE', '/sequences/{id}', undefined],
    ['POST', '/sequences/{id}/rotate-secret', undefined],
  ])('%s %s answers 503 with Retry-After while it is unavailable', async (method, path, body) => {
    const { call, create, world } = startApi();
    const { id } = await create();
    world.catalogAvailable = false;
    const answer = await call(method, path.replace('{id}', String(id)), { body });
    expect(answer.status).toBe(503);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await call('GET', '/sequences')).status).toBe(200);
  });

  it('answers 409 once the OU has as many as it may have, while another OU goes on', async () => {
    const { call, create } = startApi({ sequencesPerOuMax: 2 });
    await create();
    const { id } = await create();
    const answer = await call('POST', '/sequences', { body: MINIMAL_SEQUENCE });
    expect(answer.status).toBe(409);
    expect(answer.json.detail).toContain('2 sequences');
    expect((await call('POST', '/sequences', { body: MINIMAL_SEQUENCE, token: 'st_two' })).status).toBe(201);
    await call('DELETE', `/sequences/${id}`);
    expect((await call('POST', '/sequences', { body: MINIMAL_SEQUENCE })).status).toBe(201);
  });

  it('refuses a webhook to a private address, at creation and at a change', async () => {
    const { call, create } = startApi();
    const { id } = await create();
    const webhook_url = 'http://10.0.0.1/hook';
    const answers = [
      await call('POST', '/sequences', { body: { ...MINIMAL_SEQUENCE, webhook_url } }),
      await call('PUT', `/sequences/${id}`, { body: { webhook_url } }),
    ];
    for (const answer of answers) {
      expect(answer.status).toBe(400);
      expect(errorsOf(answer).get('webhook_url')).toContain('the address 10.0.0.1 is private');
    }
  });
});
