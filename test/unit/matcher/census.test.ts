import { describe, expect, it } from 'vitest';
import type { Census } from '../../../src/matcher/census.ts';
import { Matcher } from '../../../src/matcher/matcher.ts';
import type { LeadEvent } from '../../../src/model/event.ts';
import { micros, sequenceOf } from '../../support/oracleBench.ts';
import { WIDE_LIMITS } from '../../support/oracleSubjects.ts';

const START_MICROS = 1_700_000_000_000_000;
const SEQUENCE = sequenceOf('a,b,c', { windowSeconds: 1_000 });

/** A matcher with leads `0` to `count − 1`, one second apart, of which each third has gone on to `b`. */
function withLeads(count: number) {
  const matcher = new Matcher({ ...WIDE_LIMITS, allowedLatenessMicros: 0 });
  matcher.setSequence(SEQUENCE);
  let streamSequence = 0;
  const apply = (lead: number, type: string, seconds: number, ou = 'ou'): void => {
    streamSequence++;
    const timeMicros = START_MICROS + micros(seconds);
    const event: LeadEvent = {
      ou,
      leadId: `lead-${lead}`,
      id: `e${streamSequence}`,
      type,
      timeMicros,
      arrivalMicros: timeMicros,
      streamSequence,
    };
    matcher.apply(event);
  };
  for (let lead = 0; lead < count; lead++) {
    apply(lead, 'a', 0);
    if (lead % 3 === 0) apply(lead, 'b', 1);
  }
  return { matcher, apply };
}

function begin(matcher: Matcher): Census {
  const census = matcher.insight.beginCensus('ou', 's');
  if (census === undefined) throw new Error('the sequence is not there');
  return census;
}

function finish(matcher: Matcher, census: Census): readonly number[] {
  while (!census.count(1_000));
  matcher.insight.endCensus(census);
  return census.leadsAtStep;
}

describe('a census', () => {
  it('leaves out leads that are added later, however much the table grows', () => {
    const { matcher, apply } = withLeads(300);
    const census = begin(matcher);
    for (let lead = 300; lead < 6_000; lead++) {
      if (lead % 20 === 0) census.count(1);
      apply(lead, 'a', 2);
    }
    expect(finish(matcher, census)).toEqual([0, 200, 100, 0]);
    expect(finish(matcher, begin(matcher))).toEqual([0, 5_900, 100, 0]);
  });

  it('counts leads that are forgotten later, also where new ones take their place in memory', () => {
    const { matcher, apply } = withLeads(300);
    const census = begin(matcher);
    census.count(40);
    // Silent for longer than the window, all of them go.
    apply(0, 'x', 5_000, 'other');
    expect(matcher.forgetSilent(10_000, matcher.silentBefore())).toHaveLength(300);
    for (let lead = 0; lead < 300; lead++) apply(lead, 'a', 5_001);
    expect(finish(matcher, census)).toEqual([0, 200, 100, 0]);
    expect(finish(matcher, begin(matcher))).toEqual([0, 300, 0, 0]);
  });

  it('counts a lead as it was when it changes before its turn, and each of several does so for itself', () => {
    const { matcher, apply } = withLeads(300);
    const first = begin(matcher);
    for (let lead = 0; lead < 300; lead += 3) apply(lead, 'c', 2);
    const second = begin(matcher);
    for (let lead = 1; lead < 300; lead += 3) apply(lead, 'b', 3);
    expect(finish(matcher, first)).toEqual([0, 200, 100, 0]);
    expect(first.firedCount).toBe(0);
    expect(matcher.insight.isCounting).toBe(true);
    expect(finish(matcher, second)).toEqual([100, 200, 0, 0]);
    expect(second.firedCount).toBe(100);
    expect(matcher.insight.isCounting).toBe(false);
  });

  it('counts the leads of one organizational unit, and knows none without the sequence', () => {
    const { matcher, apply } = withLeads(30);
    matcher.setSequence({ ...SEQUENCE, ou: 'other' });
    for (let lead = 0; lead < 7; lead++) apply(lead, 'a', 1, 'other');
    const census = begin(matcher);
    expect(finish(matcher, census)).toEqual([0, 20, 10, 0]);
    expect(census.leadCount).toBe(30);
    expect(matcher.insight.beginCensus('ou', 'absent')).toBeUndefined();
    expect(matcher.insight.beginCensus('absent', 's')).toBeUndefined();
  });

  it('goes by the time that it is for a lead now: its newest event, and what has passed since', () => {
    const { matcher, apply } = withLeads(1);
    apply(1, 'a', 1_001);
    // For lead 0, at a:0 b:1, it is 1,001 now: the window that began with a has run out, and b alone is no first step.
    expect(finish(matcher, begin(matcher))).toEqual([1, 1, 0, 0]);
    expect(matcher.insight.leadStanding('ou', 'lead-0', 's')).toMatchObject({
      filled: [],
      hindrances: [
        { kind: 'window', first: { type: 'a', step: 1, timeMicros: START_MICROS }, tooLate: null },
      ],
      untilMicros: null,
    });
  });
});
