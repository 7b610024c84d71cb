import { describe, expect, it } from 'vitest';
import type { MatcherLimits } from '../../../src/matcher/settings.ts';
import type { FieldTest, StepEntry, Where } from '../../../src/model/step.ts';
import { Bench, SECOND_MICROS, type SequenceOptions, type Subject } from '../../support/oracleBench.ts';
import { matcherBench, SUBJECTS, WIDE_LIMITS } from '../../support/oracleSubjects.ts';

function step(types: string, where: Where | null = null, count = 1): StepEntry {
  return { types: types.split('|'), where, count };
}

const LARGE: Where = { 'metadata.n': { gte: 10 } };

describe.each(SUBJECTS)('steps that ask for more (S1 to S9), $name', ({ create }) => {
  function bench(limits: Partial<MatcherLimits> = {}): Bench {
    return new Bench<Subject>(create({ ...WIDE_LIMITS, ...limits }));
  }

  function benchOf(entries: readonly StepEntry[], options: SequenceOptions = {}): Bench {
    const b = bench();
    b.change('', { entries, ...options });
    return b;
  }

  describe('S1: types and counts', () => {
    it('S1: an object with one type is that type', () => {
      expect(benchOf([step('A'), 'B']).fires('A0 B1')).toEqual(['A0 B1']);
    });

    it.each(['A0 C2', 'B1 C2'])('S1: any of the types will do, as in %s', (events) => {
      expect(benchOf([step('A|B'), 'C']).fires(events)).toEqual([events]);
    });

    it('S1: the latest of all the types is taken, and from there the earliest', () => {
      expect(benchOf([step('A|B'), step('C|D'), 'E']).fires('A0 B1 D2 C3 E4')).toEqual(['B1 D2 E4']);
    });

    it('S1: an event of several types of a step fills one step only', () => {
      expect(benchOf([step('A|B'), step('B|C')]).fires('B0')).toEqual([]);
      expect(benchOf([step('A|B'), step('B|C')]).fires('B0 B1')).toEqual(['B0 B1']);
    });

    it.each([true, false])('S1: a count stands for so many such steps (ordered %s)', (ordered) => {
      expect(benchOf([step('A', null, 3), 'B'], { ordered }).fires('A0 A1 B2')).toEqual([]);
      expect(benchOf([step('A', null, 3), 'B'], { ordered }).fires('A0 A1 A2 B3')).toEqual(['A0 A1 A2 B3']);
    });

    it('S1: forty steps of one type are as many events', () => {
      const entries = [step('A', null, 20), step('A', null, 20)];
      const events = Array.from({ length: 40 }, (_, n) => `A${n}`).join(' ');
      expect(benchOf(entries, { windowSeconds: 100 }).fires(events)).toEqual([events]);
      expect(benchOf([...entries, 'A'], { windowSeconds: 100 }).fires(events)).toEqual([]);
    });
  });

  describe('S2: conditions', () => {
    const cases: readonly (readonly [FieldTest, unknown, boolean])[] = [
      [{ eq: 'x' }, 'x', true],
      [{ eq: 'x' }, 'X', false],
      [{ eq: 1 }, '1', false],
      [{ eq: false }, false, true],
      [{ eq: false }, undefined, false],
      [{ in: [1, 'x'] }, 'x', true],
      [{ in: [1, 'x'] }, '1', false],
      [{ prefix: 'pro' }, 'proper', true],
      [{ prefix: 'pro' }, 'pr', false],
      [{ prefix: '1' }, 11, false],
      [{ gte: 2 }, 2, true],
      [{ gte: 2 }, 1.999, false],
      [{ gte: 2 }, '3', false],
      [{ lte: 2 }, 2, true],
      [{ lte: 2 }, 2.001, false],
      [{ lte: 2 }, null, false],
      [{ gte: 1, lte: 2 }, 3, false],
      [{ gte: 1, lte: 2 }, 1.5, true],
      [{ exists: true }, 0, true],
      [{ exists: true }, null, false],
      [{ exists: false }, null, true],
      [{ exists: false }, undefined, true],
      [{ exists: false }, '', false],
      [{ exists: true, eq: 1 }, 2, false],
    ];
    it.each(cases)('S2: %j asked of %j: %s', (test, value, holds) => {
      const b = benchOf([step('A', { 'metadata.a.b': test })]);
      expect(b.fires('A0', { metadata: { a: { b: value } } })).toEqual(holds ? ['A0'] : []);
    });

    it('S2: of several fields all must be as asked', () => {
      const b = benchOf([step('A', { 'metadata.n': { gte: 1 }, 'metadata.m': { eq: 'x' } })]);
      expect(b.fires('A0', { metadata: { n: 1 } })).toEqual([]);
      expect(b.fires('A1', { metadata: { n: 1, m: 'x' } })).toEqual(['A1']);
    });

    it('S2: the score is a field', () => {
      const b = benchOf([step('A', { score: { gte: 50 } })]);
      expect(b.fires('A0', { metadata: { score: 60 } })).toEqual([]);
      expect(b.fires('A1', { score: 49 })).toEqual([]);
      expect(b.fires('A2', { score: 50 })).toEqual(['A2']);
    });

    it.each([
      ['metadata.list.0', { list: ['x'] }],
      ['metadata.list.length', { list: ['x'] }],
      ['metadata.text.length', { text: 'x' }],
      ['metadata.constructor', {}],
      ['metadata.toString.name', {}],
      ['metadata.a.b', { 'a.b': 1 }],
    ])('S2: %s is not there in %j', (path, metadata) => {
      expect(benchOf([step('A', { [path]: { exists: true } })]).fires('A0', { metadata })).toEqual([]);
      expect(benchOf([step('A', { [path]: { exists: false } })]).fires('A0', { metadata })).toEqual(['A0']);
    });

    it('S2: an event that fulfils nothing anybody asks for is not held', () => {
      const b = benchOf([step('A', LARGE), 'B']);
      expect(b.kinds('A0', { metadata: { n: 9 } })).toEqual(['unlisted']);
      expect(b.kinds('A0', { metadata: { n: 10 } })).toEqual(['held']);
    });

    it('S2: a plain step beside one with a condition takes events that fulfil it and others', () => {
      const b = bench();
      b.change('A,C');
      b.change('', { id: 'large', entries: [step('A', LARGE), 'C'] });
      b.fires('A0', { metadata: { n: 10 } });
      b.fires('A1');
      expect(b.fires('C2')).toEqual(['large: A0 C2', 'A1 C2']);
    });

    it('S2: a condition looks back on events that were applied since a sequence had it, and on no others', () => {
      const b = bench();
      b.change('A,Z', { id: 'holder' });
      b.fires('A0', { metadata: { n: 10 } });
      b.change('', { entries: [step('A', LARGE), 'B'] });
      expect(b.fires('B1')).toEqual([]);
      b.fires('A2', { metadata: { n: 10 } });
      b.change('', { id: 'other', entries: [step('A|C', { 'metadata.n': { gte: 10 } }), 'D'] });
      expect(b.fires('B3')).toEqual(['A2 B3']);
      expect(b.fires('D4')).toEqual(['other: A2 D4']);
    });

    it('S2: what an event fulfilled it keeps, also while no sequence asks for it', () => {
      const b = bench();
      b.change('A,Z', { id: 'holder', windowSeconds: 60 });
      b.change('', { entries: [step('A', LARGE), 'B'] });
      b.fires('A0', { metadata: { n: 10 } });
      b.subject.removeSequence('ou', 's');
      b.fires('A1', { metadata: { n: 10 } });
      b.change('', { entries: [step('A', LARGE), 'B'] });
      expect(b.fires('B2')).toEqual(['A0 B2']);
    });

    it('S2: conditions on one type are told apart', () => {
      const b = benchOf([step('A', LARGE), step('A', { 'metadata.n': { lte: 20 } }), 'B']);
      b.fires('A0', { metadata: { n: 30 } });
      b.fires('A1', { metadata: { n: 5 } });
      expect(b.fires('B2')).toEqual(['A0 A1 B2']);
      b.fires('A3', { metadata: { n: 5 } });
      b.fires('A4', { metadata: { n: 30 } });
      expect(b.fires('B5')).toEqual([]);
    });
  });

  describe('S4: excluded types', () => {
    it.each([true, false])(
      'S4: one between the first and the last event is one too many (ordered %s)',
      (ordered) => {
        const b = benchOf(['A', 'B', 'C'], { exclude: ['X', 'Y'], ordered });
        expect(b.fires('A0 X1 B2 C3')).toEqual([]);
        expect(b.fires('A20 B21 Y22 C23')).toEqual([]);
        expect(b.fires('A40 B41 C42')).toEqual(['A40 B41 C42']);
      },
    );

    it('S4: one in front of the first or behind the last event is none of its business', () => {
      const b = benchOf(['A', 'B'], { exclude: ['X'] });
      expect(b.fires('X0 A1 B2 X3 A4 B5')).toEqual(['A1 B2', 'A4 B5']);
    });

    it('S4: at one instant the order in the stream decides', () => {
      expect(benchOf(['A', 'B'], { exclude: ['X'] }).fires('A0 X0#x B0#b')).toEqual([]);
      expect(benchOf(['A', 'B'], { exclude: ['X'] }).fires('X0#x A0 B0#b')).toEqual(['A0 b']);
    });

    it('S4: nothing lies within a single event', () => {
      expect(benchOf(['A'], { exclude: ['X'] }).fires('X0 A0 X1 A1')).toEqual(['A0', 'A1']);
    });

    it('S4: a later start makes up for an excluded event', () => {
      expect(benchOf(['A', 'B'], { exclude: ['X'] }).fires('A0 X1 A2 B3')).toEqual(['A2 B3']);
    });

    it('S4: an event is excluded whatever it fulfils', () => {
      const b = benchOf(['A', 'B'], { exclude: ['X'] });
      b.change('', { id: 'large', entries: [step('X', LARGE)] });
      b.fires('A0');
      expect(b.fires('X1', { metadata: { n: 10 } })).toEqual(['large: X1']);
      expect(b.fires('B2')).toEqual([]);
    });

    it('S4: excluded types are held for as long as the window, and no longer', () => {
      const b = bench({ allowedLatenessMicros: 0 });
      b.change('A,B', { exclude: ['X'], windowSeconds: 10 });
      expect(b.kinds('A0 X1')).toEqual(['held', 'held']);
      expect(b.fires('B10')).toEqual([]);
      expect(b.kinds('U11 X11#X1 U12 X12#X1')).toEqual(['unlisted', 'duplicate', 'unlisted', 'held']);
    });

    it('S4: events that nobody excluded when they came are not there to look back at', () => {
      const b = bench();
      b.change('A,B,C', { id: 'holder' });
      b.fires('A0 X1');
      b.change('A,B', { exclude: ['X'] });
      expect(b.fires('B2')).toEqual(['A0 B2']);
    });
  });

  describe('S5: gaps', () => {
    const gap = (steps: string, maxGapSeconds: number, windowSeconds = 100) => {
      const b = bench();
      b.change(steps, { maxGapSeconds, windowSeconds });
      return b;
    };

    it('S5: neighbouring steps lie at most so far apart, to the microsecond', () => {
      expect(gap('A,B,C', 3).fires('A0 B3 C6')).toEqual(['A0 B3 C6']);
      expect(gap('A,B,C', 3).fires('A0 B3.000001 C6')).toEqual([]);
      expect(gap('A,B,C', 3).fires('A0 B3 C6.000001')).toEqual([]);
    });

    it('S5: the window holds beside it', () => {
      expect(gap('A,B,C', 3, 5).fires('A0 B3 C6')).toEqual([]);
    });

    it('S5: a step is the latest event from which a run leads back, not the earliest', () => {
      expect(gap('A,B,C', 3).fires('A0 B1 B2 C3')).toEqual(['A0 B2 C3']);
      expect(gap('A,B,C', 3).fires('A0 B3 C4')).toEqual(['A0 B3 C4']);
    });

    it('S5: an event that leads nowhere is passed over for an earlier one', () => {
      expect(gap('A,B,C', 3).fires('A0 B3 B4 C5')).toEqual(['A0 B3 C5']);
      expect(gap('A,B,B,B,C', 2).fires('A0 B1 B3 B5 B6.5 C7')).toEqual(['A0 B1 B3 B5 C7']);
    });

    it('S5: what lies at or before the last completion leads nowhere', () => {
      expect(gap('A,B,C', 3).fires('A0 B1 C2 B3 C4')).toEqual(['A0 B1 C2']);
    });

    it('S5: window and horizon hold for the run that the gaps allow, which starts earlier than types alone would', () => {
      const events = 'A0 B1.9 A2 D4.8 B5.5 D5.6 E7';
      expect(gap('A,B,D,E', 3, 7).fires(events)).toEqual(['A0 B1.9 D4.8 E7']);
      expect(gap('A,B,D,E', 3, 5).fires(events)).toEqual([]);
      const b = gap('A,B,D,E', 3);
      expect(b.fires('A-3 B-2 D-1 A0 E1')).toEqual(['A-3 B-2 D-1 E1']);
      expect(b.fires('B1.9 A2 D4.8 B5.5 D5.6 E7')).toEqual([]);
    });

    it('S5: a late event may close a gap beside steps that do not', () => {
      const b = gap('A,B,C', 3);
      expect(b.fires('A0 B4 C5 B2')).toEqual(['A0 B2 C5 late']);
    });

    it('S5, S4: an excluded event counts from the start that the gaps allow', () => {
      const b = bench();
      b.change('A,B,C', { maxGapSeconds: 3, windowSeconds: 100, exclude: ['X'] });
      // The start by types alone would be A3.5, behind which there is no B within reach.
      expect(b.fires('A0 X1 B2 A3.5 B7 C5')).toEqual([]);
      expect(b.fires('A10 B12 C14')).toEqual(['A10 B12 C14']);
    });
  });

  describe('S6: unordered steps that share events', () => {
    it('S6: an event is given the step that leaves room for the others', () => {
      expect(benchOf([step('A|B'), 'B'], { ordered: false }).fires('B0 A1')).toEqual(['B0 A1']);
      expect(benchOf(['B', step('A|B')], { ordered: false }).fires('A0 B1')).toEqual(['A0 B1']);
      const b = benchOf(['A', step('A|B'), step('B|C')], { ordered: false });
      expect(b.fires('A0 A1 B2')).toEqual(['A0 A1 B2']);
    });

    it('S6: as many events as steps are needed, also where each fits several', () => {
      expect(benchOf([step('A|B'), step('A|C'), 'A'], { ordered: false }).fires('A0 A1')).toEqual([]);
      expect(benchOf([step('A|B'), step('A|C'), 'A'], { ordered: false }).fires('B0 C1 B2 C3')).toEqual([]);
    });

    it('S6: going back, each event is taken that can fill one more step', () => {
      const b = benchOf([step('A|B'), 'B', 'C'], { ordered: false });
      expect(b.fires('B0 A1 B2 B3 C4')).toEqual(['B2 B3 C4']);
      const c = benchOf([step('A|B'), 'B', 'C'], { ordered: false });
      expect(c.fires('B0 A1 A2 C4')).toEqual(['B0 A2 C4']);
    });

    it('S6: an event with a condition may fill the step without, and not the other way round', () => {
      const b = benchOf([step('A', LARGE), 'A'], { ordered: false });
      b.fires('A0', { metadata: { n: 10 } });
      expect(b.fires('A1')).toEqual(['A0 A1']);
      expect(b.fires('A2 A3')).toEqual([]);
      expect(b.fires('A4', { metadata: { n: 10 } })).toEqual(['A3 A4']);
    });

    it('S6: the window and the horizon hold for the events that are taken', () => {
      const b = benchOf([step('A|B'), 'B'], { ordered: false, windowSeconds: 5 });
      expect(b.fires('A0 B6')).toEqual([]);
      expect(b.fires('B7')).toEqual(['B6 B7']);
      expect(b.fires('B8')).toEqual([]);
      expect(b.fires('A9')).toEqual(['B8 A9']);
    });
  });

  describe('S7: holding', () => {
    it('S7: an event is held for the largest window of the steps that accept it', () => {
      const b = bench({ allowedLatenessMicros: 0 });
      b.change('', { entries: [step('A', LARGE), 'B'], windowSeconds: 50 });
      b.change('A,C', { id: 'plain', windowSeconds: 5 });
      b.fires('A0', { metadata: { n: 10 } });
      b.fires('A1');
      expect(b.kinds('U20 A20#A0 A20#A1')).toEqual(['unlisted', 'duplicate', 'held']);
    });
  });

  describe('S8: late events', () => {
    it('S8: an excluded event that comes too late takes nothing back', () => {
      const b = benchOf(['A', 'B'], { exclude: ['X'] });
      expect(b.fires('A0 B5 X3')).toEqual(['A0 B5']);
      expect(b.fires('B6')).toEqual([]);
    });

    it('S8: an excluded event that comes late but in time counts', () => {
      expect(benchOf(['A', 'B'], { exclude: ['X'] }).fires('A0 U4 X3 B5')).toEqual([]);
    });

    it('S8: a late event is judged by its own fields', () => {
      const b = benchOf([step('A', LARGE), 'B']);
      b.fires('B5');
      expect(b.fires('A3', { metadata: { n: 1 } })).toEqual([]);
      expect(b.fires('A4', { metadata: { n: 10 } })).toEqual(['A4 B5 late']);
    });
  });

  it('S1, S2: long logs are searched as short ones are', () => {
    const b = bench({ allowedLatenessMicros: 1000 * SECOND_MICROS });
    b.change('', { entries: [step('A', LARGE, 2), step('B|C'), 'D'], windowSeconds: 1000 });
    b.change('', {
      id: 'any',
      entries: [step('A', LARGE), step('A|B'), 'E'],
      ordered: false,
      windowSeconds: 1000,
    });
    b.fires('A0 A1', { metadata: { n: 10 } });
    b.change('A,F', { id: 'plain', windowSeconds: 1000 });
    for (let n = 2; n < 100; n++) b.fires(`A${n}`, { metadata: { n: 1 } });
    expect(b.fires('B100 C101 D102')).toEqual(['A0 A1 B100 D102']);
    expect(b.fires('E103')).toEqual(['any: A1 B100 E103']);
  });
});

/** Too many steps for the oracle. */
describe('many steps in any order', () => {
  const events = Array.from({ length: 40 }, (_, n) => `A${n}`).join(' ');

  it.each([
    [[step('A', null, 20), step('A', null, 20)], []],
    [[step('A', null, 20), step('A|B', null, 20)], []],
    [[step('A', null, 20), step('A|B', null, 19), 'B'], ['B40']],
  ])('S1, S6: forty of %j are as many events', (entries, more) => {
    const b = matcherBench();
    b.change('', { entries, ordered: false, windowSeconds: 100 });
    const all = [...events.split(' '), ...more].slice(-40);
    expect(b.fires([...all].join(' '))).toEqual([all.join(' ')]);
    const missing = matcherBench();
    missing.change('', { entries, ordered: false, windowSeconds: 100 });
    expect(missing.fires(all.slice(1).join(' '))).toEqual([]);
  });
});
