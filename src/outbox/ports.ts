import type { Attempt, Channel, Delivery, DeliveryId } from '../model/delivery.ts';
import type { OuId } from '../model/event.ts';
import type { Fire, FireId } from '../model/fire.ts';
import type { Sequence, SequenceId } from '../model/sequence.ts';

/** Structured logging, as pino offers it. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** The first due row of a lane: a delivery, a row that cannot be read, or nothing. */
export type Picked =
  | { readonly kind: 'delivery'; readonly delivery: Delivery; readonly dueAtMs: number }
  | {
      readonly kind: 'unreadable';
      readonly deliveryId: DeliveryId;
      readonly dueAtMs: number;
      readonly problem: string;
    }
  | { readonly kind: 'empty' };

/** The durable queue: due rows by lane (one destination each), and what becomes of them. */
export interface DeliveryQueue {
  /** Every lane with due rows and the time of its first one. */
  lanes(): readonly { readonly lane: string; readonly dueAtMs: number }[];
  laneOf(delivery: Delivery): string;
  /** The earliest due row, due now or later, apart from those in `skip` and those not yet on disk. */
  pick(lane: string, skip: ReadonlySet<DeliveryId>): Picked;
  postpone(lane: string, dueAtMs: number, id: DeliveryId, untilMs: number): Promise<void>;
  recordAttempt(after: Delivery, attempt: Attempt): Promise<void>;
  holdEmails(reason: string, nowMs: number): Promise<number>;
  releaseEmails(nowMs: number): Promise<number>;
}

export interface FireSource {
  fire(ou: OuId, id: FireId): Fire | undefined;
}

/** The sequence as it is now, also when it has been deleted since. */
export type SequenceOf = (ou: OuId, id: SequenceId) => Sequence | undefined;

export interface OutboxMetrics {
  onAttempt(attempt: { channel: Channel; outcome: Attempt['outcome']; durationMs: number }): void;
}
