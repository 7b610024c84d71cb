import type { Attempt, Channel, Delivery, DeliveryId } from '../model/delivery.ts';
import type { Destination } from '../model/destination.ts';
import type { OuId } from '../model/event.ts';
import type { Fire, FireId } from '../model/fire.ts';
import type { Trigger } from '../model/trigger.ts';

/** Structured logging, as pino offers it. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A due row: a delivery, or a row that cannot be read. */
export type DueRow =
  | { readonly kind: 'delivery'; readonly delivery: Delivery }
  | { readonly kind: 'unreadable'; readonly deliveryId: DeliveryId; readonly problem: string };

/** The durable queue: due rows by lane (one destination each), and what becomes of them. */
export interface DeliveryQueue {
  /** Lanes with due rows and the time of the first one, in the order of their names, from behind a lane on. */
  lanes(after: string | null, count: number): readonly { readonly lane: string; readonly dueAtMs: number }[];
  /** Lanes with held rows, in the same way. */
  heldLanes(after: string | null, count: number): readonly string[];
  /** Whose the lane is, and what goes through it. */
  partsOf(lane: string): { readonly ou: OuId; readonly channel: Channel };
  laneOf(delivery: Pick<Delivery, 'ou' | 'channel' | 'destination'>): string;
  /**
   * The rows due by `nowMs` in the order of their due times, at most `count`, apart from those in `skip` and those
   * not yet on disk; and when the first one beyond `nowMs` is due, where all of them are given.
   */
  due(
    lane: string,
    nowMs: number,
    skip: ReadonlySet<DeliveryId>,
    count: number,
  ): { readonly rows: readonly DueRow[]; readonly nextDueAtMs: number | null };
  postpone(lane: string, id: DeliveryId, untilMs: number): Promise<void>;
  /** Resolves to the ids that have no row any more; the others are stored whole or not at all. */
  recordAttempts(
    settlements: readonly { readonly delivery: Delivery; readonly attempt: Attempt }[],
  ): Promise<readonly DeliveryId[]>;
  /** Has a delivery that is in the queue go to another URL. Resolves to how it stands then; undefined without a row. */
  move(id: DeliveryId, url: string, nowMs: number): Promise<Delivery | undefined>;
  /** Takes what is in the queue of the lane out of it. */
  hold(lane: string, reason: string, nowMs: number): Promise<number>;
  /** Makes what is held in the lane due at once. */
  release(lane: string, nowMs: number): Promise<number>;
  /** Gives up what has been due since before a time, apart from those in `skip`. */
  giveUp(
    lane: string,
    dueBeforeMs: number,
    skip: ReadonlySet<DeliveryId>,
    reason: string,
    nowMs: number,
  ): Promise<number>;
}

/** What was set of destinations. */
export interface DestinationSettings {
  all(): readonly Destination[];
  /** Resolves when it is on disk. */
  put(destination: Destination): Promise<void>;
  /** The destination of a delivery, with nothing set. */
  destinationOf(delivery: Pick<Delivery, 'ou' | 'channel' | 'destination'>): Destination;
}

export interface FireSource {
  fire(ou: OuId, id: FireId): Fire | undefined;
}

/** The sequence or milestone trigger as it is now, also when it has been deleted since. */
export type SequenceOf = (ou: OuId, id: string) => Trigger | undefined;

export interface OutboxMetrics {
  onAttempt(attempt: {
    readonly channel: Channel;
    readonly outcome: Attempt['outcome'];
    readonly durationMs: number;
    /** Where it went: no path, no query, no mailbox. */
    readonly host: string;
  }): void;
}

/** How far a walk through the old fires has come: an OU, and the last fire looked at. */
export interface WalkPlace {
  readonly ou: OuId;
  readonly behind: { readonly firedAtMicros: number; readonly id: FireId } | null;
}

export interface SequencePlace {
  readonly ou: OuId;
  readonly id: string;
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
