import type { Channel } from './delivery.ts';
import type { OuId } from './event.ts';

export type DestinationId = string;

/**
 * Where deliveries of one OU go: the URL of a webhook, or its email as a whole, since one SMTP server takes all
 * of that. Each has a queue of its own.
 */
export interface Destination {
  /** `dst-…`, derived from the OU, the channel and the URL. */
  readonly id: DestinationId;
  readonly ou: OuId;
  readonly channel: Channel;
  /** The URL of a webhook; empty for email. */
  readonly url: string;
  /** Since when nothing is sent to it, and why; null: it is not paused. Its deliveries are held meanwhile. */
  readonly pause: { readonly sinceMs: number; readonly reason: string } | null;
  /** Attempts per second at most; null: what the configuration says. */
  readonly ratePerSecond: number | null;
}

/** closed: attempts are made · open: none until `untilMs` · half_open: one is under way, to see how it goes. */
export type BreakerState = 'closed' | 'open' | 'half_open';

export interface BreakerStatus {
  readonly state: BreakerState;
  /** Failed attempts since the last success, as far as this process saw them. */
  readonly failuresInARow: number;
  /** When an open breaker lets the next attempt through; null otherwise. */
  readonly untilMs: number | null;
}

/** A destination as it stands at this moment. */
export interface DestinationStatus extends Destination {
  readonly breaker: BreakerStatus;
}
