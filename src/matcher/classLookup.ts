import type { LeadLog } from './leadLog.ts';

/** How far back a match may go. */
export interface Bounds {
  /** Whether the event at a position may be part of it; never true before a position where it is false. */
  counts(position: number): boolean;
}

/**
 * Finds the events of a class in a log.
 *
 * A class may have a great many types: there is one for each set of conditions that events fulfilled together. So
 * the log is walked first, for as many events as there are types to be looked up otherwise: of a class of many types
 * an event is likely to be near. That at most doubles the work where none is.
 */
export abstract class ClassLookup {
  /** Whether every type in use is the one member of the class of the same number, and is in no other. */
  abstract get isPlain(): boolean;

  /** The types that belong to a class. */
  abstract membersOf(stepClass: number): ReadonlySet<number>;

  /** Whether a type belongs to a class. */
  accepts(stepClass: number, type: number): boolean {
    return this.isPlain ? stepClass === type : this.membersOf(stepClass).has(type);
  }

  /** Position of the latest event of a class before a position, or -1. */
  latestBefore(log: LeadLog, stepClass: number, position: number): number {
    if (this.isPlain) return log.latestBefore(stepClass, position);
    const members = this.membersOf(stepClass);
    const end = Math.max(0, position - walkLength(log, members));
    for (let at = position - 1; at >= end; at--) if (members.has(log.typeAt(at))) return at;
    if (end === 0) return -1;
    let latest = -1;
    for (const type of fewer(members, log)) {
      if (members.has(type)) latest = Math.max(latest, log.latestBefore(type, end));
    }
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
    const members = this.membersOf(stepClass);
    const end = Math.min(log.length, position + 1 + walkLength(log, members));
    for (let at = position + 1; at < end; at++) if (members.has(log.typeAt(at))) return at;
    if (end === log.length) return -1;
    let earliest = -1;
    for (const type of fewer(members, log)) {
      if (!members.has(type)) continue;
      const found = log.earliestAfter(type, end - 1);
      if (found >= 0 && (earliest < 0 || found < earliest)) earliest = found;
    }
    return earliest;
  }
}

/** How many events to look at before types are looked up; a log without an index is walked to its end. */
function walkLength(log: LeadLog, members: ReadonlySet<number>): number {
  return log.isIndexed ? Math.min(members.size, log.typeCount) : log.length;
}

/** The types of a class or those of an indexed log, whichever are fewer; what is looked for is of both. */
function fewer(members: ReadonlySet<number>, log: LeadLog): Iterable<number> {
  return members.size <= log.typeCount ? members : log.types();
}
