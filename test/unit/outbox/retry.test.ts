import { describe, expect, it } from 'vitest';
import { settle } from '../../../src/outbox/retry.ts';
import { delivered, noAnswer, permanentFailure } from '../../../src/outbox/sender.ts';
import { aDelivery } from '../../support/outbox.ts';

const TIMES = { startedAtMs: 5000, endedAtMs: 5040 };
const policy = (random: number) => ({ delaysMs: [0, 1000, 60_000], random: () => random });
const REFUSED = noAnswer('connection_refused', 'connection_refused: nobody there');

describe('what an attempt leaves behind', () => {
  it('is a delivered row without a due time after a success', () => {
    const { delivery, attempt } = settle(aDelivery(), delivered(204, ''), TIMES, policy(0.5));
    expect(delivery).toMatchObject({ state: 'delivered', reason: null, dueAtMs: null, attemptsMade: 1 });
    expect(attempt).toEqual({
      number: 1,
      startedAtMs: 5000,
      durationMs: 40,
      outcome: 'delivered',
      status: 204,
      error: null,
      response: '',
    });
  });

  it.each([
    [0, 5040 + 800],
    [0.5, 5040 + 1000],
    [1, 5040 + 1200],
  ])('is due again after the next delay, with jitter %d of its range', (random, dueAtMs) => {
    const { delivery, attempt } = settle(aDelivery(), REFUSED, TIMES, policy(random));
    expect(delivery).toMatchObject({ state: 'retrying', dueAtMs, reason: REFUSED.detail, updatedAtMs: 5040 });
    expect(attempt).toMatchObject({ outcome: 'failed', status: null, error: 'connection_refused' });
  });

  it('waits for as long as the receiver asks, where that is longer than the schedule', () => {
    const busy = (retryAfterMs: number) => ({ ...REFUSED, status: 429, error: null, retryAfterMs });
    expect(settle(aDelivery(), busy(90_000), TIMES, policy(0.5)).delivery.dueAtMs).toBe(5040 + 90_000);
    expect(settle(aDelivery(), busy(10), TIMES, policy(0.5)).delivery.dueAtMs).toBe(5040 + 1000);
  });

  it('is dead when the schedule is at its end, and says what came last', () => {
    const third = aDelivery({ attemptsMade: 2, state: 'retrying' });
    const { delivery } = settle(third, REFUSED, TIMES, policy(0.5));
    expect(delivery).toMatchObject({
      state: 'dead',
      dueAtMs: null,
      attemptsMade: 3,
      reason: 'attempts exhausted: connection_refused: nobody there',
    });
  });

  it('is dead at once when another attempt cannot help', () => {
    const { delivery } = settle(
      aDelivery(),
      permanentFailure('unsendable', 'no such user'),
      TIMES,
      policy(0.5),
    );
    expect(delivery).toMatchObject({ state: 'dead', reason: 'no such user', dueAtMs: null });
  });
});
