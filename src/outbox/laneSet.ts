import { AlarmHeap } from './alarms.ts';
import { type Lane, Origin, STANDINGS, type Standing } from './lane.ts';
import { Turns } from './turns.ts';

const REPLACED_ALARMS_MIN = 64;

/**
 * The lanes with something to do: those that are ready to be looked at, in turn, and those with an alarm for a
 * later time. A lane that is ready and has nothing due is harmless: looking at it finds that out.
 */
export class LaneSet {
  readonly #create: (name: string) => Lane;
  readonly #lanes = new Map<string, Lane>();
  readonly #origins = new Map<string, { readonly origin: Origin; lanes: number }>();
  readonly #ready = { proven: new Turns(), untried: new Turns(), suspect: new Turns() };
  #alarms = new AlarmHeap();
  /** Whose turn it is. */
  #turn = 0;

  constructor(create: (name: string) => Lane) {
    this.#create = create;
  }

  lane(name: string): Lane {
    const known = this.#lanes.get(name);
    if (known !== undefined) return known;
    const lane = this.#create(name);
    this.#lanes.set(name, lane);
    return lane;
  }

  find(name: string): Lane | undefined {
    return this.#lanes.get(name);
  }

  /** Tells on which server the destination of a lane is. */
  setOrigin(lane: Lane, name: string): void {
    if (lane.origin !== null) return;
    const entry = this.#origins.get(name) ?? { origin: new Origin(name), lanes: 0 };
    entry.lanes += 1;
    this.#origins.set(name, entry);
    lane.origin = entry.origin;
  }

  /** Puts the lane at the end of the queue, unless it stands in it already. */
  markReady(lane: Lane): void {
    // A lane that was forgotten while something of it came to its end is remembered; another may have its place.
    const standing = this.#lanes.get(lane.name);
    if (standing === undefined) this.#lanes.set(lane.name, lane);
    else if (standing !== lane) return;
    // It stands in one of the queues only, also when its standing has changed meanwhile.
    for (const standing of STANDINGS) if (standing !== lane.standing) this.#ready[standing].delete(lane);
    this.#ready[lane.standing].add(lane);
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
      alarm.lane.hasUnread = true;
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

  /** The next lane to look at: those of each standing take turns, as long as they may have one. */
  takeReady(may: (standing: Standing) => boolean): Lane | undefined {
    for (let tried = 0; tried < STANDINGS.length; tried += 1) {
      const standing = STANDINGS[this.#turn]!;
      this.#turn = (this.#turn + 1) % STANDINGS.length;
      const lane = may(standing) ? this.#ready[standing].take() : undefined;
      if (lane !== undefined) return lane;
    }
    return undefined;
  }

  #rebuildAlarms(): void {
    this.#alarms = new AlarmHeap();
    for (const lane of this.#lanes.values()) {
      if (lane.alarmAtMs !== null) this.#alarms.push({ atMs: lane.alarmAtMs, lane });
    }
  }

  #leaveOrigin(lane: Lane): void {
    const entry = lane.origin === null ? undefined : this.#origins.get(lane.origin.name);
    lane.origin = null;
    if (entry === undefined) return;
    entry.lanes -= 1;
    if (entry.lanes === 0) this.#origins.delete(entry.origin.name);
  }

  /** Forgets a lane that has nothing due, nothing under way, no alarm, and no place in the queues. */
  forgetIfIdle(lane: Lane): boolean {
    if (lane.taken.size > 0 || lane.alarmAtMs !== null || lane.isChanging) return false;
    if (STANDINGS.some((standing) => this.#ready[standing].has(lane))) return false;
    if (lane.origin?.waiting.has(lane)) return false;
    if (this.#lanes.get(lane.name) !== lane) return false;
    this.#lanes.delete(lane.name);
    this.#leaveOrigin(lane);
    return true;
  }
}
