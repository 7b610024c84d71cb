import { describe, expect, it } from 'vitest';
import { planDeliveries } from '../../../src/outbox/plan.ts';
import { aFire, aSequence } from '../../support/outbox.ts';

const SEQUENCE = aSequence({
  webhookUrl: 'https://example.com/hook',
  emails: ['a@example.com', 'b@example.com', 'a@example.com'],
});

describe('the deliveries of a fire', () => {
  it('are one for the webhook and one for each recipient, due now', () => {
    const planned = planDeliveries(aFire(), SEQUENCE, { emailConfigured: true, nowMs: 7 });
    expect(planned.map(({ channel, destination }) => [channel, destination])).toEqual([
      ['webhook', 'https://example.com/hook'],
      ['email', 'a@example.com'],
      ['email', 'b@example.com'],
    ]);
    for (const delivery of planned) {
      expect(delivery).toMatchObject({ state: 'pending', dueAtMs: 7, createdAtMs: 7, attemptsMade: 0 });
      expect(delivery).toMatchObject({ ou: 'acme', fireId: 'fire-1', sequenceId: 'seq-1', reason: null });
    }
  });

  it('have ids that a replay finds again and that no other destination or fire shares', () => {
    const ids = (fireId: string, nowMs: number) =>
      planDeliveries(aFire({ id: fireId }), SEQUENCE, { emailConfigured: false, nowMs }).map(({ id }) => id);
    expect(ids('fire-1', 1)).toEqual(ids('fire-1', 2));
    expect(new Set([...ids('fire-1', 1), ...ids('fire-2', 1)]).size).toBe(6);
  });

  it('wait when no SMTP server is configured, and say for what', () => {
    const [webhook, email] = planDeliveries(aFire(), SEQUENCE, { emailConfigured: false, nowMs: 7 });
    expect(webhook).toMatchObject({ state: 'pending', dueAtMs: 7 });
    expect(email).toMatchObject({ state: 'held', dueAtMs: null });
    expect(email?.reason).toContain('SMTP_URL');
  });

  it('R19: are never sent for a stale fire', () => {
    const planned = planDeliveries(aFire({ stale: true }), SEQUENCE, { emailConfigured: false, nowMs: 7 });
    expect(planned.map(({ state, dueAtMs }) => [state, dueAtMs])).toEqual(
      Array.from({ length: 3 }, () => ['skipped_stale', null]),
    );
  });

  it('are none for a sequence without destinations', () => {
    expect(planDeliveries(aFire(), aSequence(), { emailConfigured: true, nowMs: 7 })).toEqual([]);
  });

  it('begin after the first delay of the schedule', () => {
    const options = { emailConfigured: true, nowMs: 7, firstDelayMs: 1000 };
    expect(planDeliveries(aFire(), SEQUENCE, options)[0]).toMatchObject({ dueAtMs: 1007, createdAtMs: 7 });
  });
});
