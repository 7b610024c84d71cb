import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Matcher } from '../../src/matcher/matcher.ts';
import type { LeadEvent } from '../../src/model/event.ts';
import type { MilestoneDefinition } from '../../src/model/milestone.ts';
import {
  definitionOfMilestone,
  limitsOf,
  type MilestoneScript,
  milestoneDrafts,
  milestoneScripts,
  normalizedMilestone,
  playMilestones,
  scores,
} from '../support/milestoneDuel.ts';
import { MilestoneOracle } from '../support/milestoneOracle.ts';
import { SECOND_MICROS } from '../support/oracleBench.ts';
import { matcherPlay, play } from '../support/oracleDuel.ts';
import { scripts } from '../support/oracleScripts.ts';
import { restarted, WIDE_LIMITS } from '../support/oracleSubjects.ts';

const LATENESS_SECONDS = 12;
const newMatcher = (limits: typeof WIDE_LIMITS) => new Matcher(limits);

function encodings(matcher: Matcher): Record<string, string> {
  const states: Record<string, string> = {};
  for (const { ou, leadId } of matcher.leads()) {
    states[`${ou} ${leadId}`] = Buffer.from(matcher.encodeLead(ou, leadId)!).toString('hex');
  }
  return states;
}

describe('milestone triggers', () => {
  it('M1 to M8: fire as an exhaustive search over all scored events says, whatever is edited, late, repeated or silent', () => {
    const seen = new Map<string, number>();
    const count = (name: string) => seen.set(name, (seen.get(name) ?? 0) + 1);
    fc.assert(
      fc.property(milestoneScripts, fc.boolean(), (script, restarts) => {
        const expected = playMilestones(script, (limits) => new MilestoneOracle(limits), { restarts: false });
        const actual = playMilestones(script, newMatcher, { restarts });
        expect(actual.turns).toEqual(expected.turns);
        for (const { event, outcome } of expected.turns) {
          count(outcome.kind);
          const standing = (actual.subject as Matcher).insight.scoreStanding(event.ou, event.leadId, 'any');
          const score = (expected.subject as MilestoneOracle).scoreOf(event.ou, event.leadId);
          expect(standing?.score ?? Number.NEGATIVE_INFINITY).toBe(score);
          for (const crossing of outcome.kind === 'held' ? outcome.crossings : []) {
            count(crossing.suppressed ?? 'fires');
            if (crossing.late) count('late');
            if (crossing.late && crossing.eventId !== event.id)
              count('made a crossing of the event behind it');
          }
        }
      }),
      { numRuns: 4_000 },
    );
    const kinds = [
      'held',
      'unlisted',
      'duplicate',
      'in_future',
      'too_late',
      'fires',
      'once_per_lead',
      'cooldown',
    ];
    for (const kind of [...kinds, 'late', 'made a crossing of the event behind it']) {
      expect(seen.get(kind) ?? 0, kind).toBeGreaterThan(100);
    }
  });

  it('M10: a matcher that was encoded and decoded, and then meets the messages again, has the same fires and bytes', () => {
    let replays = 0;
    fc.assert(
      fc.property(milestoneScripts.map(withoutRefusals), fc.nat(40), fc.nat(10), (script, cut, back) => {
        const limits = limitsOf(script, 1_000_000);
        const events = playMilestones(script, newMatcher, { restarts: false }).turns.map(
          ({ event }) => event,
        );
        const define = (matcher: Matcher) => {
          for (const draft of script.milestones) matcher.setMilestone(definitionOfMilestone(draft, 0));
        };
        const whole = new Matcher(limits);
        define(whole);
        const expected = events.map((event) => normalizedMilestone(whole.apply(event)));
        const crashed = new Matcher(limits);
        define(crashed);
        for (const event of events.slice(0, cut)) crashed.apply(event);
        const fresh = restarted(crashed, limits, define);
        for (const event of events.slice(Math.max(0, cut - back), cut)) {
          expect(fresh.apply(event).kind).toBe('replayed');
          replays += 1;
        }
        const actual = events.slice(cut).map((event) => normalizedMilestone(fresh.apply(event)));
        expect(actual).toEqual(expected.slice(cut));
        expect(encodings(fresh)).toEqual(encodings(whole));
      }),
      { numRuns: 1_500 },
    );
    expect(replays).toBeGreaterThan(1_000);
  });

  it('M7: a lead of whom few events may be held fires in order as one of whom all are', () => {
    const feeds = fc.record({
      drafts: fc.array(milestoneDrafts, { minLength: 1, maxLength: 5 }),
      events: fc.array(fc.record({ type: fc.nat(2), score: scores, step: fc.nat(2) }), {
        minLength: 5,
        maxLength: 60,
        size: 'max',
      }),
    });
    let fires = 0;
    fc.assert(
      fc.property(feeds, ({ drafts, events }) => {
        const deeds = inOrder(events);
        const play = (heldEventsMax: number) => {
          const matcher = new Matcher({ ...WIDE_LIMITS, heldEventsMax });
          for (const draft of drafts) matcher.setMilestone(definitionOfMilestone({ ...draft, ou: 0 }, 0));
          return deeds.map((deed, index) => normalizedMilestone(matcher.apply(eventOf(deed, index))));
        };
        const whole = play(1_000_000);
        expect(play(2)).toEqual(whole);
        for (const outcome of whole) if (outcome.kind === 'held') fires += outcome.crossings.length;
      }),
      { numRuns: 1_000 },
    );
    expect(fires).toBeGreaterThan(1_000);
  });

  it('M9: every arrival order within the lateness fires for the same triggers and leads; with an event type, for these and for others whose event was first at the threshold', () => {
    let fires = 0;
    let more = 0;
    fc.assert(
      fc.property(journals, ({ drafts, steps, delaysSeconds }) => {
        const ordered = inOrder(steps);
        // The delay depends on the instant alone, so that events of equal time keep their order.
        const arrivals = ordered.toSorted(
          (a, b) => a.seconds + delaysSeconds[a.seconds]! - (b.seconds + delaysSeconds[b.seconds]!),
        );
        const milestones = drafts.map((draft) => definitionOfMilestone({ ...draft, ou: 0, active: true }, 0));
        const untyped = (pair: string) =>
          milestones.findLast(({ id }) => pair.startsWith(`${id} `))?.eventType === null;
        const expected = pairsThatFire(milestones, ordered);
        const actual = pairsThatFire(milestones, arrivals);
        expect(actual.filter(untyped)).toEqual(expected.filter(untyped));
        expect(actual).toEqual(expect.arrayContaining(expected));
        fires += expected.length;
        more += actual.length - expected.length;
      }),
      { numRuns: 3_000 },
    );
    expect(fires).toBeGreaterThan(3_000);
    // What the second half of the title allows does happen.
    expect(more).toBeGreaterThan(10);
  });
});

describe('scores and milestone triggers', () => {
  const shape = { typesMax: 3, leadsMax: 3, sequencesMax: 5, stepsMax: 3, commandsMax: 60, changeWeight: 20 };

  /** Every other event carries a score, and a trigger watches. */
  class ScoringMatcher extends Matcher {
    constructor(limits: typeof WIDE_LIMITS) {
      super(limits);
      const draft = {
        ou: 0,
        slot: 0,
        threshold: 3,
        type: null,
        active: true,
        refire: { mode: 'every' },
      } as const;
      this.setMilestone(definitionOfMilestone(draft, 0));
    }

    override apply(event: LeadEvent) {
      const { streamSequence } = event;
      return super.apply(streamSequence % 2 === 0 ? event : { ...event, score: streamSequence % 7 });
    }
  }

  it('leave what sequences complete as it is, whatever is edited, late or silent', () => {
    let completions = 0;
    fc.assert(
      fc.property(scripts({ ...shape, disorder: true }), (script) => {
        // An id that is held with a score is a duplicate, so ids are unique here.
        const commands = script.commands.map((command) =>
          command.kind === 'event' ? { ...command, repeats: null } : command,
        );
        const completionsOf = (create: (limits: typeof WIDE_LIMITS) => Matcher) =>
          play(
            { ...script, commands },
            { heldEventsMax: 8, restarts: false, sweeps: true },
            matcherPlay(create),
          ).map(({ outcome }) => (outcome.kind === 'held' ? outcome.completions : []));
        const expected = completionsOf(newMatcher);
        expect(completionsOf((limits) => new ScoringMatcher(limits))).toEqual(expected);
        completions += expected.flat().length;
      }),
      { numRuns: 1_000 },
    );
    expect(completions).toBeGreaterThan(1_000);
  });
});

/** A script of which every event is accepted: what was not would be judged again in a replay. */
function withoutRefusals(script: MilestoneScript): MilestoneScript {
  const commands = script.commands.map((command) => {
    if (command.kind !== 'event') return command;
    const { offsetSeconds } = command.draft;
    return {
      ...command,
      draft: { ...command.draft, offsetSeconds: Math.min(0, offsetSeconds), repeats: null },
    };
  });
  return { ...script, latenessSeconds: 1_000, commands };
}

interface Deed {
  readonly id: string;
  readonly leadId: string;
  readonly type: string;
  readonly score: number;
  readonly seconds: number;
}

const journals = fc.record({
  drafts: fc.array(milestoneDrafts, { minLength: 1, maxLength: 5 }),
  steps: fc.array(fc.record({ lead: fc.nat(2), type: fc.nat(2), score: scores, step: fc.nat(3) }), {
    minLength: 2,
    maxLength: 25,
    size: 'max',
  }),
  delaysSeconds: fc.array(fc.nat(LATENESS_SECONDS), { minLength: 80, maxLength: 80 }),
});

function inOrder(
  steps: readonly {
    readonly lead?: number;
    readonly type: number;
    readonly score: number;
    readonly step: number;
  }[],
): Deed[] {
  let seconds = 0;
  return steps.map(({ lead = 0, type, score, step }, index) => {
    seconds += step;
    return { id: `e${index}`, leadId: `lead${lead}`, type: 'ABC'[type]!, score, seconds };
  });
}

function eventOf({ id, leadId, type, score, seconds }: Deed, index: number): LeadEvent {
  const timeMicros = seconds * SECOND_MICROS;
  return {
    ou: 'one',
    leadId,
    id,
    type,
    score,
    timeMicros,
    arrivalMicros: timeMicros,
    streamSequence: index + 1,
  };
}

/** Each (trigger, lead) that fires at least once; every fire is by an event at the threshold, of the right type. */
function pairsThatFire(milestones: readonly MilestoneDefinition[], deeds: readonly Deed[]): string[] {
  const matcher = new Matcher({ ...WIDE_LIMITS, allowedLatenessMicros: LATENESS_SECONDS * SECOND_MICROS });
  for (const milestone of milestones) matcher.setMilestone(milestone);
  const fired = new Set<string>();
  const used = new Set<string>();
  for (const [index, deed] of deeds.entries()) {
    const outcome = matcher.apply(eventOf(deed, index));
    expect(outcome.kind).toBe('held');
    for (const { milestoneId, event, score } of (outcome.kind === 'held' && outcome.crossings) || []) {
      const milestone = milestones.findLast(({ id }) => id === milestoneId)!;
      expect(score).toBeGreaterThanOrEqual(milestone.scoreThreshold);
      if (milestone.eventType !== null) expect(event.type).toBe(milestone.eventType);
      const use = `${milestoneId} ${deed.leadId} ${event.id}`;
      expect(used.has(use), use).toBe(false);
      used.add(use);
      fired.add(`${milestoneId} ${deed.leadId}`);
    }
  }
  return [...fired].sort();
}
