import type { Delivery } from '../model/delivery.ts';
import type { OutboxOptions } from './options.ts';
import { EMAIL_HELD_REASON } from './plan.ts';
import { noAnswer, permanentFailure, type SendResult } from './sender.ts';
import { transportError } from './transportError.ts';

/** Makes one attempt with the sender of the channel. Never rejects: whatever goes wrong is a failed attempt. */
export async function send(
  { fires, sequenceOf, webhookSender, emailSender }: OutboxOptions,
  delivery: Delivery,
  nowMs: number,
  signal: AbortSignal,
): Promise<SendResult> {
  try {
    const fire = fires.fire(delivery.ou, delivery.fireId);
    if (fire === undefined) return permanentFailure('fire_missing', 'the fire is not stored any more');
    const sequence = sequenceOf(delivery.ou, delivery.sequenceId);
    if (sequence === undefined) {
      return permanentFailure('sequence_missing', 'the sequence is not known any more');
    }
    const sender = delivery.channel === 'webhook' ? webhookSender : emailSender;
    if (sender === null) return noAnswer('not_configured', EMAIL_HELD_REASON);
    return await sender.send({ delivery, fire, sequence, nowMs }, signal);
  } catch (error) {
    const { kind, detail } = transportError(error);
    return noAnswer(kind, detail);
  }
}

/** Whether a result tells nothing of the destination, because nothing was sent there. */
export function wasNotSent(result: SendResult): boolean {
  if (result.outcome === 'delivered') return false;
  return result.error === 'fire_missing' || result.error === 'sequence_missing';
}

/**
 * Where an attempt goes: a first one where the sequence pointed at the fire, a repetition where it points by now,
 * since the URL may have been the reason for the failure.
 */
export function urlNow({ sequenceOf }: Pick<OutboxOptions, 'sequenceOf'>, delivery: Delivery): string {
  const { channel, attemptsMade, ou, sequenceId, destination } = delivery;
  if (channel === 'email' || attemptsMade === 0) return destination;
  try {
    return sequenceOf(ou, sequenceId)?.webhookUrl ?? destination;
  } catch {
    return destination;
  }
}
