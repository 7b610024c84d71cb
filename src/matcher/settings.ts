/** The settings that the rules name. */
export interface MatcherLimits {
  /** How much older than the lead's newest event an event may be (R11). */
  readonly allowedLatenessMicros: number;
  /** How far past its arrival an event's time may lie (R12). */
  readonly futureSkewMicros: number;
  /**
   * Above this number of held events a lead's log is reduced to what in-order matching can still need, and
   * above this number of scored ones the older half counts as settled (R15).
   */
  readonly heldEventsMax: number;
}

/** What changes no result. */
export interface MatcherTuning {
  /** Of the hash tables; where it is random, nobody can choose ids that collide. */
  readonly hashSeed?: number;
  /** From which length on the log of a lead is indexed; INDEXED_LENGTH_MIN is the most, and the default. */
  readonly indexedLengthMin?: number;
}
