import { describe, expect, it } from 'vitest';
import type { MatcherLimits } from '../../../src/matcher/settings.ts';
import { Bench, micros, type Subject, sequenceOf } from '../../support/oracleBench.ts';
import { SUBJECTS, WIDE_LIMITS } from '../../support/oracleSubjects.ts';

describe.each(SUBJECTS)('changes of sequences and policies (R16 to R20), $name', ({ create }) => {
  function bench(limits: Partial<MatcherLimits> = {}): Bench {
    return new Bench<Subject>(create({ ...WIDE_LIMITS, ...limits }));
  }

  describe('R16: new and edited sequences look back', () => {
    it('R16: a new sequence counts held events as earlier steps', () => {
      const b = bench();
      b.change('A', { id: 'holder' });
      b.fires('A0');
      b.change('A,B');
      expect(b.fires('B1')).toEqual(['A0 B1']);
    });

    it('R16: events that no sequence listed at the time are not there to look back at', () => {
      const b = bench();
      b.fires('A0');
      b.change('A,B');
      expect(b.fires('B1')).toEqual([]);
    });

    it('R16: a completion that lies wholly in the past never fires, and consumes nothing', () => {
      const b = bench();
      b.change('A,B,C', { id: 'holder' });
      b.fires('A0 B1');
      b.change('A,B');
      expect(b.fires('C2')).toEqual(['holder: A0 B1 C2']);
      expect(b.fires('B3')).toEqual(['A0 B3']);
    });

    it('R16: a late event does not fire a completion that lies before the change', () => {
      const b = bench();
      b.change('A,B,C', { id: 'holder' });
      b.fires('B5');
      b.change('A,B');
      expect(b.fires('A1')).toEqual([]);
      expect(b.fires('B6')).toEqual(['A1 B6']);
    });

    it('R16: a wider window reaches back over held events', () => {
      const b = bench();
      b.change('A,B', { windowSeconds: 2 });
      expect(b.fires('A0 B5')).toEqual([]);
      b.change('A,B', { windowSeconds: 10 });
      expect(b.fires('B6')).toEqual(['A0 B6']);
    });

    it('R16: an edit keeps the horizon', () => {
      const b = bench();
      b.change('A,B');
      expect(b.fires('A0 B1')).toEqual(['A0 B1']);
      b.change('A,C');
      expect(b.fires('C2')).toEqual([]);
      expect(b.fires('A3 C4')).toEqual(['A3 C4']);
    });

    it('R16: an edit of the order looks back as well', () => {
      const b = bench();
      b.change('A,B,C');
      b.fires('B0 A1');
      b.change('A,B,C', { ordered: false });
      expect(b.fires('C2')).toEqual(['B0 A1 C2']);
    });

    it('R16: a change that touches no matching state leaves a match in progress alone', () => {
      const b = bench();
      b.change('A,B,C');
      b.fires('A0 C2');
      b.change('A,B,C', { effectiveFrom: 0 });
      expect(b.fires('B1')).toEqual(['A0 B1 C2 late']);
    });

    it('R16: steps between the start and the completion may be newer than the change', () => {
      const b = bench();
      b.change('A,A,A', { id: 'holder' });
      b.fires('A0');
      b.change('A,A');
      expect(b.fires('A1')).toEqual(['A0 A1']);
    });

    it('R16: a removed sequence is silent at once, and comes back without its horizon', () => {
      const b = bench();
      b.change('A,B,C', { id: 'holder', windowSeconds: 100 });
      b.change('A,B');
      expect(b.fires('A0 B1')).toEqual(['A0 B1']);
      b.subject.removeSequence('ou', 's');
      expect(b.fires('A2 B3')).toEqual([]);
      b.change('A,B');
      expect(b.fires('B4')).toEqual(['A2 B4']);
      b.subject.removeSequence('ou', 's');
      b.change('A,B');
      expect(b.fires('B5')).toEqual(['A2 B5']);
    });
  });

  describe('R17: inactive sequences', () => {
    it('R17: nothing fires while inactive, and nothing is made up later', () => {
      const b = bench();
      b.change('A,B', { active: false });
      expect(b.fires('A0 B1')).toEqual([]);
      b.change('A,B');
      expect(b.fires('U2')).toEqual([]);
    });

    it('R17: on activation held events count as earlier steps', () => {
      const b = bench();
      b.change('A,B', { active: false });
      b.fires('A0 B1');
      b.change('A,B');
      expect(b.fires('B2')).toEqual(['A0 B2']);
    });

    it('R17: deactivation keeps what had been consumed', () => {
      const b = bench();
      b.change('A,B');
      expect(b.fires('A0 B1')).toEqual(['A0 B1']);
      b.change('A,B', { active: false });
      b.fires('B2');
      b.change('A,B');
      expect(b.fires('B3')).toEqual([]);
    });

    it('R17: a late event after activation does not fire what completed while inactive', () => {
      const b = bench();
      b.change('A,B', { active: false });
      b.fires('B5');
      b.change('A,B');
      expect(b.fires('A1')).toEqual([]);
    });
  });

  describe('R18: re-fire policy', () => {
    it('R18: `every` fires at each completion', () => {
      const b = bench();
      b.change('A');
      expect(b.fires('A0 A1 A2')).toEqual(['A0', 'A1', 'A2']);
    });

    it('R18: `once_per_lead` suppresses all but the first, lead by lead', () => {
      const b = bench();
      b.change('A', { refire: { mode: 'once_per_lead' } });
      expect(b.fires('A0 A1 A2')).toEqual(['A0', 'A1 once_per_lead', 'A2 once_per_lead']);
      expect(b.fires('A3', { lead: 'other' })).toEqual(['A3']);
    });

    it('R18: a cooldown counts from the last completion that fired, its edge excluded', () => {
      const b = bench();
      b.change('A', { refire: { mode: 'cooldown', cooldownSeconds: 10 } });
      expect(b.fires('A0 A9 A9.999999 A10 A19 A20')).toEqual([
        'A0',
        'A9 cooldown',
        'A9.999999 cooldown',
        'A10',
        'A19 cooldown',
        'A20',
      ]);
    });

    it('R18: a completion suppressed by a policy still consumes its events', () => {
      const b = bench();
      b.change('A,B', { refire: { mode: 'once_per_lead' } });
      expect(b.fires('A0 B1 A2 B3 B4')).toEqual(['A0 B1', 'A2 B3 once_per_lead']);
    });

    it('R18: the policy outlives the silence of a lead', () => {
      const b = bench({ allowedLatenessMicros: micros(20) });
      b.change('A', { id: 'once', refire: { mode: 'once_per_lead' } });
      b.change('A', { id: 'cool', refire: { mode: 'cooldown', cooldownSeconds: 1000 } });
      expect(b.fires('A0')).toEqual(['cool: A0', 'once: A0']);
      expect(b.fires('A500')).toEqual(['cool: A500 cooldown', 'once: A500 once_per_lead']);
      expect(b.fires('A1000')).toEqual(['cool: A1000', 'once: A1000 once_per_lead']);
    });

    it('R18: silence erases the horizon even where the policy is remembered', () => {
      const b = bench({ allowedLatenessMicros: micros(20) });
      b.change('A,B', { refire: { mode: 'cooldown', cooldownSeconds: 5 } });
      expect(b.fires('A100 B101')).toEqual(['A100 B101']);
      expect(b.fires('A50@500 B51@500')).toEqual(['A50 B51 cooldown']);
    });

    it('R18: what fired under `every` is not remembered beyond silence, what a policy suppressed is', () => {
      const b = bench({ allowedLatenessMicros: micros(20) });
      const once = { refire: { mode: 'once_per_lead' }, effectiveFrom: 0 } as const;
      b.change('A');
      expect(b.fires('A0')).toEqual(['A0']);
      b.change('A', once);
      expect(b.fires('A100')).toEqual(['A100']);
      b.change('A', { effectiveFrom: 0 });
      expect(b.fires('A101')).toEqual(['A101']);
      b.change('A', once);
      expect(b.fires('A102 A200')).toEqual(['A102 once_per_lead', 'A200 once_per_lead']);
    });

    it('R18: fires of an earlier policy count for a new one', () => {
      const b = bench();
      b.change('A');
      b.fires('A0');
      b.change('A', { refire: { mode: 'once_per_lead' }, effectiveFrom: 0 });
      expect(b.fires('A1')).toEqual(['A1 once_per_lead']);
      b.change('A', { refire: { mode: 'cooldown', cooldownSeconds: 5 }, effectiveFrom: 0 });
      expect(b.fires('A4 A5')).toEqual(['A4 cooldown', 'A5']);
    });

    it('R18: removing a sequence removes its memory', () => {
      const b = bench();
      b.change('A', { refire: { mode: 'once_per_lead' } });
      b.fires('A0');
      b.subject.removeSequence('ou', 's');
      b.change('A', { refire: { mode: 'once_per_lead' } });
      expect(b.fires('A1')).toEqual(['A1']);
    });
  });

  describe('R19: the stale guard', () => {
    it('R19: a completion older than the limit on arrival is stale, at the limit it is not', () => {
      const b = bench();
      b.change('A', { maxFireDelaySeconds: 60 });
      expect(b.fires('A0@60 A1@61.000001')).toEqual(['A0', 'A1 stale']);
    });

    it('R19: a stale completion counts as a fire', () => {
      const b = bench();
      b.change('A,B', { maxFireDelaySeconds: 60, refire: { mode: 'once_per_lead' } });
      expect(b.fires('A0@100 B1@100 B2@100 A3@100 B4@100')).toEqual(['A0 B1 stale', 'A3 B4 once_per_lead']);
    });

    it('R19: the age is that of the completing event, also when a late one completes', () => {
      const b = bench();
      b.change('A,B,C', { maxFireDelaySeconds: 60 });
      expect(b.fires('A0@0 C8@8 B5@68')).toEqual(['A0 B5 C8 late']);
      expect(b.fires('A100@100 C108@108 B105@168.000001')).toEqual(['A100 B105 C108 late stale']);
    });
  });

  it('R20: extreme but legal times are exact', () => {
    const b = bench({ futureSkewMicros: 2 ** 53, allowedLatenessMicros: micros(20) });
    b.subject.setSequence(sequenceOf('A,B'));
    const event = { ou: 'ou', arrivalMicros: 1_700_000_000_000_000 };
    const apply = (leadId: string, type: string, timeMicros: number, streamSequence: number) =>
      b.subject.apply({ ...event, leadId, type, timeMicros, streamSequence, id: `e${streamSequence}` });
    apply('old', 'A', -(2 ** 53) + 1, 1);
    apply('new', 'A', 2 ** 53 - 1 - micros(10), 2);
    expect(apply('old', 'B', -(2 ** 53) + 1 + micros(10), 3)).toMatchObject({
      completions: [{ stale: false }],
    });
    expect(apply('new', 'B', 2 ** 53 - 1, 4)).toMatchObject({
      completions: [{ events: [{ id: 'e2' }, { id: 'e4', timeMicros: 2 ** 53 - 1 }] }],
    });
  });
});
