import type { Delivery } from '../model/delivery.ts';
import type { Destination, DestinationStatus } from '../model/destination.ts';
import { originOf, reportAttempt } from './attemptReport.ts';
import { Attempts } from './attempts.ts';
import { Breaker, DEFAULT_BREAKER, UNTRIED } from './breaker.ts';
import { type Clock, systemClock } from './clock.ts';
import { Destinations } from './destinations.ts';
import { type AheadTally, idOf, Lane } from './lane.ts';
import { LaneSet } from './laneSet.ts';
import { DEFAULT_LIMITS, type OutboxOptions } from './options.ts';
import { EMAIL_HELD_REASON } from './plan.ts';
import type { DueRow } from './ports.ts';
import { ProvenLanes } from './provenLanes.ts';
import { readLanes } from './readLanes.ts';
import { Recorder } from './recorder.ts';
import { Slots } from './slots.ts';
import { WakeTimer } from './wakeTimer.ts';

/** A lane rests this long after the store failed to record an attempt, which will be made again. */
const STORE_PAUSE_MS = 10_000;
/** Lanes that are looked at in one turn of the event loop. */
const LANES_PER_TURN = 500;
/** Rows of a lane that are read ahead at most. */
const AHEAD_ROWS_MAX = 512;
/** Rows of a lane that are under way or being recorded. */
const TAKEN_ROWS_MAX = 512;

type Mode = 'new' | 'running' | 'draining' | 'stopped';

/**
 * Brings due deliveries to their destinations, at least once, with the same fire id on every attempt.
 *
 * | mode | entered by | what happens |
 * |---|---|---|
 * | new | the constructor | wakes are ignored: `start` reads everything from the queue |
 * | running | `start` | lanes with due rows are served in turn |
 * | draining | `drain` | nothing is taken; attempts under way are finished and recorded |
 * | stopped | the end of `drain` | attempts still under way are cut off and not recorded: their rows stay due |
 *
 * The queue decides what is due; memory holds an entry per destination, some rows read ahead, and the attempts
 * that are under way or being recorded.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #slots: Slots;
  readonly #timer: WakeTimer;
  readonly #clock: Clock;
  readonly #destinations: Destinations;
  readonly #recorder: Recorder;
  readonly #attempts: Attempts;
  readonly #proven = new ProvenLanes();
  readonly #lanes: LaneSet;
  /** Attempts and changes of rows that have not come to their end. */
  #underWay = 0;
  readonly #onNothingUnderWay: (() => void)[] = [];
  readonly #abort = new AbortController();
  #mode: Mode = 'new';

  constructor(options: OutboxOptions) {
    const { queue, log, metrics, limits = DEFAULT_LIMITS, breaker = DEFAULT_BREAKER } = options;
    const { random = Math.random } = options;
    this.#options = options;
    this.#slots = new Slots(limits, (lane) => this.#lanes.markReady(lane));
    this.#clock = options.clock ?? systemClock;
    this.#timer = new WakeTimer(this.#clock, () => this.#pump());
    this.#destinations = new Destinations(options.destinations, ({ ou, channel, url }) =>
      queue.laneOf({ ou, channel, destination: url }),
    );
    const tally: AheadTally = { rows: 0 };
    this.#lanes = new LaneSet((name) => {
      const standing = this.#proven.has(name) ? 'proven' : 'untried';
      return new Lane(name, queue.partsOf(name).ou, new Breaker(breaker, random), standing, tally);
    });
    this.#recorder = new Recorder({
      queue,
      log,
      clock: this.#clock,
      onRecorded: (lane, settlement) => {
        reportAttempt(log, metrics, settlement);
        this.#recorded(lane, settlement.delivery);
      },
      onFailed: (lane, { delivery }) => {
        lane.pausedUntilMs = this.#clock.nowMs() + STORE_PAUSE_MS;
        lane.taken.delete(delivery.id);
        // The row lies where it lay, also when the attempt went elsewhere.
        this.#lanes.setAlarm(lane, lane.pausedUntilMs);
      },
      onBatch: () => this.#pump(),
    });
    this.#attempts = new Attempts({
      ...options,
      clock: this.#clock,
      policy: { delaysMs: options.retryDelaysMs, random },
      recorder: this.#recorder,
      signal: this.#abort.signal,
      enter: (delivery) => this.#enter(delivery),
      change: (lane, change) => this.#change(lane, change),
      pause: (delivery, reason, nowMs) => this.#pause(delivery, reason, nowMs),
    });
  }

  /** Attempts under way. */
  get inFlight(): number {
    return this.#slots.count;
  }

  /** Destinations in memory, and alarms of theirs. */
  get entries(): { readonly lanes: number; readonly alarms: number } {
    return { lanes: this.#lanes.size, alarms: this.#lanes.alarmCount };
  }

  /** Begins with everything that is due, and with what was held for a reason that is gone. */
  async start(): Promise<void> {
    this.#mode = 'running';
    const { queue, log } = this.#options;
    const counts = await readLanes(
      queue,
      this.#clock,
      // What is to be held is held at once.
      (lane, dueAtMs) =>
        this.#lanes.setAlarm(this.#lanes.lane(lane), this.#heldReason(lane) === null ? dueAtMs : 0),
      (lane) => {
        if (this.#heldReason(lane) === null) void this.#release(this.#lanes.lane(lane));
      },
    );
    log.info(counts, 'outbox started');
    this.#pump();
  }

  /** Tells that these deliveries are on disk now. Those due at once are attempted at once. */
  wake(deliveries: readonly Delivery[]): void {
    if (this.#mode !== 'running') return;
    for (const delivery of deliveries) this.#enter(delivery);
    this.#pump();
  }

  /** Whether an attempt at the delivery is under way or being recorded. */
  isUnderWay(delivery: Delivery): boolean {
    return this.#lanes.find(this.#options.queue.laneOf(delivery))?.taken.has(delivery.id) ?? false;
  }

  /** Tells that a delivery was changed in the store: what was read of its lane before does not count. */
  changed(delivery: Delivery): void {
    this.#lanes.find(this.#options.queue.laneOf(delivery))?.forgetAhead();
    this.wake([delivery]);
  }

  /** Makes a change of the rows of a destination after those that are under way. */
  inTurn(at: Pick<Delivery, 'ou' | 'channel' | 'destination'>, change: () => Promise<void>): Promise<void> {
    return this.#change(this.#lanes.lane(this.#options.queue.laneOf(at)), change);
  }

  /** Why what goes to this destination is held; null: it is not. */
  heldReason(delivery: Pick<Delivery, 'ou' | 'channel' | 'destination'>): string | null {
    return this.#heldReason(this.#options.queue.laneOf(delivery));
  }

  /** Destinations of which a pause or a rate is set. */
  destinationsSet(): Iterable<Destination> {
    return this.#destinations.all();
  }

  /** The destination of a delivery, as it stands now. */
  destination(delivery: Pick<Delivery, 'ou' | 'channel' | 'destination'>): DestinationStatus {
    const name = this.#options.queue.laneOf(delivery);
    const destination = this.#destinations.at(name) ?? this.#options.destinations.destinationOf(delivery);
    const breaker = this.#lanes.find(name)?.breaker;
    return { ...destination, breaker: breaker?.status(this.#clock.nowMs()) ?? UNTRIED };
  }

  /**
   * Pauses or resumes a destination, or changes its rate. Resolves once that is on disk and what was held is due
   * again; a resume also closes its breaker.
   *
   * @param change gives the very object it was given when there is nothing to change
   */
  async changeDestination(
    at: Pick<Delivery, 'ou' | 'channel' | 'destination'>,
    change: (current: Destination) => Destination,
  ): Promise<void> {
    const { queue, destinations } = this.#options;
    const { before } = await this.#destinations.change(destinations.destinationOf(at), change);
    const name = queue.laneOf(at);
    const lane = this.#lanes.lane(name);
    lane.forgetAhead();
    if (before.pause !== null && this.#heldReason(name) === null) {
      lane.breaker.succeeded();
      await this.#release(lane);
    } else {
      this.#lanes.setAlarm(lane, this.#clock.nowMs());
      this.#pump();
    }
  }

  /**
   * Stops taking, waits for the attempts under way, then cuts off what is left and closes the senders.
   * What was cut off stays due and is sent again after the next start. Resolves to how many that are.
   */
  async drain(timeoutMs: number): Promise<{ unfinished: number }> {
    this.#mode = 'draining';
    this.#timer.stop();
    let cancelTimeUp = () => {};
    const timeUp = new Promise<void>((resolve) => {
      cancelTimeUp = this.#clock.after(timeoutMs, resolve);
    });
    const finished = this.#finished();
    await Promise.race([finished, timeUp]);
    cancelTimeUp();
    const unfinished = this.#slots.count;
    this.#mode = 'stopped';
    this.#abort.abort();
    await finished;
    await Promise.all([this.#options.webhookSender.close(), this.#options.emailSender?.close()]);
    return { unfinished };
  }

  async #finished(): Promise<void> {
    while (this.#underWay > 0) {
      await new Promise<void>((resolve) => this.#onNothingUnderWay.push(resolve));
    }
    await this.#recorder.finished();
  }

  /** Serves ready lanes in turn until the slots are taken or no lane is left, then sets the timer. */
  #pump(): void {
    if (this.#mode !== 'running') return;
    this.#lanes.ring(this.#clock.nowMs());
    for (let served = 0; !this.#slots.isFull && !this.#recorder.isFull; served += 1) {
      // Others have work to do in between.
      if (served === LANES_PER_TURN) {
        this.#timer.set(0);
        return;
      }
      const lane = this.#lanes.takeReady(this.#slots.hasShare);
      if (lane === undefined) break;
      const { origin } = lane;
      this.#serve(lane);
      this.#slots.passOn(lane.origin ?? origin);
    }
    this.#timer.set(this.#lanes.nextAlarmMs());
  }

  /** Starts one attempt in the lane if it may have one; else sees to it that the lane is looked at again. */
  #serve(lane: Lane): void {
    // The end of a change or of an attempt makes the lane ready again.
    if (lane.isChanging || this.#slots.isLaneFull(lane) || lane.taken.size >= TAKEN_ROWS_MAX) return;
    const nowMs = this.#clock.nowMs();
    // The clock may have been set back since.
    lane.pausedUntilMs = Math.min(lane.pausedUntilMs, nowMs + STORE_PAUSE_MS);
    if (lane.pausedUntilMs > nowMs) {
      this.#lanes.setAlarm(lane, lane.pausedUntilMs);
      return;
    }
    const reason = this.#heldReason(lane.name);
    if (reason !== null) {
      this.#holdDue(lane, reason, nowMs);
      return;
    }
    const rate = this.#destinations.at(lane.name)?.ratePerSecond ?? this.#options.ratePerSecond ?? 0;
    const rateAtMs = rate === 0 ? 0 : lane.rate.mayBeginAtMs(nowMs, rate);
    const mayAtMs = Math.max(lane.breaker.mayBeginAtMs(nowMs), rateAtMs);
    if (mayAtMs > nowMs) {
      this.#lanes.setAlarm(lane, mayAtMs);
      return;
    }
    if (!lane.breaker.mayBegin(nowMs)) return;
    // The first row tells on which server the destination is.
    if (lane.aheadCount === 0) this.#readAhead(lane, nowMs);
    if (this.#slots.waitsForOrigin(lane)) return;
    const row = this.#next(lane, nowMs);
    if (row === undefined) return;
    if (rate > 0) lane.rate.began(nowMs, rate);
    this.#launch(lane, row);
    this.#lanes.markReady(lane);
  }

  /** The next row to attempt; where there is none now, an alarm is set for the one after. */
  #next(lane: Lane, nowMs: number): DueRow | undefined {
    for (;;) {
      const row = lane.takeNext(nowMs);
      if (row !== undefined || lane.aheadCount >= AHEAD_ROWS_MAX) return row;
      if (!this.#readAhead(lane, nowMs)) return undefined;
    }
  }

  /** Whether rows were read that the lane had not read yet. */
  #readAhead(lane: Lane, nowMs: number): boolean {
    if (!lane.hasUnread) {
      this.#forgetIfIdle(lane);
      return false;
    }
    const count = lane.rowsToRead;
    const { rows, nextDueAtMs } = this.#options.queue.due(lane.name, nowMs, lane.known, count);
    lane.readAhead(rows, count);
    if (nextDueAtMs !== null) this.#lanes.setAlarm(lane, nextDueAtMs);
    const first = rows[0];
    if (first?.kind === 'delivery') this.#lanes.setOrigin(lane, originOf(first.delivery));
    if (first === undefined) this.#forgetIfIdle(lane);
    return first !== undefined;
  }

  /** Keeps the books of an attempt, whatever its end. */
  #launch(lane: Lane, row: DueRow): void {
    const giveBack = this.#slots.take(lane);
    lane.taken.add(idOf(row));
    if (row.kind === 'delivery') lane.breaker.began(this.#clock.nowMs());
    void this.#follow(lane, this.#attempts.make(lane, row), () => {
      lane.ended(row);
      giveBack();
    });
  }

  /** Waits for something under way in a lane; an error is one of the store, after which the lane rests. */
  async #follow(lane: Lane, work: Promise<void>, onEnd: () => void): Promise<void> {
    this.#underWay += 1;
    try {
      await work;
    } catch (error) {
      lane.pausedUntilMs = this.#clock.nowMs() + STORE_PAUSE_MS;
      const fields = { lane: lane.name, error: String(error), pauseMs: STORE_PAUSE_MS };
      this.#options.log.error(fields, 'the deliveries to a destination could not be changed');
    }
    onEnd();
    this.#underWay -= 1;
    this.#lanes.markReady(lane);
    this.#pump();
    if (this.#underWay === 0) for (const resolve of this.#onNothingUnderWay.splice(0)) resolve();
  }

  #pause(delivery: Delivery, reason: string, nowMs: number): void {
    const { log, queue } = this.#options;
    const { ou, channel } = delivery;
    log.warn({ ou, channel, sequenceId: delivery.sequenceId, reason }, 'a destination is paused');
    const paused = this.changeDestination(delivery, (current) =>
      current.pause === null ? { ...current, pause: { sinceMs: nowMs, reason } } : current,
    );
    void this.#follow(this.#lanes.lane(queue.laneOf(delivery)), paused, () => {});
  }

  #heldReason(name: string): string | null {
    const pause = this.#destinations.at(name)?.pause;
    if (pause) return pause.reason;
    const { queue, emailSender } = this.#options;
    return emailSender === null && queue.partsOf(name).channel === 'email' ? EMAIL_HELD_REASON : null;
  }

  #holdDue(lane: Lane, reason: string, nowMs: number): void {
    const { queue } = this.#options;
    const { rows, nextDueAtMs } = queue.due(lane.name, nowMs, lane.taken, 1);
    if (rows.length === 0 && nextDueAtMs === null) this.#forgetIfIdle(lane);
    else {
      void this.#change(lane, async () => {
        // What cannot be read cannot be held; it is looked at again later.
        const held = await queue.hold(lane.name, reason, nowMs);
        if (held === 0) lane.pausedUntilMs = this.#clock.nowMs() + STORE_PAUSE_MS;
      });
    }
  }

  #release(lane: Lane): Promise<void> {
    return this.#change(lane, () =>
      this.#options.queue.release(lane.name, this.#clock.nowMs()).then(() => undefined),
    );
  }

  /** Changes rows of a lane, after the changes before; nothing of it is taken meanwhile. */
  #change(lane: Lane, change: () => Promise<void>): Promise<void> {
    return this.#follow(lane, lane.changeInTurn(change), () => {});
  }

  #recorded(lane: Lane, delivery: Delivery): void {
    lane.taken.delete(delivery.id);
    this.#enter(delivery);
    this.#lanes.markReady(lane);
  }

  /** Sees to a row that is in the store now. */
  #enter(delivery: Delivery): void {
    const { dueAtMs, state } = delivery;
    if (dueAtMs === null && state !== 'held') return;
    const lane = this.#lanes.lane(this.#options.queue.laneOf(delivery));
    if (dueAtMs !== null) {
      this.#lanes.setAlarm(lane, dueAtMs);
      return;
    }
    // The destination may have been resumed since it was decided that the row is held.
    void this.#destinations.settled().then(() => {
      if (this.#heldReason(lane.name) === null) void this.#release(lane);
    });
  }

  #forgetIfIdle(lane: Lane): void {
    if (this.#lanes.forgetIfIdle(lane)) this.#proven.remember(lane.name, lane.standing === 'proven');
  }
}
