import { describe, expect, it } from 'vitest';
import { textOfWhere } from '../../../src/matcher/conditions.ts';
import type { Matcher } from '../../../src/matcher/matcher.ts';
import { StepClasses } from '../../../src/matcher/stepClasses.ts';
import type { Where } from '../../../src/model/step.ts';
import { type Bench, sequenceOf } from '../../support/oracleBench.ts';
import { matcherBench, restarted, WIDE_LIMITS } from '../../support/oracleSubjects.ts';

const LARGE: Where = { 'metadata.n': { gte: 10 } };
const NAMED: Where = { 'metadata.name': { eq: 'line\nbreak' } };
const ENTRIES = [{ types: ['A', 'B'], where: LARGE, count: 1 }, 'C'];

function define(matcher: Matcher): void {
  matcher.setSequence(sequenceOf('', { entries: ENTRIES }));
  matcher.setSequence(
    sequenceOf('', { id: 'named', entries: [{ types: ['A'], where: NAMED, count: 1 }, 'D'] }),
  );
}

function grown(): Bench<Matcher> {
  const b = matcherBench();
  define(b.subject);
  b.fires('A0', { metadata: { n: 10, name: 'line\nbreak' } });
  b.fires('A1 B2', { metadata: { n: 10 } });
  b.fires('A3', { metadata: { name: 'line\nbreak' } });
  b.fires('A4 U5');
  return b;
}

describe('the state of a lead with events that fulfilled conditions', () => {
  it('is version 2, survives encoding byte by byte, and goes on as before', () => {
    const b = grown();
    const state = b.subject.encodeLead('ou', 'lead')!;
    expect([...state.slice(0, 2)]).toEqual([2, 1]);
    const fresh = restarted(b.subject, WIDE_LIMITS, define);
    expect(fresh.encodeLead('ou', 'lead')).toEqual(state);
    b.subject = fresh;
    expect(b.kinds('A6#A0 A6#A4')).toEqual(['duplicate', 'unlisted']);
    expect(b.fires('C7 D8')).toEqual(['B2 C7', 'named: A3 D8']);
  });

  it('is the same whether the sequences or the leads come first', () => {
    const state = grown().subject.encodeLead('ou', 'lead')!;
    const later = matcherBench();
    later.subject.loadLead('ou', 'lead', state);
    define(later.subject);
    expect(later.subject.encodeLead('ou', 'lead')).toEqual(state);
    later.streamSequence = 100;
    expect(later.fires('C7 D8')).toEqual(['B2 C7', 'named: A3 D8']);
  });

  it('is version 1 where no event held fulfilled anything, also beside leads where one did', () => {
    const b = grown();
    b.fires('C0', { lead: 'plain' });
    expect(b.subject.encodeLead('ou', 'plain')![0]).toBe(1);
    const plain = matcherBench();
    plain.streamSequence = b.streamSequence - 1;
    plain.subject.setSequence(sequenceOf('A,C'));
    plain.fires('U5', { lead: 'other' });
    plain.streamSequence = b.streamSequence - 1;
    plain.fires('C0@5', { lead: 'plain' });
    expect(plain.subject.encodeLead('ou', 'plain')).toEqual(b.subject.encodeLead('ou', 'plain'));
  });

  it('is refused where it is cut short or has a part that is not known, not misread', () => {
    const b = grown();
    const state = b.subject.encodeLead('ou', 'lead')!;
    const load = (bytes: Uint8Array) => (): void => b.subject.loadLead('ou', 'lead', bytes);
    expect(load(state)).not.toThrow();
    expect(load(state.with(1, 0x81))).toThrow(/flags 129; this program knows 3/);
    for (let length = 0; length < state.length; length++) expect(load(state.slice(0, length))).toThrow();
  });
});

describe('the classes of steps', () => {
  const event = (n: number) => ({
    ...{ ou: 'ou', leadId: 'lead', id: 'e', timeMicros: 0, streamSequence: 1, arrivalMicros: 0 },
    type: 'A',
    metadata: { n },
  });

  it('are the types themselves where no step asks for more', () => {
    const classes = new StepClasses();
    const stepClass = classes.acquire({ types: ['A'], where: null });
    expect([classes.isPlain, stepClass]).toEqual([true, classes.plainType('A')]);
    expect([classes.classesOf(stepClass), [...classes.membersOf(stepClass)]]).toEqual([
      [stepClass],
      [stepClass],
    ]);
  });

  it('go with the last sequence that uses them, and their conditions with them', () => {
    const classes = new StepClasses();
    const step = { types: ['B', 'A'], where: LARGE };
    const stepClass = classes.acquire(step);
    expect(classes.acquire({ types: ['A', 'B'], where: { ...LARGE } })).toBe(stepClass);
    const plain = classes.plainType('A')!;
    expect([classes.isPlain, classes.isJudged(plain)]).toEqual([false, true]);
    expect(classes.fulfilledNow(plain, event(10))).toEqual([textOfWhere(LARGE)]);
    expect(classes.fulfilledNow(plain, event(9))).toEqual([]);
    classes.release(stepClass);
    expect(classes.isJudged(plain)).toBe(true);
    classes.release(stepClass);
    expect([classes.isPlain, classes.isJudged(plain)]).toEqual([true, false]);
    // What comes next takes the place of what went.
    expect(classes.acquire({ types: ['A', 'B'], where: null })).toBe(stepClass);
  });

  it('get the types that were there before them, and those that come later', () => {
    const classes = new StepClasses();
    const before = classes.internType('A', [textOfWhere(LARGE)]);
    const large = classes.acquire({ types: ['A'], where: LARGE });
    const any = classes.acquire({ types: ['A', 'B'], where: null });
    const after = classes.internType('B', [textOfWhere(LARGE)]);
    expect([...classes.membersOf(large)]).toEqual([before]);
    expect([...classes.membersOf(any)].sort()).toEqual(
      [before, after, classes.plainType('A')!, classes.plainType('B')!].sort(),
    );
    expect(classes.classesOf(before)).toEqual([large, any]);
    classes.release(large);
    expect(classes.classesOf(before)).toEqual([any]);
  });
});
