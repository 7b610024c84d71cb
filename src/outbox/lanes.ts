import type { DeliveryId } from '../model/delivery.ts';

/**
 * One destination in memory. A lane is `suspect` when its last attempt met with no answer: it may hang for
 * the whole timeout, so suspects share a part of the slots and get one each.
 */
export class Lane {
  readonly name: string;
  /** Attempts under way, which picking must pass over. */
  readonly inFlight = new Set<DeliveryId>();
  suspect = false;
  /** Not before this time, after the store failed. */
  pausedUntilMs = 0;
  /** The earliest alarm set for this lane; null when none is. */
  alarmAtMs: number | null = null;

  constructor(name: string) {
    this.name = name;
  }
}

const REPLACED_ALARMS_MIN = 64;

interface Alarm {
  readonly atMs: number;
  readonly lane: Lane;
}

/**
 * The lanes with something to do: those that are ready to be looked at, in the order they became so, and
 * those with an alarm for a later time. A lane that is ready and has nothing due is harmless: looking at it
 * finds that out. Holds one entry per destination with due rows, and no rows.
 */
export class LaneSet {
  readonly #lanes = new Map<string, Lane>();
  readonly #ready = new Set<Lane>();
  readonly #readySuspects = new Set<Lane>();
  #alarms = new AlarmHeap();
  #suspectsTurn = false;

  lane(name: string): Lane {
    const known = this.#lanes.get(name);
    if (known !== undefined) return known;
    const lane = new Lane(name);
    this.#lanes.set(name, lane);
    return lane;
  }

  /** Puts the lane at the end of the queue, unless it stands in it already. */
  markReady(lane: Lane): void {
    // It stands in one of the two only, also when it became or ceased to be a suspect meanwhile.
    (lane.suspect ? this.#ready : this.#readySuspects).delete(lane);
    (lane.suspect ? this.#readySuspects : this.#ready).add(lane);
  }

  /** Has the lane become ready at that time, unless it will be earlier. */
  setAlarm(lane: Lane, atMs: number): void {
    if (lane.alarmAtMs !== null && lane.alarmAtMs <= atMs) return;
    lane.alarmAtMs = atMs;
    this.#alarms.push({ atMs, lane });
    // An alarm that an earlier one has replaced stays in the heap until its time, which may be a day ahead.
    if (this.#alarms.size > 2 * this.#lanes.size + REPLACED_ALARMS_MIN) this.#rebuildAlarms();
  }

  /** Makes the lanes ready whose alarm has come. */
  ring(nowMs: number): void {
    for (
      let alarm = this.#alarms.peek();
      alarm !== undefined && alarm.atMs <= nowMs;
      alarm = this.#alarms.peek()
    ) {
      this.#alarms.pop();
      if (alarm.lane.alarmAtMs !== alarm.atMs) continue;
      alarm.lane.alarmAtMs = null;
      this.markReady(alarm.lane);
    }
  }

  /** Lanes in memory. */
  get size(): number {
    return this.#lanes.size;
  }

  /** Entries in memory, replaced alarms included. */
  get alarmCount(): number {
    return this.#alarms.size;
  }

  nextAlarmMs(): number | null {
    return this.#alarms.peek()?.atMs ?? null;
  }

  /** The next lane to look at: suspects and the others take turns, as long as suspects may. */
  takeReady(suspectsMay: boolean): Lane | undefined {
    const order = this.#suspectsTurn
      ? [this.#readySuspects, this.#ready]
      : [this.#ready, this.#readySuspects];
    this.#suspectsTurn = !this.#suspectsTurn;
    for (const queue of order) {
      if (queue === this.#readySuspects && !suspectsMay) continue;
      const [lane] = queue;
      if (lane === undefined) continue;
      queue.delete(lane);
      return lane;
    }
    return undefined;
  }

  #rebuildAlarms(): void {
    this.#alarms = new AlarmHeap();
    for (const lane of this.#lanes.values()) {
      if (lane.alarmAtMs !== null) this.#alarms.push({ atMs: lane.alarmAtMs, lane });
    }
  }

  /** Forgets a lane that has nothing due, nothing under way, no alarm, and no place in the queues. */
  forgetIfIdle(lane: Lane): void {
    if (lane.inFlight.size > 0 || lane.alarmAtMs !== null) return;
    if (this.#ready.has(lane) || this.#readySuspects.has(lane)) return;
    this.#lanes.delete(lane.name);
  }
}

/** A binary min-heap by time. */
class AlarmHeap {
  readonly #alarms: Alarm[] = [];

  get size(): number {
    return this.#alarms.length;
  }

  peek(): Alarm | undefined {
    return this.#alarms[0];
  }

  push(alarm: Alarm): void {
    const alarms = this.#alarms;
    let index = alarms.push(alarm) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (alarms[parent]!.atMs <= alarm.atMs) break;
      alarms[index] = alarms[parent]!;
      index = parent;
    }
    alarms[index] = alarm;
  }

  pop(): void {
    const alarms = this.#alarms;
    const last = alarms.pop();
    if (last === undefined || alarms.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= alarms.length) break;
      if (child + 1 < alarms.length && alarms[child + 1]!.atMs < alarms[child]!.atMs) child += 1;
      if (alarms[child]!.atMs >= last.atMs) break;
      alarms[index] = alarms[child]!;
      index = child;
    }
    alarms[index] = last;
  }
}
