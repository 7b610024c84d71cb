import { describe, expect, it } from 'vitest';
import type { DeliveryState } from '../../../src/model/delivery.ts';
import { aDelivery, aFire, START_MS, startApi } from '../../support/api.ts';

const START_MICROS = START_MS * 1000;

describe('GET /sequence-events', () => {
  it('shows a fire with its events and deliveries, in a list and alone', async () => {
    const { call, world } = startApi();
    world.fires = [aFire({ late: true })];
    world.deliveries = [
      aDelivery({ state: 'delivered', attemptsMade: 2, dueAtMs: null }),
      aDelivery({
        id: 'dlv-2',
        channel: 'email',
        destination: 'a@example.com',
        state: 'held',
        reason: 'no SMTP',
      }),
    ];
    const list = await call('GET', '/sequence-events');
    const shown = {
      id: 'fire-1',
      sequence_id: 'seq-1',
      sequence_name: 'Buyers',
      lead_id: 'lead-1',
      event_types: ['view', 'buy'],
      fired_at: '2026-01-01T00:00:01Z',
      completed_at: '2026-01-01T00:00:00.25Z',
      late: true,
      events: [
        { id: 'e1', event_type: 'view', created_at: '2026-01-01T00:00:00Z' },
        { id: 'e2', event_type: 'buy', created_at: '2026-01-01T00:00:00.25Z' },
      ],
      delivery: 'held',
      deliveries: [
        {
          id: 'dlv-1',
          channel: 'webhook',
          destination: 'https://example.com/hook',
          state: 'delivered',
          reason: null,
          attempts: 2,
          next_attempt_at: null,
          updated_at: '2026-01-01T00:00:00.000Z',
        },
        {
          id: 'dlv-2',
          channel: 'email',
          destination: 'a@example.com',
          state: 'held',
          reason: 'no SMTP',
          attempts: 0,
          next_attempt_at: '2026-01-01T00:00:00.000Z',
          updated_at: '2026-01-01T00:00:00.000Z',
        },
      ],
    };
    expect(list.json).toEqual({ events: [shown], total: 1, page: 1, limit: 25, next_cursor: null });
    expect((await call('GET', '/sequence-events/fire-1')).json).toEqual(shown);
    expect((await call('GET', '/sequence-events/fire-2')).status).toBe(404);
  });

  it('pages through everything, newest first', async () => {
    const { call, world } = startApi();
    world.fires = [3, 1, 2].map((n) => aFire({ id: `fire-${n}`, firedAtMicros: START_MICROS + n }));
    const idsOn = async (query: string) => {
      const { json } = await call('GET', `/sequence-events?${query}`);
      return [(json.events as { id: string }[]).map(({ id }) => id), json.total, json.page, json.limit];
    };
    expect(await idsOn('limit=2')).toEqual([['fire-3', 'fire-2'], 3, 1, 2]);
    expect(await idsOn('limit=2&page=2')).toEqual([['fire-1'], 3, 2, 2]);
    expect(await idsOn('limit=100&page=9')).toEqual([[], 3, 9, 100]);
  });

  it.each([
    ['sequence_id=seq-2', ['fire-2']],
    [`lead_id=${encodeURIComponent('löad & +')}`, ['fire-3']],
    ['from=2026-01-01T00:00:02Z', ['fire-3', 'fire-2']],
    ['to=2026-01-01T01:00:02%2B01:00', ['fire-2', 'fire-1']],
    ['from=2026-01-01T00:00:02Z&to=2026-01-01T00:00:02Z', ['fire-2']],
    ['sequence_id=seq-2&lead_id=lead-9', []],
  ])('filters by %s', async (query, expected) => {
    const { call, world } = startApi();
    world.fires = [
      aFire({ id: 'fire-1', firedAtMicros: START_MICROS + 1_000_000 }),
      aFire({ id: 'fire-2', firedAtMicros: START_MICROS + 2_000_000, sequenceId: 'seq-2' }),
      aFire({ id: 'fire-3', firedAtMicros: START_MICROS + 3_000_000, leadId: 'löad & +' }),
    ];
    const { json } = await call('GET', `/sequence-events?${query}`);
    expect((json.events as { id: string }[]).map(({ id }) => id)).toEqual(expected);
  });

  it.each<readonly [string, readonly DeliveryState[]]>([
    ['none', []],
    ['delivered', ['delivered', 'delivered']],
    ['pending', ['delivered', 'dead', 'pending', 'retrying', 'held']],
    ['held', ['retrying', 'held', 'dead']],
    ['retrying', ['dead', 'retrying', 'delivered']],
    ['dead', ['delivered', 'dead']],
  ])('says %s in one word where the deliveries are %j', async (word, states) => {
    const { call, world } = startApi();
    world.fires = [aFire()];
    world.deliveries = states.map((state, index) => aDelivery({ id: `dlv-${index}`, state }));
    expect((await call('GET', '/sequence-events/fire-1')).json.delivery).toBe(word);
  });

  it('says skipped_stale for a fire that the stale guard held back', async () => {
    const { call, world } = startApi();
    world.fires = [aFire({ stale: true })];
    expect((await call('GET', '/sequence-events/fire-1')).json.delivery).toBe('skipped_stale');
  });
});

describe('GET /deliveries', () => {
  it('shows a delivery in the list, and with every attempt alone', async () => {
    const { call, world } = startApi();
    world.deliveries = [aDelivery({ state: 'retrying', reason: 'HTTP 500', attemptsMade: 1 })];
    const attempt = {
      number: 1,
      startedAtMs: START_MS,
      durationMs: 12,
      outcome: 'failed' as const,
      status: 500,
      error: null,
      response: 'oops',
    };
    world.attempts.set('dlv-1', [attempt]);
    const shown = {
      id: 'dlv-1',
      fire_id: 'fire-1',
      sequence_id: 'seq-1',
      trigger_id: null,
      channel: 'webhook',
      destination: 'https://example.com/hook',
      state: 'retrying',
      reason: 'HTTP 500',
      attempts: 1,
      next_attempt_at: '2026-01-01T00:00:00.000Z',
      created_at: '2026-01-01T00:00:00.000Z',
      updated_at: '2026-01-01T00:00:00.000Z',
    };
    const list = await call('GET', '/deliveries');
    expect(list.json).toEqual({ deliveries: [shown], total: 1, page: 1, limit: 25, next_cursor: null });
    const one = await call('GET', '/deliveries/dlv-1');
    expect(one.json).toEqual({
      ...shown,
      attempt_count: 1,
      attempts: [
        {
          number: 1,
          started_at: '2026-01-01T00:00:00.000Z',
          duration_ms: 12,
          outcome: 'failed',
          status: 500,
          error: null,
          response: 'oops',
        },
      ],
    });
    expect((await call('GET', '/deliveries/dlv-9')).status).toBe(404);
  });

  it.each([
    ['status=dead', ['dlv-2']],
    ['sequence_id=seq-3', ['dlv-3']],
    ['status=dead&sequence_id=seq-3', []],
    ['limit=1&page=2', ['dlv-2']],
  ])('filters by %s', async (query, expected) => {
    const { call, world } = startApi();
    world.deliveries = [
      aDelivery(),
      aDelivery({ id: 'dlv-2', state: 'dead' }),
      aDelivery({ id: 'dlv-3', sequenceId: 'seq-3' }),
    ];
    const { json } = await call('GET', `/deliveries?${query}`);
    expect((json.deliveries as { id: string }[]).map(({ id }) => id)).toEqual(expected);
  });
});

describe('GET /rejected-events', () => {
  const REJECTED = {
    ou: 'one',
    event: {
      reason: 'not_json',
      detail: 'the message is "x"',
      streamSequence: 12,
      rejectedAtMicros: START_MICROS,
      subject: 'events.one',
      payloadText: '{"lead_id":',
      payloadBytes: 2_000,
    },
  };

  it('shows the message, its place and the reason', async () => {
    const { call, world } = startApi();
    world.rejected = [REJECTED];
    expect((await call('GET', '/rejected-events')).json).toEqual({
      events: [
        {
          reason: 'not_json',
          detail: 'the message is "x"',
          stream_sequence: 12,
          rejected_at: '2026-01-01T00:00:00Z',
          subject: 'events.one',
          payload: '{"lead_id":',
          payload_bytes: 2_000,
        },
      ],
      total: 1,
      page: 1,
      limit: 25,
    });
  });

  it('pages through them', async () => {
    const { call, world } = startApi();
    world.rejected = [1, 2, 3].map((n) => ({ ...REJECTED, event: { ...REJECTED.event, streamSequence: n } }));
    const { json } = await call('GET', '/rejected-events?limit=2&page=2');
    expect(json).toMatchObject({ events: [{ stream_sequence: 3 }], total: 3, page: 2, limit: 2 });
  });

  it('answers 503 while the stream cannot be read', async () => {
    const { call, world } = startApi();
    world.streamAvailable = false;
    const answer = await call('GET', '/rejected-events');
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).not.toBeNull();
  });
});
