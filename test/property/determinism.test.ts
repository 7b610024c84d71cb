import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Matcher } from '../../src/matcher/matcher.ts';
import type { LeadEvent } from '../../src/model/event.ts';
import { normalized, SECOND_MICROS, sequenceOf } from '../support/oracleBench.ts';
import { firstDifference, matcherPlay, play } from '../support/oracleDuel.ts';
import {
  definitionOfDraft,
  EventWriter,
  eventDrafts,
  type ScriptShape,
  scripts,
  sequenceDrafts,
} from '../support/oracleScripts.ts';
import { matcherBench, restarted, WIDE_LIMITS } from '../support/oracleSubjects.ts';

const SHAPE: ScriptShape = {
  typesMax: 3,
  leadsMax: 4,
  sequencesMax: 6,
  stepsMax: 4,
  commandsMax: 60,
  changeWeight: 40,
  disorder: true,
  rich: true,
};

function playOf(script: Parameters<typeof play>[0], options: Parameters<typeof play>[1]) {
  return play(
    script,
    options,
    matcherPlay((limits) => new Matcher(limits)),
  );
}

function encodings(matcher: Matcher): [string, Uint8Array | undefined][] {
  return [...matcher.leads()]
    .map(({ ou, leadId }): [string, Uint8Array | undefined] => [
      JSON.stringify([ou, leadId]),
      matcher.encodeLead(ou, leadId),
    ])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

describe('determinism', () => {
  it.each([16, 1_000_000])('R20: restarts and sweeps are never noticed (held events %i)', (heldEventsMax) => {
    fc.assert(
      fc.property(scripts(SHAPE), (script) => {
        const plain = playOf(script, { heldEventsMax, restarts: false, sweeps: false });
        for (const [restarts, sweeps] of [
          [true, false],
          [false, true],
          [true, true],
        ] as const) {
          expect(firstDifference(playOf(script, { heldEventsMax, restarts, sweeps }), plain)).toBeNull();
        }
      }),
      { numRuns: 1500 },
    );
  });

  it('R20: a replay of messages that the states contain does nothing, and the rest goes on as before', () => {
    const feeds = fc.record({
      drafts: fc.array(sequenceDrafts(SHAPE), { minLength: 1, maxLength: 6 }),
      events: fc.array(eventDrafts({ ...SHAPE, disorder: false }), {
        minLength: 2,
        maxLength: 40,
        size: 'max',
      }),
      cut: fc.nat(39),
      back: fc.nat(39),
    });
    let replays = 0;
    fc.assert(
      fc.property(feeds, ({ drafts, events, cut, back }) => {
        const define = (matcher: Matcher): void => {
          for (const draft of drafts) matcher.setSequence(definitionOfDraft(draft, 0));
        };
        const writer = new EventWriter();
        const feed = events.map((draft) => writer.event(draft));
        const position = Math.min(cut, feed.length - 1);
        const whole = new Matcher(WIDE_LIMITS);
        define(whole);
        const expected = feed.map((event) => normalized(whole.apply(event)));

        const crashed = new Matcher(WIDE_LIMITS);
        define(crashed);
        for (const event of feed.slice(0, position)) crashed.apply(event);
        const fresh = restarted(crashed, WIDE_LIMITS, define);
        for (const event of feed.slice(Math.max(0, position - back), position)) {
          expect(fresh.apply(event).kind).toBe('replayed');
          replays += 1;
        }
        const actual = feed.slice(position).map((event) => normalized(fresh.apply(event)));
        expect(actual).toEqual(expected.slice(position));
        expect(encodings(fresh)).toEqual(encodings(whole));
      }),
      { numRuns: 1000 },
    );
    expect(replays).toBeGreaterThan(1000);
  });

  it('R20: only some leads restored from an older checkpoint catch up by replaying, the others stay', () => {
    const define = (matcher: Matcher): void => matcher.setSequence(sequenceOf('A,B'));
    const event = (leadId: string, type: string, streamSequence: number): LeadEvent => ({
      ou: 'ou',
      leadId,
      id: `${type}${streamSequence}`,
      type,
      timeMicros: streamSequence * SECOND_MICROS,
      arrivalMicros: streamSequence * SECOND_MICROS,
      streamSequence,
    });
    const feed = [event('x', 'A', 1), event('y', 'A', 2), event('x', 'B', 3), event('y', 'B', 4)];
    const matcher = new Matcher(WIDE_LIMITS);
    define(matcher);
    matcher.apply(feed[0]!);
    matcher.apply(feed[1]!);
    const older = matcher.encodeLead('ou', 'y')!;
    matcher.apply(feed[2]!);
    const newer = matcher.encodeLead('ou', 'x')!;

    const fresh = new Matcher(WIDE_LIMITS);
    define(fresh);
    fresh.loadLead('ou', 'y', older);
    fresh.loadLead('ou', 'x', newer);
    expect(feed.map((e) => fresh.apply(e).kind)).toEqual(['replayed', 'replayed', 'replayed', 'held']);
  });

  it('R20: the state of a lead survives encoding byte by byte', () => {
    const b = matcherBench({ allowedLatenessMicros: 3600 * SECOND_MICROS });
    b.change('A,B,C');
    b.change('A,C', { id: 'once', refire: { mode: 'once_per_lead' }, ordered: false });
    const name = '\u00e9t\u00e9 \u{1f600} \u0000';
    b.fires('A0 B1 C2 A3 C1.5 U9 B7', { lead: name });
    b.fires('A5', { lead: 'other' });
    const fresh = restarted(
      b.subject,
      { ...WIDE_LIMITS, allowedLatenessMicros: 3600 * SECOND_MICROS },
      (matcher) => {
        matcher.setSequence(sequenceOf('A,B,C'));
        matcher.setSequence(
          sequenceOf('A,C', { id: 'once', refire: { mode: 'once_per_lead' }, ordered: false }),
        );
      },
    );
    expect(encodings(fresh)).toEqual(encodings(b.subject));
    expect(encodings(fresh).map(([key]) => key)).toEqual([
      JSON.stringify(['ou', 'other']),
      JSON.stringify(['ou', name]),
    ]);
    expect(fresh.clockMicros).toBe(b.subject.clockMicros);
  });

  it('R20: the types of a lead survive encoding, however many there are and in whatever order they came', () => {
    const types = Array.from({ length: 600 }, (_, n) => `T${n}`);
    const define = (matcher: Matcher): void => {
      for (let n = 0; n < types.length; n += 20) {
        const eventTypes = types.slice(n, n + 20).join(',');
        matcher.setSequence(sequenceOf(eventTypes, { id: `from ${n}`, windowSeconds: 10_000 }));
      }
    };
    const matcher = new Matcher(WIDE_LIMITS);
    define(matcher);
    for (const [n, type] of [...types, ...types].reverse().entries()) {
      const timeMicros = n * SECOND_MICROS;
      const event = { ou: 'ou', leadId: 'lead', id: `${n}`, type, timeMicros, arrivalMicros: timeMicros };
      expect(matcher.apply({ ...event, streamSequence: n + 1 }).kind).toBe('held');
    }
    const state = matcher.encodeLead('ou', 'lead')!;
    expect(types.every((type) => Buffer.from(state).includes(type))).toBe(true);
    const fresh = restarted(matcher, WIDE_LIMITS, define);
    expect(fresh.heldEventCount).toBe(1_200);
    expect(fresh.encodeLead('ou', 'lead')).toEqual(state);
  });

  it('R20: extreme times, positions and ids survive encoding', () => {
    const limits = { ...WIDE_LIMITS, futureSkewMicros: 2 ** 54, allowedLatenessMicros: 2 ** 54 };
    const define = (matcher: Matcher): void => matcher.setSequence(sequenceOf('A,B'));
    const matcher = new Matcher(limits);
    define(matcher);
    const longId = '\u00e9'.repeat(5000);
    const event = { ou: 'ou', leadId: 'l'.repeat(256), arrivalMicros: 0 };
    const [oldest, newest] = [-(2 ** 53) + 1, 2 ** 53 - 1];
    const window = 10 * SECOND_MICROS;
    matcher.apply({ ...event, id: longId, type: 'A', timeMicros: newest - window, streamSequence: 2 ** 40 });
    matcher.apply({ ...event, id: '', type: 'A', timeMicros: oldest, streamSequence: 2 ** 52 });
    const fresh = restarted(matcher, limits, define);
    expect(
      [
        fresh.apply({ ...event, id: 'p', type: 'B', timeMicros: oldest, streamSequence: 2 ** 52 }),
        fresh.apply({
          ...event,
          id: 'q',
          type: 'B',
          timeMicros: oldest + window,
          streamSequence: 2 ** 53 - 2,
        }),
        fresh.apply({ ...event, id: 'r', type: 'B', timeMicros: newest, streamSequence: 2 ** 53 - 1 }),
      ].map(normalized),
    ).toMatchObject([
      { kind: 'replayed' },
      { completions: [{ events: [{ id: '', timeMicros: oldest }, { id: 'q' }] }] },
      { completions: [{ events: [{ id: longId }, { id: 'r', timeMicros: newest }] }] },
    ]);
  });

  it('R20: a log of thousands of events survives encoding', () => {
    const b = matcherBench();
    b.change('A,B,C', { windowSeconds: 100_000 });
    b.fires(Array.from({ length: 5000 }, (_, i) => `A${i}`).join(' '));
    b.fires('B3000.5');
    const define = (fresh: Matcher): void =>
      fresh.setSequence(sequenceOf('A,B,C', { windowSeconds: 100_000 }));
    b.subject = restarted(b.subject, WIDE_LIMITS, define);
    expect(b.kinds('A0 A2500 A4999')).toEqual(['duplicate', 'duplicate', 'duplicate']);
    expect(b.fires('C5000')).toEqual(['A3000 B3000.5 C5000']);
  });

  it('R20: a state that is cut short or of an unknown version is refused, not misread', () => {
    const b = matcherBench();
    b.change('A,B,C');
    b.fires('A0 B1 C2 A3');
    const state = b.subject.encodeLead('ou', 'lead')!;
    const load = (bytes: Uint8Array) => (): void => b.subject.loadLead('ou', 'lead', bytes);
    expect(load(state)).not.toThrow();
    expect(load(Uint8Array.from(state, (byte, index) => (index === 0 ? 255 : byte)))).toThrow(/version/);
    for (let length = 0; length < state.length; length++) expect(load(state.slice(0, length))).toThrow();
  });

  it('R20: a lead that nothing is known of has no state', () => {
    const b = matcherBench({ futureSkewMicros: 0 });
    b.change('A,B');
    expect(b.kinds('A5@0')).toEqual(['in_future']);
    expect(b.subject.encodeLead('ou', 'lead')).toBeUndefined();
    expect([...b.subject.leads()]).toEqual([]);
  });

  it('R15: a sweep takes silent leads only, a few at a time, and leaves what the policy needs', () => {
    const b = matcherBench({ allowedLatenessMicros: 20 * SECOND_MICROS });
    b.change('A', { id: 'once', refire: { mode: 'once_per_lead' } });
    b.change('B,B');
    for (const lead of ['a1', 'a2', 'a3']) b.fires('B0', { lead });
    b.fires('A0', { lead: 'fired' });
    b.fires('B30@30', { lead: 'busy' });
    b.subject.forgetSilent(100, b.subject.silentBefore());
    expect([...b.subject.leads()]).toHaveLength(5);
    b.fires('U31', { lead: 'busy' });
    b.subject.forgetSilent(1, b.subject.silentBefore());
    expect([...b.subject.leads()].length).toBeGreaterThanOrEqual(4);
    for (let sweep = 0; sweep < 10; sweep++) b.subject.forgetSilent(2, b.subject.silentBefore());
    const names = [...b.subject.leads()].map(({ leadId }) => leadId);
    expect(names).toContain('busy');
    expect(names.filter((name) => name.startsWith('a'))).toEqual([]);
    expect(b.fires('A40', { lead: 'fired' })).toEqual(['once: A40 once_per_lead']);
    expect(b.fires('B40', { lead: 'busy' })).toEqual(['B30 B40']);
  });
});
