/** An event that carried a score, as long as a late one may still come before it. */
export interface ScoredEvent {
  readonly timeMicros: number;
  readonly streamSequence: number;
  readonly score: number;
  readonly type: string;
  readonly id: string;
}

/** Where the base of a lead's scores stands in the lead's order (R2), and the score there. */
export interface ScoreBase {
  /** -Infinity: the lead had none yet, which is below every threshold. */
  readonly score: number;
  readonly timeMicros: number;
  readonly streamSequence: number;
}

const NO_BASE: ScoreBase = {
  score: Number.NEGATIVE_INFINITY,
  timeMicros: Number.NEGATIVE_INFINITY,
  streamSequence: 0,
};
/** Most leads hold none most of the time. */
const NO_EVENTS: ScoredEvent[] = [];
/** From so many events on, ids are looked up in a set. */
const IDS_IN_SET_MIN = 32;

/**
 * The scores of one lead: those of the events that a late one may still come before, in the lead's order (R2),
 * and below them the base, which all older ones were folded into. What lies at or before the base is settled.
 */
export class LeadScores {
  private baseValue = NO_BASE;
  private events = NO_EVENTS;
  /** Ids of the held events, once there are many. */
  private ids: Set<string> | null = null;

  get base(): ScoreBase {
    return this.baseValue;
  }

  get held(): readonly ScoredEvent[] {
    return this.events;
  }

  /** The score as of the newest event. */
  get latest(): number {
    return this.scoreBefore(this.events.length);
  }

  /** The score as of the event before a position among the held ones; -Infinity before the first ever. */
  scoreBefore(position: number): number {
    return position === 0 ? this.baseValue.score : this.events[position - 1]!.score;
  }

  /** Whether an event with the id is held (R13). */
  hasId(id: string): boolean {
    if (this.ids !== null) return this.ids.has(id);
    for (const event of this.events) if (event.id === id) return true;
    return false;
  }

  /** Puts an event at its place. Returns its position; -1 when that lies at or before the base. */
  insert(event: ScoredEvent): number {
    if (comesBefore(event, this.baseValue)) return -1;
    if (this.events === NO_EVENTS) this.events = [];
    let position = this.events.length;
    while (position > 0 && comesBefore(event, this.events[position - 1]!)) position--;
    // Nearly every event comes last, and inserting there would be slow.
    if (position === this.events.length) this.events.push(event);
    else this.events.splice(position, 0, event);
    if (this.ids !== null) this.ids.add(event.id);
    else if (this.events.length >= IDS_IN_SET_MIN) this.ids = new Set(this.events.map(({ id }) => id));
    return position;
  }

  /** Folds the events before a time into the base. */
  foldBefore(timeMicros: number): void {
    let count = 0;
    while (count < this.events.length && this.events[count]!.timeMicros < timeMicros) count++;
    this.fold(count);
  }

  /** Folds the oldest events into the base. */
  fold(count: number): void {
    if (count === 0) return;
    const { score, timeMicros, streamSequence } = this.events[count - 1]!;
    this.baseValue = { score, timeMicros, streamSequence };
    if (count === this.events.length) {
      this.events = NO_EVENTS;
      this.ids = null;
      return;
    }
    const folded = this.events.splice(0, count);
    for (const { id } of folded) this.ids?.delete(id);
  }

  /** Forgets the order of a lead that went silent: whatever comes now comes after. */
  settle(): void {
    this.fold(this.events.length);
    this.baseValue = { ...NO_BASE, score: this.baseValue.score };
  }

  /** Puts the base back as it was encoded; the events follow by `insert`. */
  restoreBase(base: ScoreBase): void {
    this.baseValue = base;
  }
}

type Place = Pick<ScoredEvent, 'timeMicros' | 'streamSequence'>;

/** In the lead's order (R2); a place does come before itself, so that the base takes part in nothing twice. */
function comesBefore(one: Place, other: Place): boolean {
  if (one.timeMicros !== other.timeMicros) return one.timeMicros < other.timeMicros;
  return one.streamSequence <= other.streamSequence;
}
