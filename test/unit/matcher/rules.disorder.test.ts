import { describe, expect, it } from 'vitest';
import type { MatcherLimits } from '../../../src/matcher/settings.ts';
import { Bench, micros, type Subject, sequenceOf } from '../../support/oracleBench.ts';
import { SUBJECTS, WIDE_LIMITS } from '../../support/oracleSubjects.ts';

describe.each(SUBJECTS)('disorder, duplicates and forgetting (R10 to R15), $name', ({ create }) => {
  function bench(limits: Partial<MatcherLimits> = {}): Bench {
    return new Bench<Subject>(create({ ...WIDE_LIMITS, ...limits }));
  }

  describe('R10: late and out-of-order events', () => {
    it('R10: a late event completes a match that ends at a later event', () => {
      const b = bench();
      b.change('A,B,C');
      expect(b.fires('A0 C8')).toEqual([]);
      expect(b.fires('B5')).toEqual(['A0 B5 C8 late']);
    });

    it('R10: late events below the horizon do nothing', () => {
      const b = bench();
      b.change('A,B,C');
      expect(b.fires('A0 B1 C2 A1.5 B1.6 C3')).toEqual(['A0 B1 C2']);
    });

    it('R10: a late last step fires at its own place', () => {
      const b = bench();
      b.change('A,B');
      b.change('Z', { id: 'z' });
      expect(b.fires('A0 U9 B5')).toEqual(['A0 B5 late']);
    });

    it('R10: of several possible completing events the earliest one is taken, and the rest lives on', () => {
      const b = bench();
      b.change('A,B');
      expect(b.fires('B5 B7 A1')).toEqual(['A1 B5 late']);
      expect(b.fires('A6')).toEqual(['A6 B7 late']);
    });

    it('R10: what has fired is neither repeated nor improved by a late event', () => {
      const b = bench();
      b.change('A,B');
      expect(b.fires('A0 B5')).toEqual(['A0 B5']);
      expect(b.fires('A3 A4 B4.5')).toEqual([]);
    });

    it('R10: an event of the time of the newest is not late', () => {
      const b = bench();
      b.change('A,B');
      expect(b.fires('A5 U6 B6')).toEqual(['A5 B6']);
    });

    it('R10: an event that no sequence lists makes those behind it late', () => {
      const b = bench();
      b.change('A,B');
      expect(b.fires('A5 U7 B6')).toEqual(['A5 B6 late']);
    });

    it('R10: the window edge holds for late events too', () => {
      const b = bench();
      b.change('A,B,C');
      expect(b.fires('A0 C10.000001 B5')).toEqual([]);
      expect(b.fires('A0.000001')).toEqual(['A0.000001 B5 C10.000001 late']);
    });

    it('R10: a late event skips completing events out of its reach', () => {
      const b = bench();
      b.change('A,B,C');
      expect(b.fires('C1 A2 C3 C14 C15 B4')).toEqual([]);
      expect(b.fires('A5')).toEqual([]);
      expect(b.fires('B6')).toEqual(['A5 B6 C14 late']);
    });
  });

  describe('R11: allowed lateness', () => {
    const limits = { allowedLatenessMicros: micros(20) };

    it('R11: exactly at the limit is in time, a microsecond beyond is too late', () => {
      const b = bench(limits);
      b.change('A,B', { windowSeconds: 100 });
      expect(b.kinds('B20 A0 A-0.000001')).toEqual(['held', 'held', 'too_late']);
    });

    it('R11: it is measured per lead', () => {
      const b = bench(limits);
      b.change('A,B');
      b.fires('A1000', { lead: 'x' });
      expect(b.fires('A0 B1', { lead: 'y' })).toEqual(['A0 B1']);
    });

    it('R11: events of unlisted types move the newest time too', () => {
      const b = bench(limits);
      b.change('A,B');
      expect(b.kinds('U21 A0 A1')).toEqual(['unlisted', 'too_late', 'held']);
    });

    it('R11: unlisted events are judged as well', () => {
      const b = bench(limits);
      b.change('A,B');
      expect(b.kinds('A21 U0')).toEqual(['held', 'too_late']);
    });

    it('R11: a rejected event is not matched and leaves its id free', () => {
      const b = bench(limits);
      b.change('A,B', { windowSeconds: 100 });
      expect(b.kinds('B21 A0#a')).toEqual(['held', 'too_late']);
      expect(b.fires('A2#a')).toEqual(['a B21 late']);
    });
  });

  describe('R13: duplicates beside the other refusals', () => {
    it('R13: an event that is still held is a duplicate, however late it is sent again', () => {
      const b = bench({ allowedLatenessMicros: micros(20) });
      b.change('A,B', { windowSeconds: 100 });
      expect(b.kinds('A0#x B30 A0#x A1')).toEqual(['held', 'held', 'duplicate', 'too_late']);
    });

    it('R13: it is a duplicate also with another type or a time in the future', () => {
      const b = bench({ allowedLatenessMicros: micros(20), futureSkewMicros: micros(5) });
      b.change('A,B', { windowSeconds: 100 });
      expect(b.kinds('A0#x U50#x A900#x@60 B15')).toEqual(['held', 'duplicate', 'duplicate', 'held']);
    });
  });

  describe('R12: future events', () => {
    const limits = { futureSkewMicros: micros(5), allowedLatenessMicros: micros(20) };

    it('R12: exactly at the limit is accepted, a microsecond beyond is rejected', () => {
      const b = bench(limits);
      b.change('A,B');
      expect(b.kinds('A15@10 A15.000001@10')).toEqual(['held', 'in_future']);
    });

    it('R12: a rejected event completes nothing and makes nothing too late', () => {
      const b = bench(limits);
      b.change('A,B', { windowSeconds: 1000 });
      expect(b.kinds('A0 B500@1')).toEqual(['held', 'in_future']);
      expect(b.outcomes('B2')).toMatchObject([{ kind: 'held', completions: [{ late: false }] }]);
    });

    it('R12: the arrival is that of the message, not the highest seen', () => {
      const b = bench(limits);
      b.change('A,B');
      expect(b.kinds('A100@100 A101@95')).toEqual(['held', 'in_future']);
    });
  });

  describe('R13: duplicates', () => {
    it('R13: an id that is held is ignored', () => {
      const b = bench();
      b.change('A,A');
      expect(b.kinds('A0#x A0#x A1#x')).toEqual(['held', 'duplicate', 'duplicate']);
      expect(b.fires('A2#y')).toEqual(['x y']);
    });

    it('R13: the first body wins', () => {
      const b = bench();
      b.change('A,B,C', { ordered: false });
      expect(b.kinds('A0#x B1#x')).toEqual(['held', 'duplicate']);
      expect(b.fires('C2')).toEqual([]);
    });

    it('R13: an event that was consumed by a match is still held', () => {
      const b = bench();
      b.change('A,B');
      expect(b.kinds('A0 B1 B1 A0')).toEqual(['held', 'held', 'duplicate', 'duplicate']);
    });

    it('R13: ids are unique per lead, not beyond', () => {
      const b = bench();
      b.change('A');
      expect(b.kinds('A0#x', { lead: 'one' })).toEqual(['held']);
      expect(b.kinds('A0#x', { lead: 'two' })).toEqual(['held']);
    });

    it('R13: a duplicate does not move the newest time of the lead', () => {
      const b = bench({ allowedLatenessMicros: micros(20) });
      b.change('A', { windowSeconds: 500 });
      expect(b.kinds('A0#x A100#x A0#y')).toEqual(['held', 'duplicate', 'held']);
    });

    it('R13: an id is free again once its event is dropped, however many are held', () => {
      const b = bench({ allowedLatenessMicros: micros(20) });
      b.change('A,B', { windowSeconds: 100 });
      b.fires(Array.from({ length: 200 }, (_, i) => `A${i}`).join(' '));
      expect(b.kinds('A199#A79 A199#A78')).toEqual(['duplicate', 'held']);
    });

    it('R13: ids of unlisted events are not remembered', () => {
      const b = bench();
      b.change('A');
      expect(b.kinds('U0#x U0#x A0#x')).toEqual(['unlisted', 'unlisted', 'held']);
    });

    it('R13: a message that the lead has seen already is recognized by its stream sequence', () => {
      const subject = create(WIDE_LIMITS);
      subject.setSequence(sequenceOf('A,B'));
      const event = { ou: 'ou', leadId: 'lead', type: 'A', timeMicros: 0, arrivalMicros: 0 };
      expect(subject.apply({ ...event, id: 'x', streamSequence: 7 }).kind).toBe('held');
      expect(subject.apply({ ...event, id: 'x', streamSequence: 7 }).kind).toBe('replayed');
      expect(subject.apply({ ...event, id: 'y', streamSequence: 6 }).kind).toBe('replayed');
      expect(subject.apply({ ...event, id: 'z', streamSequence: 8 }).kind).toBe('held');
    });
  });

  describe('R15: holding and forgetting', () => {
    const limits = { allowedLatenessMicros: micros(20) };

    it('R15: an event is held for the largest window that lists its type, plus the lateness', () => {
      const b = bench(limits);
      b.change('A,B', { id: 'narrow', windowSeconds: 10 });
      b.change('A,C', { id: 'wide', windowSeconds: 30 });
      b.change('D', { id: 'other', windowSeconds: 500 });
      expect(b.kinds('A0#x D50#d1 A50#x')).toEqual(['held', 'held', 'duplicate']);
      expect(b.kinds('D50.000001#d2 A51#x')).toEqual(['held', 'held']);
    });

    it('R15: the span is measured against the newest event of the lead itself', () => {
      const b = bench(limits);
      b.change('A,B');
      b.change('L', { id: 'long', windowSeconds: 100_000 });
      b.fires('A0#x');
      b.fires('A5000', { lead: 'other' });
      expect(b.kinds('A0#x@5000')).toEqual(['duplicate']);
    });

    it('R15: only types that a sequence lists are held, active or not', () => {
      const b = bench(limits);
      b.change('A,B', { active: false });
      expect(b.kinds('A0 U1')).toEqual(['held', 'unlisted']);
      b.subject.removeSequence('ou', 's');
      expect(b.kinds('A2')).toEqual(['unlisted']);
    });

    it('R15: a silent lead is forgotten when the arrival clock has moved past the span', () => {
      const b = bench(limits);
      b.change('A,B');
      b.fires('A0#x');
      b.fires('A30', { lead: 'other' });
      expect(b.kinds('A0#x@30')).toEqual(['duplicate']);
      b.fires('A30.000001', { lead: 'other' });
      expect(b.kinds('A0#x')).toEqual(['held']);
    });

    it('R15: a forgotten lead starts anew: nothing is late, nothing too late, nothing consumed', () => {
      const b = bench(limits);
      b.change('A,B', { windowSeconds: 10 });
      expect(b.fires('A100 B101')).toEqual(['A100 B101']);
      b.fires('U1000', { lead: 'other' });
      expect(b.fires('A50@1000 B51@1000')).toEqual(['A50 B51']);
    });

    it('R15: silence is measured in arrival time, also from an event of an unlisted type', () => {
      const b = bench(limits);
      b.change('A,B');
      b.fires('A0#x U0@25');
      b.fires('U55@55', { lead: 'other' });
      expect(b.kinds('A0#x@55')).toEqual(['duplicate']);
    });

    it('R15: neither a duplicate nor a rejected event breaks the silence', () => {
      const b = bench({ ...limits, futureSkewMicros: micros(5) });
      b.change('A,B');
      expect(b.kinds('A0#x A0#x@20 A900@25 A0#x@30.000001')).toEqual([
        'held',
        'duplicate',
        'in_future',
        'held',
      ]);
    });

    it.each([
      ['in_future', 'A900@31'],
      ['too_late', 'A1@31'],
      ['duplicate', 'A29#first@31'],
      ['unlisted', 'U31@31'],
    ])('R15: a message that ends as %s moves the arrival clock as well', (kind, event) => {
      const b = bench({ ...limits, futureSkewMicros: micros(5) });
      b.change('A,B');
      b.fires('A0#x');
      b.fires('A29#first', { lead: 'other' });
      expect(b.kinds(event, { lead: 'other' })).toEqual([kind]);
      expect(b.kinds('A0#x@29')).toEqual(['held']);
    });

    it('R15: a message of another OU moves the arrival clock as well', () => {
      const b = bench(limits);
      b.change('A,B');
      b.fires('A0#x');
      b.fires('U31', { ou: 'elsewhere' });
      expect(b.kinds('A0#x')).toEqual(['held']);
    });

    it('R15: a window that is widened while a lead is still held keeps it for the wider window', () => {
      const b = bench(limits);
      b.change('A,B', { windowSeconds: 10 });
      b.fires('A0');
      b.fires('U5', { lead: 'other' });
      b.change('A,B', { windowSeconds: 1000 });
      expect(b.fires('B40')).toEqual(['A0 B40']);
    });

    it('R15: a window that is widened after a lead went silent does not bring it back', () => {
      const b = bench(limits);
      b.change('A,B', { windowSeconds: 10 });
      b.fires('A0');
      b.fires('U30.000001', { lead: 'other' });
      b.change('A,B', { windowSeconds: 1000 });
      expect(b.fires('B40')).toEqual([]);
    });

    it('R15: a lead that went silent under a narrow window stays forgotten whatever windows follow', () => {
      const b = bench(limits);
      b.change('A,B', { windowSeconds: 1000 });
      b.fires('A0');
      b.fires('U25', { lead: 'other' });
      b.change('A,B', { windowSeconds: 1 });
      b.fires('U26', { lead: 'other' });
      b.change('A,B', { windowSeconds: 1000 });
      expect(b.fires('B40')).toEqual([]);
    });
  });
});
