import { setMaxListeners } from 'node:events';
import type { Delivery, DeliveryId } from '../model/delivery.ts';
import { type Clock, systemClock } from './clock.ts';
import { type Lane, LaneSet } from './lanes.ts';
import { EMAIL_HELD_REASON } from './plan.ts';
import type { DeliveryQueue, FireSource, Log, OutboxMetrics, SequenceOf } from './ports.ts';
import { type RetryPolicy, type Settlement, settle } from './retry.ts';
import { noAnswer, permanentFailure, type Sender, type SendResult } from './sender.ts';
import { transportError } from './transportError.ts';

/** Timers are set again at least this often, so that a change of the wall clock is noticed. */
const TIMER_MS_MAX = 60_000;
/** A row that cannot be read is looked at again after this time. */
const UNREADABLE_PAUSE_MS = 60 * 60 * 1000;
/** A lane rests this long after the store failed to record an attempt, which will be made again. */
const STORE_PAUSE_MS = 10_000;

export interface OutboxLimits {
  /** Attempts under way at a time. */
  readonly attemptsMax: number;
  /** Of these, to one destination. */
  readonly attemptsPerLaneMax: number;
  /** Of these, to destinations that did not answer last time. Less than `attemptsMax`. */
  readonly attemptsToSuspectsMax: number;
}

export const DEFAULT_LIMITS: OutboxLimits = {
  attemptsMax: 64,
  attemptsPerLaneMax: 4,
  attemptsToSuspectsMax: 32,
};

export interface OutboxOptions {
  readonly queue: DeliveryQueue;
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
  readonly clock?: Clock;
  /** Uniform in [0, 1), for the jitter. */
  readonly random?: () => number;
}

type Mode = 'new' | 'running' | 'draining' | 'stopped';

/**
 * Brings due deliveries to their destinations, at least once, with the same fire id on every attempt.
 *
 * | mode | entered by | what happens |
 * |---|---|---|
 * | new | the constructor | wakes are ignored: `start` reads everything from the queue |
 * | running | `start` | lanes with due rows are served in turn |
 * | draining | `drain` | nothing is picked; attempts under way are finished and recorded |
 * | stopped | the end of `drain` | attempts still under way are cut off and not recorded: their rows stay due |
 *
 * The queue decides what is due; memory holds one entry per destination and the attempts under way.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #limits: OutboxLimits;
  readonly #policy: RetryPolicy;
  readonly #clock: Clock;
  readonly #lanes = new LaneSet();
  readonly #attempts = new Set<Promise<void>>();
  readonly #abort = new AbortController();
  #mode: Mode = 'new';
  #suspectsInFlight = 0;
  #cancelTimer: () => void = () => {};
  #timerAtMs: number | null = null;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#limits = options.limits ?? DEFAULT_LIMITS;
    this.#policy = { delaysMs: options.retryDelaysMs, random: options.random ?? Math.random };
    this.#clock = options.clock ?? systemClock;
    // Every attempt under way listens; the limit of them is the limit here.
    setMaxListeners(this.#limits.attemptsMax, this.#abort.signal);
  }

  /** Attempts under way. */
  get inFlight(): number {
    return this.#attempts.size;
  }

  /** What is held in memory beside the attempts under way: destinations and alarms. */
  get entryCount(): number {
    return this.#lanes.size + this.#lanes.alarmCount;
  }

  /** Destinations in memory. */
  get laneCount(): number {
    return this.#lanes.size;
  }

  /** Holds or releases emails as configured, then begins with everything that is due. */
  async start(): Promise<void> {
    const { queue, emailSender, log } = this.#options;
    const emails =
      emailSender === null
        ? { held: await queue.holdEmails(EMAIL_HELD_REASON, this.#clock.nowMs()) }
        : { released: await queue.releaseEmails(this.#clock.nowMs()) };
    const lanes = queue.lanes();
    for (const { lane, dueAtMs } of lanes) this.#lanes.setAlarm(this.#lanes.lane(lane), dueAtMs);
    log.info({ lanes: lanes.length, ...emails }, 'outbox started');
    this.#mode = 'running';
    this.#pump();
  }

  /** Tells that these deliveries are on disk now. Those due at once are attempted at once. */
  wake(deliveries: readonly Delivery[]): void {
    if (this.#mode !== 'running') return;
    for (const delivery of deliveries) {
      if (delivery.dueAtMs === null) continue;
      this.#lanes.setAlarm(this.#lanes.lane(this.#options.queue.laneOf(delivery)), delivery.dueAtMs);
    }
    this.#pump();
  }

  /**
   * Stops picking, waits for the attempts under way, then cuts off what is left and closes the senders.
   * What was cut off stays due and is sent again after the next start. Resolves to how many that are.
   */
  async drain(timeoutMs: number): Promise<{ unfinished: number }> {
    this.#mode = 'draining';
    this.#cancelTimer();
    let cancelTimeUp = () => {};
    const timeUp = new Promise<void>((resolve) => {
      cancelTimeUp = this.#clock.after(timeoutMs, resolve);
    });
    await Promise.race([Promise.all(this.#attempts), timeUp]);
    cancelTimeUp();
    const unfinished = this.#attempts.size;
    this.#mode = 'stopped';
    this.#abort.abort();
    await Promise.all(this.#attempts);
    await Promise.all([this.#options.webhookSender.close(), this.#options.emailSender?.close()]);
    return { unfinished };
  }

  /** Serves ready lanes in turn until the slots are taken or no lane is left, then sets the timer. */
  #pump(): void {
    if (this.#mode !== 'running') return;
    this.#lanes.ring(this.#clock.nowMs());
    while (this.#attempts.size < this.#limits.attemptsMax) {
      const lane = this.#lanes.takeReady(this.#suspectsInFlight < this.#limits.attemptsToSuspectsMax);
      if (lane === undefined) break;
      this.#serve(lane);
    }
    this.#setTimer();
  }

  /** Starts one attempt in the lane if it may have one; else sees to it that the lane is looked at again. */
  #serve(lane: Lane): void {
    const limit = lane.suspect ? 1 : this.#limits.attemptsPerLaneMax;
    // The end of an attempt makes the lane ready again.
    if (lane.inFlight.size >= limit) return;
    const nowMs = this.#clock.nowMs();
    const picked = this.#options.queue.pick(lane.name, lane.inFlight);
    if (picked.kind === 'empty') {
      this.#lanes.forgetIfIdle(lane);
      return;
    }
    const dueAtMs = Math.max(picked.dueAtMs, lane.pausedUntilMs);
    if (dueAtMs > nowMs) {
      this.#lanes.setAlarm(lane, dueAtMs);
      return;
    }
    if (picked.kind === 'delivery')
      this.#launch(lane, picked.delivery.id, this.#attempt(lane, picked.delivery));
    else this.#launch(lane, picked.deliveryId, this.#setAside(lane, picked));
    this.#lanes.markReady(lane);
  }

  /** Keeps the books of something under way in a lane, whatever its end. */
  #launch(lane: Lane, id: DeliveryId, work: Promise<void>): void {
    const suspect = lane.suspect;
    if (suspect) this.#suspectsInFlight += 1;
    lane.inFlight.add(id);
    const attempt = work
      .catch((error: unknown) => {
        lane.pausedUntilMs = this.#clock.nowMs() + STORE_PAUSE_MS;
        const fields = { deliveryId: id, error: String(error), pauseMs: STORE_PAUSE_MS };
        this.#options.log.error(fields, 'the outcome of a delivery attempt could not be stored');
      })
      .then(() => {
        if (suspect) this.#suspectsInFlight -= 1;
        lane.inFlight.delete(id);
        this.#attempts.delete(attempt);
        this.#lanes.markReady(lane);
        this.#pump();
      });
    this.#attempts.add(attempt);
  }

  async #attempt(lane: Lane, delivery: Delivery): Promise<void> {
    const startedAtMs = this.#clock.nowMs();
    const result = await this.#send(delivery, startedAtMs);
    if (this.#mode === 'stopped') return;
    lane.suspect = result.outcome === 'failed' && result.status === null && !result.permanent;
    const settlement = settle(
      delivery,
      result,
      { startedAtMs, endedAtMs: this.#clock.nowMs() },
      this.#policy,
    );
    await this.#options.queue.recordAttempt(settlement.delivery, settlement.attempt);
    this.#report(settlement);
  }

  /** Never rejects: whatever goes wrong is a failed attempt. */
  async #send(delivery: Delivery, nowMs: number): Promise<SendResult> {
    try {
      const { fires, sequenceOf, webhookSender, emailSender } = this.#options;
      const fire = fires.fire(delivery.ou, delivery.fireId);
      if (fire === undefined) return permanentFailure('fire_missing', 'the fire is not stored any more');
      const sequence = sequenceOf(delivery.ou, delivery.sequenceId);
      if (sequence === undefined)
        return permanentFailure('sequence_missing', 'the sequence is not known any more');
      const sender = delivery.channel === 'webhook' ? webhookSender : emailSender;
      if (sender === null) return noAnswer('not_configured', EMAIL_HELD_REASON);
      return await sender.send({ delivery, fire, sequence, nowMs }, this.#abort.signal);
    } catch (error) {
      const { kind, detail } = transportError(error);
      return noAnswer(kind, detail);
    }
  }

  /** Moves a row that cannot be read out of the way of its lane. */
  async #setAside(
    lane: Lane,
    picked: { deliveryId: string; dueAtMs: number; problem: string },
  ): Promise<void> {
    const { deliveryId, dueAtMs, problem } = picked;
    this.#options.log.error(
      { deliveryId, problem },
      'a due delivery cannot be read; it is set aside for an hour',
    );
    await this.#options.queue.postpone(
      lane.name,
      dueAtMs,
      deliveryId,
      this.#clock.nowMs() + UNREADABLE_PAUSE_MS,
    );
  }

  /** One wide line and one count per attempt. */
  #report({ delivery, attempt }: Settlement): void {
    const { log, metrics } = this.#options;
    const { outcome, durationMs, number, status, error } = attempt;
    metrics.onAttempt({ channel: delivery.channel, outcome, durationMs });
    const fields = {
      deliveryId: delivery.id,
      fireId: delivery.fireId,
      ou: delivery.ou,
      sequenceId: delivery.sequenceId,
      channel: delivery.channel,
      host: hostOf(delivery),
      attempt: number,
      outcome,
      status,
      error,
      durationMs,
      state: delivery.state,
      reason: delivery.reason,
      dueAtMs: delivery.dueAtMs,
    };
    if (outcome === 'delivered') log.info(fields, 'delivery attempt');
    else log.warn(fields, 'delivery attempt');
  }

  #setTimer(): void {
    const atMs = this.#lanes.nextAlarmMs();
    if (atMs === this.#timerAtMs) return;
    this.#cancelTimer();
    this.#timerAtMs = atMs;
    if (atMs === null) return;
    const delayMs = Math.min(Math.max(atMs - this.#clock.nowMs(), 0), TIMER_MS_MAX);
    this.#cancelTimer = this.#clock.after(delayMs, () => {
      this.#timerAtMs = null;
      this.#pump();
    });
  }
}

/** Where a delivery goes, without what may be personal or secret: no path, no query, no mailbox. */
function hostOf(delivery: Delivery): string {
  if (delivery.channel === 'email') return delivery.destination.split('@').at(-1) ?? '';
  return URL.canParse(delivery.destination) ? new URL(delivery.destination).host : '';
}
