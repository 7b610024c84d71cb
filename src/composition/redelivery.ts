import type { RedeliveryPort } from '../api/ports.ts';
import type { Config } from '../config/schema.ts';
import type { Fire, FireId } from '../model/fire.ts';
import { labelsOf, stepsOf } from '../model/step.ts';
import { isMilestone, type Trigger } from '../model/trigger.ts';
import { planDeliveries } from '../outbox/plan.ts';
import type { DeliveryPlace } from '../store/deliveries.ts';
import type { Core } from './core.ts';

/** Deliveries that one call makes due again. */
const REDELIVERED_MAX = 10_000;

/** Deliveries made again at someone's wish, and samples. */
export function redeliveryPort(config: Config, core: Core): RedeliveryPort {
  const { outbox, deliveries, fires, catalog } = core;
  /** When the last redelivery of a sequence is due, so that the next call goes on from there. */
  const busyUntilMs = new Map<string, number>();

  return {
    redeliver: async (ou, id) => {
      const found = deliveries.delivery(ou, id);
      if (found === undefined) return { ok: false, reason: 'not_found' };
      if (outbox.isUnderWay(found.delivery)) {
        // Perhaps its outcome is stored, and was read by the caller, before the outbox was told.
        await deliveries.writersKnow();
        if (outbox.isUnderWay(found.delivery)) return { ok: false, reason: 'under_way' };
      }
      const result = await deliveries.redeliver(ou, id, Date.now());
      if (result.ok) outbox.changed(result.delivery);
      return result;
    },

    redeliverRange: async (ou, sequenceId, { fromMs, toMs, status, ratePerSecond, after }) => {
      const nowMs = Date.now();
      const place = placeOf(after);
      if (place === undefined) return { ok: false, reason: 'unknown_cursor' };
      // A deleted sequence has deliveries too; one of which nothing is known has none.
      if (core.states.triggerOf(ou, sequenceId) === undefined) return { ok: false, reason: 'not_found' };
      for (const [key, untilMs] of busyUntilMs) if (untilMs < nowMs) busyUntilMs.delete(key);
      const key = `${ou}/${sequenceId}`;
      const firstMs = Math.max(nowMs, busyUntilMs.get(key) ?? 0);
      const range = { fromMs, toMs, status, after: place, countMax: REDELIVERED_MAX };
      const dueAtMs = (index: number) => Math.round(firstMs + (index * 1000) / ratePerSecond);
      const made = await deliveries.redeliverRange(ou, sequenceId, range, dueAtMs, nowMs);
      if (made.deliveries.length > 0) busyUntilMs.set(key, dueAtMs(made.deliveries.length));
      outbox.wake(made.deliveries);
      return {
        ok: true,
        queued: made.deliveries.length,
        lastDueAtMs: made.deliveries.at(-1)?.dueAtMs ?? null,
        after: made.after === null ? null : `${made.after.createdAtMs}.${made.after.id}`,
      };
    },

    sendSample: async (ou, sequenceId, fireId) => {
      const sent = fires.deliveriesOf(ou, fireId);
      if (sent.length > 0) return { ok: true, deliveries: sent };
      const trigger = catalog.trigger(ou, sequenceId);
      if (trigger === undefined) return { ok: false, reason: 'not_found' };
      const nowMs = Date.now();
      const fire = sampleFire(trigger, fireId, nowMs);
      const planned = planDeliveries(fire, trigger, {
        emailConfigured: config.smtpUrl !== null,
        pauseReason: (destination) => outbox.heldReason(destination),
        nowMs,
      });
      if (planned.length === 0) return { ok: false, reason: 'nowhere' };
      outbox.wake(await fires.commitFires([{ fire, deliveries: planned }]).flushed);
      return { ok: true, deliveries: planned };
    },
  };
}

/** After a change: has what a paused URL of the trigger has held go to its new one. */
export function takeAlong(core: Core, before: Trigger | undefined, after: Trigger): void {
  const { outbox, deliveries, log } = core;
  const [from, to] = [before?.webhookUrl ?? null, after.webhookUrl];
  if (from === null || to === null || from === to) return;
  const { ou, id } = after;
  outbox
    .inTurn({ ou, channel: 'webhook', destination: from }, async () => {
      outbox.wake(await deliveries.readdress(ou, id, to, Date.now()));
    })
    .catch((err: unknown) => {
      log.error({ err, ou, sequenceId: id }, 'held deliveries could not be given the new URL');
    });
}

const SAMPLE_TYPE = 'sample_event';

/** A fire that no lead has caused: each step a second after the one before, the last one now. */
function sampleFire(trigger: Trigger, id: FireId, nowMs: number): Fire {
  const { ou, id: sequenceId, name, version } = trigger;
  const eventTypes = isMilestone(trigger) ? [trigger.eventType ?? SAMPLE_TYPE] : trigger.eventTypes;
  const steps = stepsOf(eventTypes);
  const timeMicros = (index: number) => (nowMs - (steps.length - 1 - index) * 1000) * 1000;
  return {
    id,
    ou,
    sequenceId,
    sequenceName: name,
    sequenceVersion: version,
    leadId: 'sample-lead',
    eventTypes: labelsOf(eventTypes),
    events: steps.map(({ types }, index) => ({
      id: `sample-event-${index + 1}`,
      type: types[0]!,
      timeMicros: timeMicros(index),
    })),
    completedAtMicros: nowMs * 1000,
    firedAtMicros: nowMs * 1000,
    streamSequence: 0,
    late: false,
    stale: false,
    isSample: true,
    ...(isMilestone(trigger) && {
      milestone: { score: trigger.scoreThreshold, scoreThreshold: trigger.scoreThreshold },
    }),
  };
}

/** Reads what `redeliverRange` gave; null begins anew, undefined: it gave no such thing. */
function placeOf(after: string | null): DeliveryPlace | null | undefined {
  if (after === null) return null;
  const [, createdAtMs, id] = /^(\d{1,15})\.(del-[0-9a-f]{32})$/.exec(after) ?? [];
  return createdAtMs === undefined || id === undefined ? undefined : { createdAtMs: Number(createdAtMs), id };
}
