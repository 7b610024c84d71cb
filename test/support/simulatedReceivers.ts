import type { Delivery } from '../../src/model/delivery.ts';
import { noAnswer, type Outgoing, permanentFailure, type SendResult } from '../../src/outbox/sender.ts';
import { resultOf } from '../../src/outbox/webhookAnswer.ts';
import { webhookBody } from '../../src/outbox/webhookMessage.ts';
import type { Chance, SimulatedProcess } from './simulatedTime.ts';

/** What a destination does with what it is sent. */
export type Manner = 'takes' | 'fails' | 'throttles' | 'is gone' | 'hangs' | 'drops' | 'is down' | 'refuses';

export const MANNERS: readonly Manner[] = [
  'takes',
  'fails',
  'throttles',
  'is gone',
  'hangs',
  'drops',
  'is down',
  'refuses',
];

/** Seconds and dates, sensible or not. */
const RETRY_AFTER = ['3', '0', '90', 'soon', 'Tue, 14 Nov 2023 22:30:00 GMT', '100000000'];

/** What a mail server says that will never take the message. */
export const REFUSED_DETAIL = 'there is no such mailbox';

/** All of one fire that one destination received. */
export interface Receipt {
  readonly body: string;
  count: number;
  /** How many of them it took with a 2xx. */
  taken: number;
}

/** The world outside: web servers and one mail server, which log all that reaches them. */
export class SimulatedReceivers {
  readonly #chance: Chance;
  readonly #manners = new Map<string, Manner>();
  readonly receipts = new Map<string, Receipt>();
  /** What must never be seen; the first is kept. */
  complaint: string | null = null;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  setManner(destination: string, manner: Manner): void {
    this.#manners.set(destination, manner);
  }

  calmDown(): void {
    this.#manners.clear();
  }

  /** Never rejects. What happens at the destination happens even if the process dies before it hears of it. */
  async send(
    process: SimulatedProcess,
    { delivery, fire, nowMs }: Outgoing,
    signal: AbortSignal,
    timeoutMs: number,
  ): Promise<SendResult> {
    const manner = this.#manners.get(placeOf(delivery)) ?? 'takes';
    const pause = async (longestMs: number): Promise<void> =>
      process.sleep(this.#chance.delayMs(longestMs), signal);
    try {
      await pause(500);
      if (manner === 'is down') return noAnswer('connection_refused', 'connection refused');
      this.#receive(delivery, webhookBody(fire), manner);
      if (manner === 'hangs') {
        await process.sleep(timeoutMs, signal);
        return noAnswer('timeout', 'no complete answer in time');
      }
      await pause(timeoutMs / 2);
      if (manner === 'drops') return noAnswer('connection_reset', 'the connection was cut');
      return this.#answer(manner, nowMs);
    } catch {
      return noAnswer('aborted', 'the process is going down');
    }
  }

  #answer(manner: Manner, nowMs: number): SendResult {
    const retryAfter = this.#chance.pick(RETRY_AFTER);
    switch (manner) {
      case 'takes':
        return resultOf({ status: this.#chance.pick([200, 202, 204]), headers: {}, response: 'ok' }, nowMs);
      case 'throttles':
        return resultOf({ status: 429, headers: { 'retry-after': retryAfter }, response: 'later' }, nowMs);
      case 'is gone':
        return resultOf({ status: 410, headers: {}, response: 'gone' }, nowMs);
      // What only a mail server can say.
      case 'refuses':
        return permanentFailure('unsendable', REFUSED_DETAIL);
      default:
        return resultOf({ status: 500, headers: {}, response: 'oops' }, nowMs);
    }
  }

  #receive(delivery: Delivery, body: string, manner: Manner): void {
    const key = receiptKey(delivery);
    const receipt = this.receipts.get(key) ?? { body, count: 0, taken: 0 };
    if (receipt.body !== body)
      this.complaint ??= `${key} came with another body: ${receipt.body} and ${body}`;
    receipt.count++;
    if (manner === 'takes') receipt.taken++;
    this.receipts.set(key, receipt);
  }
}

export function receiptKey({ fireId, channel, destination }: Delivery): string {
  return `${fireId} ${channel} ${destination}`;
}

/** All mail goes to one server. */
export function placeOf({ channel, destination }: Pick<Delivery, 'channel' | 'destination'>): string {
  return channel === 'email' ? 'email' : destination;
}
