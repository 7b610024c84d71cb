import type { BreakerSettings } from './breaker.ts';
import type { Clock } from './clock.ts';
import type {
  DeliveryQueue,
  DestinationSettings,
  FireSource,
  Log,
  OutboxMetrics,
  SequenceOf,
} from './ports.ts';
import type { Sender } from './sender.ts';

export interface OutboxLimits {
  /** Attempts under way at a time. */
  readonly attemptsMax: number;
  /** Of these, to one destination. */
  readonly attemptsPerLaneMax: number;
  /** Of these, to destinations that did not answer last time. */
  readonly attemptsToSuspectsMax: number;
  /** Of these, to destinations that have not been tried yet. */
  readonly attemptsToUntriedMax: number;
  /** Of these two kinds, to those of one server. */
  readonly attemptsToUnprovenPerOriginMax: number;
}

/** Limits in proportion to the attempts under way at a time. */
export function limitsFor(attemptsMax: number, attemptsPerLaneMax: number): OutboxLimits {
  const share = (part: number) => Math.max(1, Math.floor(attemptsMax * part));
  return {
    attemptsMax,
    attemptsPerLaneMax: Math.min(attemptsPerLaneMax, attemptsMax),
    attemptsToSuspectsMax: share(1 / 4),
    attemptsToUntriedMax: share(1 / 2),
    attemptsToUnprovenPerOriginMax: share(1 / 8),
  };
}

export const DEFAULT_LIMITS = limitsFor(128, 16);

export interface OutboxOptions {
  readonly queue: DeliveryQueue;
  readonly destinations: DestinationSettings;
  readonly fires: FireSource;
  readonly sequenceOf: SequenceOf;
  readonly webhookSender: Sender;
  /** null while no SMTP server is configured: emails are held then. */
  readonly emailSender: Sender | null;
  /** Delays before each attempt in milliseconds; as many attempts are made. */
  readonly retryDelaysMs: readonly number[];
  readonly log: Log;
  readonly metrics: OutboxMetrics;
  readonly limits?: OutboxLimits;
  readonly breaker?: BreakerSettings;
  /** Attempts per second to a destination without a rate of its own; 0, the default: no limit. */
  readonly ratePerSecond?: number;
  readonly clock?: Clock;
  /** Uniform in [0, 1), for the jitter. */
  readonly random?: () => number;
}
