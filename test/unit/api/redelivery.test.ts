import { describe, expect, it } from 'vitest';
import { aDelivery, errorsOf, START_MS, startApi, TOKEN_TWO } from '../../support/api.ts';

const RANGE = { from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' };

describe('POST /deliveries/{id}/redeliver', () => {
  it('answers 202 with the delivery, due again', async () => {
    const { call, world } = startApi();
    const delivery = aDelivery({ state: 'dead', reason: 'answered 500', attemptsMade: 10, dueAtMs: null });
    world.deliveries = [delivery];
    world.nowMs += 5_000;
    const answer = await call('POST', '/deliveries/dlv-1/redeliver');
    expect([answer.status, answer.json]).toEqual([
      202,
      {
        id: 'dlv-1',
        fire_id: 'fire-1',
        sequence_id: 'seq-1',
        trigger_id: null,
        channel: 'webhook',
        destination: 'https://example.com/hook',
        state: 'pending',
        reason: null,
        attempts: 10,
        next_attempt_at: '2026-01-01T00:00:05.000Z',
        created_at: '2026-01-01T00:00:00.000Z',
        updated_at: '2026-01-01T00:00:05.000Z',
      },
    ]);
  });

  it.each([
    ['under_way', /being attempted/],
    ['held', /resume.*SMTP_URL/],
  ] as const)('answers 409 where it is %s, and says what to do', async (obstacle, detail) => {
    const { call, world } = startApi();
    world.deliveries = [aDelivery()];
    world.obstacles.set('dlv-1', obstacle);
    const answer = await call('POST', '/deliveries/dlv-1/redeliver');
    expect(answer.status).toBe(409);
    expect(answer.json).toMatchObject({ title: 'Conflict', detail: expect.stringMatching(detail) });
  });

  it('answers 404 where there is none, and for another OU', async () => {
    const { call, world } = startApi();
    const delivery = aDelivery({ state: 'dead' });
    world.deliveries = [delivery];
    expect((await call('POST', '/deliveries/dlv-9/redeliver')).status).toBe(404);
    expect((await call('POST', '/deliveries/dlv-1/redeliver', { token: TOKEN_TWO })).status).toBe(404);
    expect(world.deliveries).toEqual([delivery]);
  });

  it('takes no fields', async () => {
    const { call, world } = startApi();
    world.deliveries = [aDelivery()];
    const answer = await call('POST', '/deliveries/dlv-1/redeliver', { body: { at: 'once' } });
    expect([answer.status, ...errorsOf(answer).keys()]).toEqual([400, 'at']);
    expect((await call('POST', '/deliveries/dlv-1/redeliver', { body: {} })).status).toBe(202);
  });
});

describe('POST /sequences/{id}/redeliver', () => {
  function apiWithDead(count: number) {
    const api = startApi();
    api.world.deliveries = Array.from({ length: count }, (_, index) =>
      aDelivery({ id: `dlv-${index}`, state: 'dead', createdAtMs: START_MS + index }),
    );
    return api;
  }

  it('sends the dead ones of the range again, at 100 per second, where nothing else is asked for', async () => {
    const { call, world } = apiWithDead(200);
    world.deliveries.push(aDelivery({ id: 'dlv-x', state: 'delivered' }));
    const answer = await call('POST', '/sequences/seq-1/redeliver', { body: RANGE });
    expect([answer.status, answer.json]).toEqual([
      202,
      { queued: 200, last_due_at: '2026-01-01T00:00:02.000Z', after: null },
    ]);
    const query = { status: 'dead', ratePerSecond: 100, after: null };
    expect(world.redeliveries).toEqual([{ fromMs: START_MS, toMs: START_MS + 86_400_000, ...query }]);
  });

  it('goes on with the cursor of the answer until it is null', async () => {
    const { call, world } = apiWithDead(5);
    world.redeliveredMax = 2;
    const queued: unknown[] = [];
    let after: unknown = null;
    do {
      const { json } = await call('POST', '/sequences/seq-1/redeliver', { body: { ...RANGE, after } });
      queued.push(json.queued);
      after = json.after;
    } while (after !== null && queued.length < 10);
    expect(queued).toEqual([2, 2, 1]);
  });

  it('says null for the last time where nothing is in the range', async () => {
    const { call } = apiWithDead(1);
    const body = { ...RANGE, status: 'skipped_stale', rate_per_second: 1_000 };
    const answer = await call('POST', '/sequences/seq-1/redeliver', { body });
    expect(answer.json).toEqual({ queued: 0, last_due_at: null, after: null });
  });

  it('counts both ends of the range in, to the millisecond', async () => {
    const { call, world } = apiWithDead(4);
    const body = { from: '2026-01-01T00:00:00.0009Z', to: '2026-01-01T01:00:00.0029+01:00' };
    expect((await call('POST', '/sequences/seq-1/redeliver', { body })).json.queued).toBe(2);
    expect(world.redeliveries[0]).toMatchObject({ fromMs: START_MS + 1, toMs: START_MS + 2 });
  });

  it('works for a deleted sequence that has deliveries, and is 404 where there is nothing', async () => {
    const { call } = apiWithDead(1);
    expect((await call('GET', '/sequences/seq-1')).status).toBe(404);
    expect((await call('POST', '/sequences/seq-1/redeliver', { body: RANGE })).status).toBe(202);
    const absent = await call('POST', '/sequences/seq-2/redeliver', { body: RANGE });
    expect([absent.status, absent.json.detail]).toEqual([404, 'There is no such sequence.']);
    const foreign = await call('POST', '/sequences/seq-1/redeliver', { body: RANGE, token: TOKEN_TWO });
    expect([foreign.status, foreign.json.detail]).toEqual([404, absent.json.detail]);
  });

  it.each([
    [{ from: undefined }, 'from'],
    [{ to: undefined }, 'to'],
    [{ from: 'yesterday' }, 'from'],
    [{ to: '2026-01-02' }, 'to'],
    [{ from: 1_767_225_600_000 }, 'from'],
    [{ from: '2026-01-03T00:00:00Z' }, 'from'],
    [{ status: 'held' }, 'status'],
    [{ status: null }, 'status'],
    [{ rate_per_second: 0 }, 'rate_per_second'],
    [{ rate_per_second: 1_001 }, 'rate_per_second'],
    [{ rate_per_second: 0.5 }, 'rate_per_second'],
    [{ after: '' }, 'after'],
    [{ after: 'two words' }, 'after'],
    [{ after: 'x'.repeat(513) }, 'after'],
    [{ after: 5 }, 'after'],
    [{ after: 'not-given-out' }, 'after'],
    [{ limit: 10 }, 'limit'],
  ])('refuses %j and names %s', async (fields, path) => {
    const { call, world } = apiWithDead(1);
    const answer = await call('POST', '/sequences/seq-1/redeliver', { body: { ...RANGE, ...fields } });
    expect([answer.status, ...errorsOf(answer).keys()]).toEqual([400, path]);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(world.redeliveries).toEqual([]);
  });
});

describe('POST /sequences/{id}/test', () => {
  it('answers 202 with the deliveries of the sample', async () => {
    const { call, create } = startApi();
    const { id } = await create({
      webhook_url: 'https://example.com/hook',
      emails: ['a@example.com', 'b@example.com'],
    });
    const answer = await call('POST', `/sequences/${id}/test`);
    expect([answer.status, answer.json.fire_id]).toEqual([
      202,
      expect.stringMatching(/^sample-[0-9a-f]{24}$/),
    ]);
    const deliveries = answer.json.deliveries as Record<string, unknown>[];
    expect(deliveries.map(({ channel, destination }) => [channel, destination])).toEqual([
      ['webhook', 'https://example.com/hook'],
      ['email', 'a@example.com'],
      ['email', 'b@example.com'],
    ]);
    expect(deliveries[0]).toMatchObject({ fire_id: answer.json.fire_id, sequence_id: id, attempts: 0 });
  });

  it('answers 409 where the sequence sends nowhere', async () => {
    const { call, create } = startApi();
    const { id } = await create();
    const answer = await call('POST', `/sequences/${id}/test`);
    expect([answer.status, answer.json.title]).toEqual([409, 'Conflict']);
    expect(answer.json.detail).toMatch(/webhook_url nor emails/);
  });

  it('answers 404 where there is none, and for another OU; takes no fields', async () => {
    const { call, create } = startApi();
    const { id } = await create({ webhook_url: 'https://example.com/hook' });
    expect((await call('POST', '/sequences/seq-9/test')).status).toBe(404);
    expect((await call('POST', `/sequences/${id}/test`, { token: TOKEN_TWO })).status).toBe(404);
    const answer = await call('POST', `/sequences/${id}/test`, { body: { lead_id: 'l' } });
    expect([answer.status, ...errorsOf(answer).keys()]).toEqual([400, 'lead_id']);
  });
});
