import { describe, expect, it } from 'vitest';
import { aDestination, errorsOf, START_MS, startApi, TOKEN_TWO } from '../../support/api.ts';

const WEBHOOK = aDestination({
  pause: { sinceMs: START_MS, reason: 'moving' },
  ratePerSecond: 7,
  breaker: { state: 'open', failuresInARow: 5, untilMs: START_MS + 60_000 },
});
const EMAIL = aDestination({ id: 'dst-2', channel: 'email', url: '' });
const SHOWN_WEBHOOK = {
  id: 'dst-1',
  channel: 'webhook',
  url: 'https://one.example.com/hook',
  paused: { since: '2026-01-01T00:00:00.000Z', reason: 'moving' },
  rate_per_second: 7,
  breaker: { state: 'open', failures_in_a_row: 5, until: '2026-01-01T00:01:00.000Z' },
};
const SHOWN_EMAIL = {
  id: 'dst-2',
  channel: 'email',
  url: null,
  paused: null,
  rate_per_second: null,
  breaker: { state: 'closed', failures_in_a_row: 0, until: null },
};

const COUNTS = { waiting: 12, held: 3 };

function apiWithDestinations() {
  const api = startApi();
  api.world.destinations = [EMAIL, WEBHOOK, aDestination({ ou: 'two', id: 'dst-3' })];
  return api;
}

describe('GET /destinations', () => {
  it('shows each with its pause, rate and breaker, and email without a URL', async () => {
    const { call } = apiWithDestinations();
    expect((await call('GET', '/destinations')).json).toEqual({
      destinations: [SHOWN_EMAIL, SHOWN_WEBHOOK],
      total: 2,
      page: 1,
      limit: 25,
    });
  });

  it.each([
    ['paused=true', ['dst-1'], 1],
    ['paused=false', ['dst-2'], 1],
    ['limit=1&page=2', ['dst-1'], 2],
  ])('filters by %s', async (query, ids, total) => {
    const { json } = await apiWithDestinations().call('GET', `/destinations?${query}`);
    expect((json.destinations as { id: string }[]).map(({ id }) => id)).toEqual(ids);
    expect(json.total).toBe(total);
  });

  it.each(['paused=1', 'paused=', 'paused=TRUE', 'page=0', 'limit=101', 'channel=email'])(
    'refuses %s and names the parameter',
    async (query) => {
      const answer = await apiWithDestinations().call('GET', `/destinations?${query}`);
      expect([answer.status, ...errorsOf(answer).keys()]).toEqual([400, query.split('=')[0]]);
    },
  );
});

describe('GET /destinations/{id}', () => {
  it('adds how many deliveries wait and how many are held', async () => {
    const { call } = apiWithDestinations();
    expect((await call('GET', '/destinations/dst-1')).json).toEqual({
      ...SHOWN_WEBHOOK,
      ...COUNTS,
    });
    expect((await call('GET', '/destinations/dst-9')).status).toBe(404);
  });
});

describe('pausing a destination', () => {
  it('takes a reason, and says by whom it was where none is given', async () => {
    const { call, world } = apiWithDestinations();
    world.nowMs += 1_000;
    const since = '2026-01-01T00:00:01.000Z';
    const paused = await call('POST', '/destinations/dst-2/pause', { body: { reason: 'new server' } });
    expect([paused.status, paused.json]).toEqual([
      200,
      { ...SHOWN_EMAIL, ...COUNTS, paused: { since, reason: 'new server' } },
    ]);
    for (const options of [{}, { body: {} }, { body: { reason: null } }]) {
      const answer = await call('POST', '/destinations/dst-2/pause', options);
      expect(answer.json.paused).toEqual({ since, reason: 'paused by request' });
    }
  });

  it('ends with resume', async () => {
    const { call, world } = apiWithDestinations();
    const resumed = await call('POST', '/destinations/dst-1/resume');
    expect([resumed.status, resumed.json]).toEqual([200, { ...SHOWN_WEBHOOK, ...COUNTS, paused: null }]);
    expect(world.destinations.map(({ pause }) => pause)).toEqual([null, null, null]);
  });

  it.each([
    ['pause', { reason: '' }, 'reason'],
    ['pause', { reason: ' ' }, 'reason'],
    ['pause', { reason: 'x'.repeat(201) }, 'reason'],
    ['pause', { reason: 'a\nb' }, 'reason'],
    ['pause', { reason: 7 }, 'reason'],
    ['pause', { until: 'tomorrow' }, 'until'],
    ['pause', [], ''],
    ['resume', { reason: 'done' }, 'reason'],
  ])('refuses %s with %j and names %j', async (action, body, path) => {
    const { call, world } = apiWithDestinations();
    const before = world.destinations;
    const answer = await call('POST', `/destinations/dst-1/${action}`, { body });
    expect([answer.status, ...errorsOf(answer).keys()]).toEqual([400, path]);
    expect(world.destinations).toBe(before);
  });

  it('takes a reason of 200 characters', async () => {
    const { call } = apiWithDestinations();
    const reason = '😀'.repeat(200);
    const answer = await call('POST', '/destinations/dst-2/pause', { body: { reason } });
    expect(answer.json.paused).toMatchObject({ reason });
  });
});

describe.each(['PATCH', 'PUT'])('%s of a destination', (method) => {
  it('sets its rate, and null gives it back to the configuration', async () => {
    const { call, world } = apiWithDestinations();
    for (const rate of [1, 1_000_000, null]) {
      const body = { rate_per_second: rate };
      const answer = await call(method, '/destinations/dst-1', { body });
      expect([answer.status, answer.json]).toEqual([
        200,
        { ...SHOWN_WEBHOOK, ...COUNTS, rate_per_second: rate },
      ]);
      expect(world.destinations[1]?.ratePerSecond).toBe(rate);
    }
  });

  it.each([
    [{ rate_per_second: 0 }, 'rate_per_second'],
    [{ rate_per_second: 1_000_001 }, 'rate_per_second'],
    [{ rate_per_second: 1.5 }, 'rate_per_second'],
    [{ rate_per_second: '5' }, 'rate_per_second'],
    [{}, 'rate_per_second'],
    [{ rate_per_second: 5, paused: true }, 'paused'],
  ])('refuses %j and names %s', async (body, path) => {
    const { call, world } = apiWithDestinations();
    const answer = await call(method, '/destinations/dst-1', { body });
    expect([answer.status, ...errorsOf(answer).keys()]).toEqual([400, path]);
    expect(world.destinations[1]).toBe(WEBHOOK);
  });
});

describe('a destination of another OU', () => {
  it.each([
    ['GET', '', undefined],
    ['PATCH', '', { rate_per_second: 5 }],
    ['PUT', '', { rate_per_second: 5 }],
    ['POST', '/pause', undefined],
    ['POST', '/resume', undefined],
  ])('is absent for %s %s', async (method, action, body) => {
    const { call, world } = apiWithDestinations();
    const before = world.destinations;
    const answer = await call(method, `/destinations/dst-1${action}`, { token: TOKEN_TWO, body });
    expect([answer.status, answer.json.detail]).toEqual([404, 'There is no such destination.']);
    expect(world.destinations).toBe(before);
  });
});
