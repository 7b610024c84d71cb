import { describe, expect, it } from 'vitest';
import { Matcher } from '../../../src/matcher/matcher.ts';
import type { LeadEvent } from '../../../src/model/event.ts';
import { SECOND_MICROS, sequenceOf } from '../../support/oracleBench.ts';

const LIMITS = { allowedLatenessMicros: 10 * SECOND_MICROS, futureSkewMicros: 0, heldEventsMax: 64 };

let streamSequence = 0;

function event(ou: string, leadId: string, type: string, seconds: number): LeadEvent {
  streamSequence++;
  const timeMicros = seconds * SECOND_MICROS;
  return {
    ou,
    leadId,
    id: `e${streamSequence}`,
    type,
    timeMicros,
    arrivalMicros: timeMicros,
    streamSequence,
  };
}

describe('the leads that a checkpoint writes', () => {
  it('are given once for each change, and are clean when they were encoded', () => {
    const matcher = new Matcher(LIMITS);
    matcher.setSequence(sequenceOf('A,B'));
    matcher.apply(event('ou', 'one', 'A', 1));
    matcher.apply(event('ou', 'one', 'A', 2));
    const taken = matcher.takeDirty();
    expect(taken.map((handle) => matcher.keyOf(handle))).toEqual([{ ou: 'ou', leadId: 'one' }]);
    const [handle] = taken as [number];
    expect(matcher.encodeDirty(handle)).toEqual({
      ou: 'ou',
      leadId: 'one',
      state: matcher.encodeLead('ou', 'one'),
    });
    expect(matcher.encodeDirty(handle)).toBeUndefined();
    expect(matcher.takeDirty()).toEqual([]);
    matcher.apply(event('ou', 'one', 'A', 3));
    expect(matcher.takeDirty()).toEqual([handle]);
  });

  it('are those too that a sweep left only their marks', () => {
    const matcher = new Matcher(LIMITS);
    matcher.setSequence(sequenceOf('A', { refire: { mode: 'once_per_lead' }, windowSeconds: 5 }));
    matcher.apply(event('ou', 'fired', 'A', 1));
    for (const handle of matcher.takeDirty()) matcher.encodeDirty(handle);
    const before = matcher.encodeLead('ou', 'fired')!;
    matcher.apply(event('ou', 'other', 'A', 1_000));
    expect(matcher.forgetSilent(100, matcher.silentBefore())).toEqual([]);
    const states = matcher.takeDirty().map((handle) => matcher.encodeDirty(handle));
    const swept = states.find((row) => row?.leadId === 'fired');
    expect(swept?.state.length).toBeLessThan(before.length);
    expect(matcher.heldEventCount).toBe(1);
  });

  it('name nobody who was forgotten meanwhile', () => {
    const matcher = new Matcher(LIMITS);
    matcher.setSequence(sequenceOf('A,B', { windowSeconds: 5 }));
    matcher.apply(event('ou', 'gone', 'A', 1));
    const [handle] = matcher.takeDirty() as [number];
    matcher.apply(event('ou', 'other', 'A', 1_000));
    expect(matcher.forgetSilent(100, matcher.silentBefore())).toMatchObject([{ leadId: 'gone' }]);
    expect([matcher.keyOf(handle), matcher.encodeDirty(handle)]).toEqual([undefined, undefined]);
    expect([matcher.leadCount, matcher.heldEventCount]).toEqual([1, 1]);
  });
});

describe('an OU that nobody uses any more', () => {
  it('is forgotten by the sweeps, and its place is taken by another', () => {
    const matcher = new Matcher(LIMITS);
    const named = () => matcher.silentBefore().map(([ou]) => ou);
    for (let n = 0; n < 50; n++) {
      matcher.apply(event(`ou-${n}`, 'lead', 'unlisted', 1 + n * 1_000));
      matcher.forgetSilent(100, matcher.silentBefore());
      matcher.forgetSilent(100, matcher.silentBefore());
    }
    expect(named().length).toBeLessThan(4);
    matcher.setSequence(sequenceOf('A', { ou: 'last' }));
    expect(matcher.apply(event('last', 'lead', 'A', 100_000))).toMatchObject({ completions: [{}] });
    expect([...matcher.leads()].filter(({ ou }) => ou === 'last')).toEqual([{ ou: 'last', leadId: 'lead' }]);
  });
});
