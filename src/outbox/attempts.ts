import type { Delivery } from '../model/delivery.ts';
import type { Clock } from './clock.ts';
import type { Lane } from './lane.ts';
import type { OutboxOptions } from './options.ts';
import type { DueRow } from './ports.ts';
import type { Recorder } from './recorder.ts';
import { type RetryPolicy, settle, totalMs } from './retry.ts';
import { send, urlNow, wasNotSent } from './send.ts';
import type { SendResult } from './sender.ts';

/** A row that cannot be read is looked at again after this time. */
const UNREADABLE_PAUSE_MS = 60 * 60 * 1000;
/** What an open breaker keeps waiting is not given up earlier than this, however short the schedule is. */
const GIVE_UP_MS_MIN = 3 * 24 * 60 * 60 * 1000;

export interface AttemptsContext extends OutboxOptions {
  readonly clock: Clock;
  readonly policy: RetryPolicy;
  readonly recorder: Recorder;
  /** Aborts when attempts under way are cut off: nothing is recorded of them. */
  readonly signal: AbortSignal;
  /** Sees to a row that is in the store now. */
  enter(delivery: Delivery): void;
  /** Makes a change of a lane's rows in its turn. */
  change(lane: Lane, change: () => Promise<void>): Promise<void>;
  /** Pauses the destination of a delivery, as its receiver asks. */
  pause(delivery: Delivery, reason: string, nowMs: number): void;
}

/** Attempts at due rows: made, judged, and handed to the recorder. */
export class Attempts {
  readonly #context: AttemptsContext;

  constructor(context: AttemptsContext) {
    this.#context = context;
  }

  /** Resolves when the row needs its slot no more. Rejects when the store fails. */
  make(lane: Lane, row: DueRow): Promise<void> {
    return row.kind === 'delivery' ? this.#attempt(lane, row.delivery) : this.#setAside(lane, row);
  }

  async #attempt(lane: Lane, delivery: Delivery): Promise<void> {
    const startedAtMs = this.#context.clock.nowMs();
    const url = urlNow(this.#context, delivery);
    if (url !== delivery.destination) {
      lane.breaker.unbegan();
      await this.#move(lane, delivery, url, startedAtMs);
      return;
    }
    const result = await send(this.#context, delivery, startedAtMs, this.#context.signal);
    if (this.#context.signal.aborted) {
      lane.taken.delete(delivery.id);
      return;
    }
    const endedAtMs = this.#context.clock.nowMs();
    this.#judge(lane, result, startedAtMs, endedAtMs);
    if (result.pauseReason !== null) this.#context.pause(delivery, result.pauseReason, endedAtMs);
    this.#context.recorder.record(
      lane,
      settle(delivery, result, { startedAtMs, endedAtMs }, this.#context.policy),
    );
  }

  /** A repetition goes where the sequence points by now, and through the queue of that destination. */
  async #move(lane: Lane, delivery: Delivery, url: string, nowMs: number): Promise<void> {
    try {
      const moved = await this.#context.queue.move(delivery.id, url, nowMs);
      if (moved !== undefined) this.#context.enter(moved);
    } finally {
      lane.taken.delete(delivery.id);
      lane.hasUnread = true;
    }
  }

  /** Lets the lane learn from the result of an attempt. */
  #judge(lane: Lane, result: SendResult, startedAtMs: number, endedAtMs: number): void {
    if (wasNotSent(result)) {
      lane.breaker.unbegan();
      return;
    }
    const isFailing = result.outcome === 'failed' && result.concerns === 'destination';
    lane.standing = isFailing && result.status === null ? 'suspect' : 'proven';
    if (!isFailing) {
      lane.breaker.succeeded();
      return;
    }
    const wasProbe = lane.breaker.failed(startedAtMs, endedAtMs, result.retryAfterMs);
    // What an open breaker has kept waiting for as long as all attempts would have taken has had its chance.
    const beforeMs = endedAtMs - Math.max(totalMs(this.#context.policy), GIVE_UP_MS_MIN);
    if (!wasProbe || lane.breaker.failingSinceMs > beforeMs) return;
    const reason = `given up: the destination has failed for as long as the retry schedule lasts (${result.detail})`;
    void this.#context.change(lane, async () => {
      await this.#context.queue.giveUp(lane.name, beforeMs, lane.taken, reason, endedAtMs);
    });
  }

  /** Moves a row that cannot be read out of the way of its lane. */
  async #setAside(lane: Lane, row: Extract<DueRow, { kind: 'unreadable' }>): Promise<void> {
    const { deliveryId, problem } = row;
    const untilMs = this.#context.clock.nowMs() + UNREADABLE_PAUSE_MS;
    this.#context.log.error(
      { deliveryId, problem },
      'a due delivery cannot be read; it is set aside for an hour',
    );
    try {
      await this.#context.queue.postpone(lane.name, deliveryId, untilMs);
    } finally {
      lane.taken.delete(deliveryId);
      lane.hasUnread = true;
    }
  }
}
