import type { LeadLog } from './leadLog.ts';

/** How far back a match may go. */
export interface Bounds {
  /** Whether the event at a position may be part of it; never true before a position where it is false. */
  counts(position: number): boolean;
}

/** Finds the events of a class in a log. */
export abstract class ClassLookup {
  /** Whether every type in use is the one member of the class of the same number, and is in no other. */
  abstract get isPlain(): boolean;

  /** The types that belong to a class. */
  abstract membersOf(stepClass: number): readonly number[];

  /** Whether a type belongs to a class. */
  accepts(stepClass: number, type: number): boolean {
    return this.isPlain ? stepClass === type : this.membersOf(stepClass).includes(type);
  }

  /** Position of the latest event of a class before a position, or -1. */
  latestBefore(log: LeadLog, stepClass: number, position: number): number {
    if (this.isPlain) return log.latestBefore(stepClass, position);
    let latest = -1;
    for (const type of this.membersOf(stepClass)) latest = Math.max(latest, log.latestBefore(type, position));
    return latest;
  }

  /** Position of the n-th latest event of a class before a position, or -1; n counts from 1. */
  nthLatestBefore(log: LeadLog, stepClass: number, position: number, n: number): number {
    if (this.isPlain) return log.nthLatestBefore(stepClass, position, n);
    let latest = position;
    for (let missing = n; missing > 0 && latest >= 0; missing--) {
      latest = this.latestBefore(log, stepClass, latest);
    }
    return latest;
  }

  /** Position of the earliest event of a class after a position, or -1. */
  earliestAfter(log: LeadLog, stepClass: number, position: number): number {
    if (this.isPlain) return log.earliestAfter(stepClass, position);
    let earliest = -1;
    for (const type of this.membersOf(stepClass)) {
      const found = log.earliestAfter(type, position);
      if (found >= 0 && (earliest < 0 || found < earliest)) earliest = found;
    }
    return earliest;
  }
}
