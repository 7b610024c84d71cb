import { describe, expect, it } from 'vitest';
import type { MatcherLimits } from '../../../src/matcher/settings.ts';
import { Bench, type Subject, sequenceOf } from '../../support/oracleBench.ts';
import { SUBJECTS, WIDE_LIMITS } from '../../support/oracleSubjects.ts';

describe.each(SUBJECTS)('what a match is (R1 to R9), $name', ({ create }) => {
  function bench(limits: Partial<MatcherLimits> = {}): Bench {
    return new Bench<Subject>(create({ ...WIDE_LIMITS, ...limits }));
  }

  describe('R1: state is per organizational unit and lead', () => {
    it('R1: two leads never complete a sequence together', () => {
      const b = bench();
      b.change('A,B');
      expect(b.fires('A0', { lead: 'x' })).toEqual([]);
      expect(b.fires('B1', { lead: 'y' })).toEqual([]);
      expect(b.fires('B2', { lead: 'x' })).toEqual(['A0 B2']);
    });

    it('R1: equal lead ids of two OUs are two leads, also with equal sequence ids', () => {
      const b = bench();
      b.change('A,B', { ou: 'one' });
      b.change('A,B', { ou: 'two' });
      b.fires('A0', { ou: 'one' });
      expect(b.fires('B1', { ou: 'two' })).toEqual([]);
      expect(b.fires('B2', { ou: 'one' })).toEqual(['A0 B2']);
      expect(b.fires('A3 B4', { ou: 'two' })).toEqual(['A3 B4']);
    });

    it('R1: a sequence of one OU says nothing about another', () => {
      const b = bench();
      b.change('A', { ou: 'one' });
      expect(b.kinds('A0', { ou: 'two' })).toEqual(['unlisted']);
    });

    it.each(['\u0000', '\u0001', ':', '/', '.', '|', ' ', '\n', ','])(
      'R1: the separator %j in names cannot make two keys one',
      (separator) => {
        const b = bench();
        b.change('A,B', { ou: 'o' });
        b.change('A,B', { ou: `o${separator}p` });
        b.fires('A0', { ou: 'o', lead: `p${separator}q` });
        expect(b.fires('B1', { ou: `o${separator}p`, lead: 'q' })).toEqual([]);
        expect(b.fires('B2', { ou: 'o', lead: `p${separator}q` })).toEqual(['A0 B2']);
      },
    );

    it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length'])(
      'R1: %s is a name like any other, for leads, types, sequences and events',
      (name) => {
        const b = bench();
        b.subject.setSequence({ ...sequenceOf(`${name},b`), id: name });
        expect(b.kinds(`${name === 'length' ? 'toString' : 'length'}0`, { lead: name })).toEqual([
          'unlisted',
        ]);
        expect(b.fires(`${name}1#${name} b2`, { lead: name })).toEqual([`${name}: ${name} b2`]);
      },
    );
  });

  describe('R2: events are ordered by time, then by stream position', () => {
    it('R2: the stream breaks the tie of equal times', () => {
      const inOrder = bench();
      inOrder.change('A,B,C');
      expect(inOrder.fires('A0 B0 C0')).toEqual(['A0 B0 C0']);
      const outOfOrder = bench();
      outOfOrder.change('A,B,C');
      expect(outOfOrder.fires('B0 A0 C0')).toEqual([]);
    });

    it('R2: one microsecond decides the order', () => {
      const b = bench();
      b.change('A,B');
      expect(b.fires('B1 A1.000001')).toEqual([]);
      expect(b.fires('B1.000002')).toEqual(['A1.000001 B1.000002']);
    });

    it('R2: a late event takes the last place among those of its time', () => {
      const b = bench();
      b.change('A,B');
      expect(b.fires('A5#a C9 B5#b')).toEqual(['a b late']);
      const reversed = bench();
      reversed.change('A,B');
      expect(reversed.fires('B5#b C9 A5#a')).toEqual([]);
    });

    it('R2: the order of arrival never overrides the order of times', () => {
      const b = bench();
      b.change('A,B');
      expect(b.fires('B1 A2')).toEqual([]);
    });
  });

  describe('R3: an ordered match', () => {
    it('R3: anything may lie in between', () => {
      const b = bench();
      b.change('A,B');
      b.change('X,Y', { id: 't' });
      expect(b.fires('A0 X1 X2 A0.5 U3 B4')).toEqual(['A0.5 B4']);
    });

    it('R3: one event never fills two steps of a repeated type', () => {
      const b = bench();
      b.change('A,A');
      expect(b.fires('A0')).toEqual([]);
      expect(b.fires('A1')).toEqual(['A0 A1']);
    });

    it('R3: a repeated type in the middle needs its own events', () => {
      const b = bench();
      b.change('A,B,B,A');
      expect(b.fires('A0 B1 A2')).toEqual([]);
      expect(b.fires('B3 A4')).toEqual(['A0 B1 B3 A4']);
    });

    it('R3: types are opaque and case-sensitive', () => {
      const b = bench();
      b.change('A,b');
      expect(b.fires('a0 A1 B2')).toEqual([]);
      expect(b.fires('b3')).toEqual(['A1 b3']);
    });

    it('R3: a sequence of one step fires at each of its events', () => {
      const b = bench();
      b.change('A');
      expect(b.fires('A0 B1 A2')).toEqual(['A0', 'A2']);
    });

    it('R3: twenty steps are as good as two', () => {
      const b = bench();
      b.change(Array.from({ length: 20 }, (_, i) => 'ABCDE'[i % 5]).join(','), { windowSeconds: 19 });
      const events = Array.from({ length: 20 }, (_, i) => `${'ABCDE'[i % 5]}${i}`);
      expect(b.fires(events.slice(0, 19).join(' '))).toEqual([]);
      expect(b.fires(events[19]!)).toEqual([events.join(' ')]);
    });
  });

  describe('R4: an unordered match', () => {
    it.each(['A0 B1 C2', 'A0 C1 B2', 'B0 A1 C2', 'B0 C1 A2', 'C0 A1 B2', 'C0 B1 A2'])(
      'R4: any order will do: %s',
      (events) => {
        const b = bench();
        b.change('A,B,C', { ordered: false });
        expect(b.fires(events)).toEqual([events]);
      },
    );

    it('R4: a type listed twice needs two different events', () => {
      const b = bench();
      b.change('A,A,B', { ordered: false });
      expect(b.fires('A0 B5')).toEqual([]);
      expect(b.fires('A6')).toEqual(['A0 B5 A6']);
    });

    it('R4: a type listed twice is not completed by two of another', () => {
      const b = bench();
      b.change('A,A,B', { ordered: false });
      expect(b.fires('A0 B1 B2 B3')).toEqual([]);
      expect(b.fires('A4')).toEqual(['A0 B3 A4']);
    });
  });

  describe('R5: the window', () => {
    it.each([true, false])(
      'R5: the edge is inside and a microsecond past it is not (ordered %s)',
      (ordered) => {
        const b = bench();
        b.change('A,B', { ordered });
        expect(b.fires('A0 B10')).toEqual(['A0 B10']);
        expect(b.fires('A20 B30.000001')).toEqual([]);
      },
    );

    it.each([true, false])('R5: the window slides, it has no fixed start (ordered %s)', (ordered) => {
      const b = bench();
      b.change('A,B,C', { ordered });
      expect(b.fires('A0 B5 A7 B12 C16')).toEqual(['A7 B12 C16']);
    });

    it('R5: the window spans the first and the last event, not neighbours', () => {
      const b = bench();
      b.change('A,B,C');
      expect(b.fires('A0 B9 C11')).toEqual([]);
    });

    it('R5: an event that is too old for one sequence still counts for a wider one', () => {
      const b = bench();
      b.change('A,B', { id: 'narrow', windowSeconds: 5 });
      b.change('A,B', { id: 'wide', windowSeconds: 50 });
      expect(b.fires('A0 B6')).toEqual(['wide: A0 B6']);
    });
  });

  describe('R6: when a sequence fires', () => {
    it('R6: at the event that completes it, without waiting for another', () => {
      const b = bench();
      b.change('A,B');
      expect(b.fires('A0 B1')).toEqual(['A0 B1']);
    });

    it('R6: one event fires a sequence once, however many matches end at it', () => {
      const b = bench();
      b.change('A,B');
      expect(b.fires('A0 A1 A2 B3')).toEqual(['A2 B3']);
    });

    it('R6: one event fires every sequence that it completes, ordered by sequence id', () => {
      const b = bench();
      for (const id of ['seq-b', 'seq-B', 'seq-10', 'seq-9', 'seq-a']) b.change('A,B', { id });
      b.change('B,A', { id: 'seq-0', ordered: false });
      expect(b.fires('A0 B1')).toEqual(
        ['seq-0', 'seq-10', 'seq-9', 'seq-B', 'seq-a', 'seq-b'].map((id) => `${id}: A0 B1`),
      );
    });

    it('R6: a late event that completes several sequences reports the earlier completion first', () => {
      const b = bench();
      b.change('A,B,D', { id: 'a-at-D' });
      b.change('A,B,C', { id: 'b-at-C' });
      b.change('B', { id: 'c-at-B' });
      expect(b.fires('A0 C3 D4 B1')).toEqual([
        'c-at-B: B1 late',
        'b-at-C: A0 B1 C3 late',
        'a-at-D: A0 B1 D4 late',
      ]);
    });
  });

  describe('R7: which events an ordered match reports', () => {
    it.each([
      ['A,B,C', 'A0 B1 A2 C3', 'A0 B1 C3'],
      ['A,B,C', 'A0 B1 B2 C3', 'A0 B1 C3'],
      ['A,B,C', 'A0 A1 B2 B3 C4', 'A1 B2 C4'],
      ['A,B,C', 'A0 B1 A2 B3 A4 C5', 'A2 B3 C5'],
      ['A,A,B', 'A0 A1 A2 B3', 'A1 A2 B3'],
      ['A,A,A', 'A0 A1 A2', 'A0 A1 A2'],
      ['A,B,A', 'A0 B1 B2 A3', 'A0 B1 A3'],
      ['A,B,A,B', 'A0 B1 A2 A3 B4', 'A0 B1 A2 B4'],
      ['A,B,B', 'A0 B1 A2 B3', 'A0 B1 B3'],
      ['A,B,C,D', 'A0 B1 C2 A3 B4 D5', 'A0 B1 C2 D5'],
    ])('R7: %s over %s takes %s', (steps, events, expected) => {
      const b = bench();
      b.change(steps);
      expect(b.fires(events)).toEqual([expected]);
    });

    it('R7: the latest start wins also where an older start would give a later middle', () => {
      const b = bench();
      b.change('A,B,B,C');
      expect(b.fires('A0 B1 A2 B3 B4 C5')).toEqual(['A2 B3 B4 C5']);
    });

    it('R7: events are listed in step order, ties included', () => {
      const b = bench();
      b.change('A,B,A');
      expect(b.fires('A0#x B0#y A0#z')).toEqual(['x y z']);
    });
  });

  describe('R8: which events an unordered match reports', () => {
    it('R8: the latest of each type, in time order', () => {
      const b = bench();
      b.change('A,B,C', { ordered: false });
      expect(b.fires('A0 C1 C2 A3 B4')).toEqual(['C2 A3 B4']);
    });

    it('R8: the latest two of a type that is listed twice', () => {
      const b = bench();
      b.change('A,A,B', { ordered: false });
      expect(b.fires('A0 A1 A2 B3')).toEqual(['A1 A2 B3']);
    });

    it('R8: at or before the completing event, also when a late event completes it', () => {
      const b = bench();
      b.change('A,B,C', { ordered: false });
      b.change('X', { id: 'x' });
      expect(b.fires('A0 B1 A5 B6 C3')).toEqual(['A0 B1 C3 late']);
    });

    it('R8: equal times are listed in stream order', () => {
      const b = bench();
      b.change('A,B,C', { ordered: false });
      expect(b.fires('C1#x B1#y A1#z')).toEqual(['x y z']);
    });
  });

  describe('R9: once per completed sequence', () => {
    it.each([
      ['A,B,C', 'A0 B1 C2 C3', ['A0 B1 C2']],
      ['A,B,C', 'A0 B1 C2 A3 B4 C5', ['A0 B1 C2', 'A3 B4 C5']],
      ['A,A,A', 'A0 A1 A2 A3 A4 A5', ['A0 A1 A2', 'A3 A4 A5']],
      ['A,B', 'A0 A1 B2 B3', ['A1 B2']],
      ['A,B,A', 'A0 B1 A2 B3 A4', ['A0 B1 A2']],
    ])('R9: %s over %s', (steps, events, expected) => {
      const b = bench();
      b.change(steps);
      expect(b.fires(events)).toEqual(expected);
    });

    it('R9: for unordered sequences alike', () => {
      const b = bench();
      b.change('A,B', { ordered: false });
      expect(b.fires('A0 A1 B2 B3 A4 B5')).toEqual(['A1 B2', 'B3 A4']);
    });

    it('R9: the horizons of two sequences are independent', () => {
      const b = bench();
      b.change('A,B', { id: 'ab' });
      b.change('A,B,C', { id: 'abc' });
      expect(b.fires('A0 B1 C2')).toEqual(['ab: A0 B1', 'abc: A0 B1 C2']);
    });

    it('R9: an event of the very time of the completing one, but after it in the stream, counts again', () => {
      const b = bench();
      b.change('A,B');
      expect(b.fires('A0 B1#b A1#a B2')).toEqual(['A0 b', 'a B2']);
    });

    it('R9: a long run of repeats is consumed one match at a time', () => {
      const b = bench();
      b.change('A,A', { windowSeconds: 1 });
      const events = Array.from({ length: 300 }, (_, i) => `A${i}`);
      expect(b.fires(events.join(' '))).toHaveLength(150);
    });
  });
});
