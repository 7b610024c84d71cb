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

/** How far a walk through the old fires has come: an OU, and the last fire looked at. */
export interface WalkPlace {
  readonly ou: OuId;
  readonly behind: { readonly firedAtMicros: number; readonly id: FireId } | null;
}

export interface SequencePlace {
  readonly ou: OuId;
  readonly id: SequenceId;
}

/** What one step of a removal did, and where the next one goes on; null: the walk is through. */
export interface RemovalStep {
  readonly removed: { readonly fires: number; readonly deliveries: number; readonly attempts: number };
  /** Old fires that were left in place. */
  readonly kept: number;
  readonly next: WalkPlace | null;
}

/** What is remembered of the wall clock between rounds of removal, in milliseconds. */
export interface ClockMemory {
  readonly seenMs: number;
  /** Nothing is removed before. */
  readonly trustedFromMs: number;
}

/** Fires, deliveries and deleted sequences of the past, removed in small steps. */
export interface HistoryPort {
  /** The arrival clock of the stream at the checkpoint on disk; null before the first. */
  arrivalClockMs(): number | null;
  clockMemory(): ClockMemory | null;
  rememberClock(memory: ClockMemory): Promise<void>;
  /** Removes fires that are over since before `untilMs`, in one short transaction. */
  removeStep(from: WalkPlace | null, untilMs: number): Promise<RemovalStep>;
  /** Removes deleted sequences that nothing refers to any more, in one short transaction. */
  removeSequencesStep(from: SequencePlace | null): Promise<{
    readonly removed: number;
    readonly next: SequencePlace | null;
  }>;
}

export interface HistoryMetrics {
  onRemoved(rows: {
    readonly fires?: number;
    readonly deliveries?: number;
    readonly attempts?: number;
    readonly sequences?: number;
  }): void;
}
