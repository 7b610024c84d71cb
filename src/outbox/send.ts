import type { Delivery } from '../model/delivery.ts';
import type { OutboxOptions } from './options.ts';
import { EMAIL_HELD_REASON } from './plan.ts';
import { noAnswer, permanentFailure, type SendResult } from './sender.ts';
import { transportError } from './transportError.ts';

export interface Sent {
  /** With the destination that it was sent to. */
  readonly sent: Delivery;
  readonly result: SendResult;
}

/** Makes one attempt with the sender of the channel. Never rejects: whatever goes wrong is a failed attempt. */
export async function send(
  { fires, sequenceOf, webhookSender, emailSender }: OutboxOptions,
  delivery: Delivery,
  nowMs: number,
  signal: AbortSignal,
): Promise<Sent> {
  let sent = delivery;
  try {
    const fire = fires.fire(delivery.ou, delivery.fireId);
    if (fire === undefined) {
      return { sent, result: permanentFailure('fire_missing', 'the fire is not stored any more') };
    }
    const sequence = sequenceOf(delivery.ou, delivery.sequenceId);
    if (sequence === undefined) {
      return { sent, result: permanentFailure('sequence_missing', 'the sequence is not known any more') };
    }
    const sender = delivery.channel === 'webhook' ? webhookSender : emailSender;
    if (sender === null) return { sent, result: noAnswer('not_configured', EMAIL_HELD_REASON) };
    // A repetition goes where the sequence points by now: the URL may have been the reason for the failure.
    const mayHaveMoved = delivery.channel === 'webhook' && delivery.attemptsMade > 0;
    if (mayHaveMoved && sequence.webhookUrl !== null)
      sent = { ...delivery, destination: sequence.webhookUrl };
    return { sent, result: await sender.send({ delivery: sent, fire, sequence, nowMs }, signal) };
  } catch (error) {
    const { kind, detail } = transportError(error);
    return { sent, result: noAnswer(kind, detail) };
  }
}
