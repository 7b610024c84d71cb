import { describe, expect, it } from 'vitest';
import { Matcher } from '../../../src/matcher/matcher.ts';
import type { MatcherLimits } from '../../../src/matcher/settings.ts';
import { Bench, type FeedOptions, micros, sequenceOf } from '../../support/oracleBench.ts';
import { WIDE_LIMITS } from '../../support/oracleSubjects.ts';

type Options = Parameters<typeof sequenceOf>[1];

/** A matcher, and beside it the events so far, for one that knows a sequence as if it had been there all the time. */
class PastBench {
  readonly limits: MatcherLimits;
  readonly matcher: Matcher;
  readonly bench: Bench<Matcher>;
  private readonly past: [string, FeedOptions][] = [];

  constructor(limits: Partial<MatcherLimits> = {}) {
    this.limits = { ...WIDE_LIMITS, ...limits };
    this.matcher = new Matcher(this.limits);
    this.bench = new Bench(this.matcher);
  }

  fires(text: string, options: FeedOptions = {}): string[] {
    this.past.push([text, options]);
    return this.bench.fires(text, options);
  }

  /** Sets the sequence, and gives how often the lead's events of the past may be merged from here on. */
  backfill(steps: string, options: Options = {}): () => number {
    const position = this.bench.streamSequence;
    this.bench.change(steps, options);
    const other = new Matcher(this.limits);
    other.setSequence(sequenceOf(steps, { ...options, active: false }));
    const bench = new Bench(other);
    for (const [text, feedOptions] of this.past) bench.outcomes(text, feedOptions);
    const state = other.encodeLead('ou', 'lead');
    const point = { position, ...this.matcher.silenceOf('ou') };
    return () => this.matcher.merge('ou', 'lead', point, () => state);
  }

  state(): string {
    return Buffer.from(this.matcher.encodeLead('ou', 'lead') ?? []).toString('hex');
  }
}

describe('events of the past that are merged into a lead (R16)', () => {
  it('count as earlier steps, though no sequence listed their type when they were applied', () => {
    const b = new PastBench();
    b.fires('A0 X1');
    expect(b.backfill('A,B')()).toBe(1);
    expect(b.fires('B2')).toEqual(['A0 B2']);
  });

  it.each([
    { events: 'A0 B0', fires: ['A0 B0 C1'] },
    { events: 'B0 A0', fires: [] },
  ])('R2: take their place by the stream where times are equal: $events', ({ events, fires }) => {
    const b = new PastBench();
    b.bench.change('B,Z', { id: 'holder' });
    b.fires(events);
    b.backfill('A,B,C')();
    expect(b.fires('C1')).toEqual(fires);
  });

  it('R13: are left out where the lead holds an event of their id', () => {
    const b = new PastBench();
    b.bench.change('B,Z', { id: 'holder' });
    b.fires('A0#one B1#one B2 A3');
    // Of the past: A0 by the id `one`, B2 and A3. The lead holds `one`, of type B, and B2.
    expect(b.backfill('A,B')()).toBe(1);
    expect(b.fires('B4')).toEqual(['A3 B4']);
  });

  it('R15: are left out where the newest event of the lead has left them behind', () => {
    const b = new PastBench({ allowedLatenessMicros: micros(2) });
    b.fires('A0 A3');
    // Read for a window that is shorter by now, as if the lead had gone on meanwhile.
    const merge = b.backfill('A,B', { windowSeconds: 6 });
    b.bench.change('A,B', { windowSeconds: 0.5 });
    expect(merge()).toBe(1);
    expect(b.matcher.heldEventCount).toBe(1);
    b.bench.change('A,B', { windowSeconds: 6 });
    expect(merge()).toBe(1);
    expect(b.fires('B4')).toEqual(['A3 B4']);
  });

  it('R16: complete nothing by themselves, also when a late event comes between them', () => {
    const b = new PastBench();
    b.fires('A0 B5');
    b.backfill('A,B')();
    expect(b.fires('A1')).toEqual([]);
    expect(b.fires('B6')).toEqual(['A1 B6']);
  });

  it.each([
    { kind: 'ordered', other: {} },
    { kind: 'unordered', other: { ordered: false } },
    { kind: 'with a gap', other: { maxGapSeconds: 5 } },
  ])(
    'R16: complete nothing of another sequence, when a late event comes between them: $kind',
    ({ other }) => {
      const b = new PastBench();
      b.fires('A0');
      b.bench.change('A,Z', { ...other, id: 'other' });
      expect(b.fires('Z2')).toEqual([]);
      b.backfill('A,B,Q')();
      expect(b.fires('B1')).toEqual([]);
      expect(b.fires('Z3')).toEqual(['other: A0 Z3']);
    },
  );

  it('R9: stay used up where a sequence used them before', () => {
    const b = new PastBench();
    b.bench.change('A,B');
    expect(b.fires('D0 A1 B2 D3')).toEqual(['A1 B2']);
    expect(b.backfill('D,C')()).toBe(2);
    expect(b.fires('C4 C5')).toEqual(['D3 C4']);
  });

  it('are not merged once an event was applied behind the point, which would judge by what it did not see', () => {
    const b = new PastBench();
    b.fires('A0');
    const merge = b.backfill('A,B');
    b.fires('B1');
    expect(merge()).toBe(0);
    expect(b.fires('B2')).toEqual([]);
  });

  it.each([{ heldEventsMax: 1_000_000 }, { heldEventsMax: 4 }])(
    'may be merged again with the same result (held events $heldEventsMax)',
    ({ heldEventsMax }) => {
      const b = new PastBench({ heldEventsMax, allowedLatenessMicros: micros(1) });
      b.bench.change('B,Z', { id: 'holder', windowSeconds: 1000 });
      b.fires('A0 B1 A2 B3 A4 B5 A6 B7 A8 B9');
      const merge = b.backfill('A,A,C', { windowSeconds: 7 });
      expect(merge()).toBeGreaterThan(0);
      const once = b.state();
      merge();
      expect(b.state()).toBe(once);
      expect(b.fires('C10')).toEqual(['A6 A8 C10']);
    },
  );

  it('R15: leave a lead with no more events than a reduction does', () => {
    const b = new PastBench({ heldEventsMax: 10 });
    b.bench.change('B,Z', { id: 'holder', windowSeconds: 1000 });
    b.fires(Array.from({ length: 9 }, (_, second) => `A${second} B${second}`).join(' '));
    b.backfill('A,B,C', { windowSeconds: 100 })();
    expect(b.matcher.heldEventCount).toBeLessThanOrEqual(10);
    expect(b.fires('C20')).toEqual(['A8 B8 C20']);
  });

  it('bring a lead back that was forgotten under shorter windows, for as long as the present one lasts', () => {
    const b = new PastBench({ allowedLatenessMicros: micros(1) });
    b.fires('A0 X1');
    expect(b.bench.kinds('Y5', { lead: 'other' })).toEqual(['unlisted']);
    b.matcher.forgetSilent(10, b.matcher.silentBefore());
    expect([...b.matcher.leads()].map(({ leadId }) => leadId)).toEqual(['other']);
    expect(b.backfill('A,B', { windowSeconds: 10 })()).toBe(1);
    expect(b.fires('B7')).toEqual(['A0 B7']);
  });

  it('R15: do not bring a lead back that was silent for longer than the present window', () => {
    const b = new PastBench({ allowedLatenessMicros: micros(1) });
    b.fires('A0');
    b.bench.kinds('Y12', { lead: 'other' });
    expect(b.backfill('A,B', { windowSeconds: 10 })()).toBe(0);
    expect(b.matcher.leadCount).toBe(2);
    expect(b.bench.fires('B12@12 B10@13')).toEqual([]);
  });

  it('R15: of a lead that comes back nothing else does', () => {
    const b = new PastBench({ allowedLatenessMicros: micros(1) });
    b.bench.change('X,Y', { id: 'short', windowSeconds: 2 });
    b.fires('A0 X1');
    b.bench.kinds('Q6', { lead: 'other' });
    b.backfill('A,B', { windowSeconds: 10 })();
    expect(b.matcher.heldEventCount).toBe(1);
    expect(b.bench.fires('Y2@7 B7@7')).toEqual(['A0 B7']);
  });

  it('count among all held events', () => {
    const b = new PastBench();
    b.fires('A0 A1 X2');
    b.backfill('A,B')();
    expect(b.matcher.heldEventCount).toBe(2);
  });

  describe('and have conditions to fulfil', () => {
    const big = { entries: [{ types: ['A'], where: { 'metadata.n': { gte: 2 } }, count: 1 }, 'B'] };

    it('count where they do, also where the lead holds them already', () => {
      const b = new PastBench();
      b.bench.change('A,Z', { id: 'holder' });
      b.fires('A0', { metadata: { n: 1 } });
      b.fires('A1', { metadata: { n: 2 } });
      b.fires('A2', { metadata: { n: 1 } });
      const merge = b.backfill('', big);
      expect(merge()).toBe(0);
      const once = b.state();
      merge();
      expect(b.state()).toBe(once);
      expect(b.fires('B3')).toEqual(['A1 B3']);
      expect(b.fires('Z4')).toEqual(['holder: A2 Z4']);
    });

    it('keep to those of other sequences that they fulfilled when they came', () => {
      const b = new PastBench();
      const small = { entries: [{ types: ['A'], where: { 'metadata.n': { lte: 2 } }, count: 1 }, 'Z'] };
      b.bench.change('', { ...small, id: 'small' });
      b.fires('A0', { metadata: { n: 2 } });
      b.fires('A1', { metadata: { n: 3 } });
      // A0 is held for the small one, and is big enough as well.
      expect(b.backfill('', big)()).toBe(1);
      expect(b.fires('B3')).toEqual(['A1 B3']);
      expect(b.fires('Z4')).toEqual(['small: A0 Z4']);
    });
  });
});
