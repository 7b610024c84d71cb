import fc from 'fast-check';
import { INDEXED_LENGTH_MIN } from '../../src/matcher/leadLog.ts';
import { Matcher } from '../../src/matcher/matcher.ts';
import type { MatcherLimits } from '../../src/matcher/settings.ts';
import { Oracle } from './oracle.ts';
import { Bench, type Subject, YEAR_MICROS } from './oracleBench.ts';

/** Limits that leave the rules of lateness, the future and boundedness out of an example. */
export const WIDE_LIMITS: MatcherLimits = {
  allowedLatenessMicros: YEAR_MICROS,
  futureSkewMicros: YEAR_MICROS,
  heldEventsMax: 1_000_000,
};

/** The examples hold for the matcher, with its logs scanned and looked up, and, as a check on the examiner, for the oracle. */
export const SUBJECTS: readonly {
  readonly name: string;
  readonly create: (limits: MatcherLimits) => Subject;
}[] = [
  { name: 'matcher', create: (limits) => new Matcher(limits) },
  {
    name: 'matcher with an index of every log',
    create: (limits) => new Matcher(limits, { indexedLengthMin: 1 }),
  },
  { name: 'oracle', create: (limits) => new Oracle(limits) },
];

/** From which length on logs are indexed: at once, within what scripts reach, and never in them. */
export const indexedFrom = fc.constantFrom(1, 16, INDEXED_LENGTH_MIN);

export function matcherBench(limits: Partial<MatcherLimits> = {}): Bench<Matcher> {
  return new Bench(new Matcher({ ...WIDE_LIMITS, ...limits }));
}

/** A matcher in the state of another, as after a restart from a checkpoint. */
export function restarted(
  matcher: Matcher,
  limits: MatcherLimits,
  define: (fresh: Matcher) => void,
  fresh = new Matcher(limits),
): Matcher {
  define(fresh);
  fresh.restoreClock(matcher.clockMicros, matcher.silentBefore());
  for (const { ou, leadId } of matcher.leads()) {
    const state = matcher.encodeLead(ou, leadId);
    if (state !== undefined) fresh.loadLead(ou, leadId, state);
  }
  return fresh;
}
