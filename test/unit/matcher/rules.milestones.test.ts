import { describe, expect, it } from 'vitest';
import { Matcher } from '../../../src/matcher/matcher.ts';
import type { Outcome } from '../../../src/matcher/outcome.ts';
import type { MatcherLimits } from '../../../src/matcher/settings.ts';
import type { LeadEvent } from '../../../src/model/event.ts';
import type { MilestoneDefinition } from '../../../src/model/milestone.ts';
import { normalizedMilestone } from '../../support/milestoneDuel.ts';
import { MilestoneOracle } from '../../support/milestoneOracle.ts';
import { micros, sequenceOf } from '../../support/oracleBench.ts';
import { WIDE_LIMITS } from '../../support/oracleSubjects.ts';

function milestone(change: Partial<MilestoneDefinition> = {}): MilestoneDefinition {
  return {
    ou: 'ou',
    id: 't',
    scoreThreshold: 10,
    eventType: null,
    active: true,
    refire: { mode: 'every' },
    effectiveFrom: 0,
    ...change,
  };
}

/** A hundred seconds of lateness, so that silence begins soon. */
const LIMITS = { ...WIDE_LIMITS, allowedLatenessMicros: micros(100) };

/**
 * Feeds events written `TYPE SECONDS =SCORE`: `A5=12` is an event of the type A at 5 s with the score 12, `A5` one
 * without a score, `A5=12#x` one with the id x, and `A5=12@9` one that arrives at 9 s.
 */
class Feed<S extends { apply(event: LeadEvent): Outcome | ReturnType<MilestoneOracle['apply']> }> {
  readonly subject: S;
  streamSequence = 0;
  #clockMicros = Number.NEGATIVE_INFINITY;

  constructor(subject: S) {
    this.subject = subject;
  }

  event(token: string, leadId = 'lead', ou = 'ou'): LeadEvent {
    const parts = /^([A-Z])(-?[\d.]+)(?:=(-?[\d.]+))?(?:#(\w+))?(?:@([\d.]+))?$/.exec(token);
    if (parts === null) throw new Error(`not an event: ${token}`);
    const [, type = '', seconds, score, id = `${type}${seconds}`, arrival] = parts;
    const timeMicros = micros(Number(seconds));
    const arrivalMicros =
      arrival === undefined ? Math.max(this.#clockMicros, timeMicros) : micros(Number(arrival));
    this.#clockMicros = Math.max(this.#clockMicros, arrivalMicros);
    this.streamSequence += 1;
    const scored = score === undefined ? {} : { score: Number(score) };
    return {
      ou,
      leadId,
      id,
      type,
      timeMicros,
      arrivalMicros,
      streamSequence: this.streamSequence,
      ...scored,
    };
  }

  outcomes(text: string, leadId?: string, ou?: string) {
    return text.split(' ').map((token) => this.subject.apply(this.event(token, leadId, ou)));
  }

  /** `trigger:event`, and flags where there are any. */
  fires(text: string, leadId?: string, ou?: string): string[] {
    return this.outcomes(text, leadId, ou).flatMap((outcome) => {
      const normalized = normalizedMilestone(outcome);
      return (normalized.kind === 'held' ? normalized.crossings : []).map(
        ({ milestoneId, eventId, late, suppressed }) =>
          [`${milestoneId}:${eventId}`, ...(late ? ['late'] : []), ...(suppressed ? [suppressed] : [])].join(
            ' ',
          ),
      );
    });
  }

  kinds(text: string): string[] {
    return this.outcomes(text).map((outcome) => normalizedMilestone(outcome).kind);
  }
}

const SUBJECTS = [
  { name: 'matcher', create: (limits: MatcherLimits) => new Matcher(limits) },
  { name: 'oracle', create: (limits: MatcherLimits) => new MilestoneOracle(limits) },
];

describe.each(SUBJECTS)('milestone triggers, $name', ({ create }) => {
  function feed(...milestones: MilestoneDefinition[]) {
    const subject: Matcher | MilestoneOracle = create(LIMITS);
    for (const each of milestones) subject.setMilestone(each);
    return new Feed(subject);
  }

  it('M2: an event fires that lifts the score from below the threshold to it or above, and no other', () => {
    const f = feed(milestone());
    expect(f.fires('A0=9 A1=10 A2=10 A3=30 A4=9.9 A5=11')).toEqual(['t:A1', 't:A5']);
  });

  it('M1: a lead that was never seen counts as below, whatever the threshold', () => {
    expect(feed(milestone({ scoreThreshold: -5 })).fires('A0=-5')).toEqual(['t:A0']);
    expect(feed(milestone({ scoreThreshold: 0 })).fires('A0 A1=0')).toEqual(['t:A1']);
  });

  it('M1: events without a score change nothing, and leads and OUs do not mix', () => {
    const f = feed(milestone(), milestone({ ou: 'other' }));
    expect(f.fires('A0=9 B1 A2=12')).toEqual(['t:A2']);
    expect(f.fires('A3=12', 'Lead')).toEqual(['t:A3']);
    expect(f.fires('A4=12', 'lead', 'other')).toEqual(['t:A4']);
  });

  it('M2: one event may cross several thresholds, which fire in the order of their ids', () => {
    const f = feed(
      milestone({ id: 'c', scoreThreshold: 1 }),
      milestone({ id: 'a', scoreThreshold: 20 }),
      milestone({ id: 'b', scoreThreshold: 10 }),
      milestone({ id: 'd', scoreThreshold: 21 }),
    );
    expect(f.fires('A0=5 A1=20')).toEqual(['c:A0', 'a:A1', 'b:A1']);
  });

  it('M3: with an event type only such an event fires, and the scores of all types count', () => {
    const f = feed(milestone({ eventType: 'B' }));
    expect(f.fires('A0=12 B1=13 A2=5 B3=12')).toEqual(['t:B3']);
  });

  it('M4: once fires at the first crossing of a lead, and holds back the others', () => {
    const f = feed(milestone({ refire: { mode: 'once_per_lead' } }));
    expect(f.fires('A0=12 A1=5 A2=12')).toEqual(['t:A0', 't:A2 once_per_lead']);
    expect(f.fires('A3=12', 'other')).toEqual(['t:A3']);
  });

  it('M4: a cooldown holds back crossings before its end, in event time', () => {
    const f = feed(milestone({ refire: { mode: 'cooldown', cooldownSeconds: 10 } }));
    expect(f.fires('A0=12 A1=5 A9=12 A9.5=5 A10=12')).toEqual(['t:A0', 't:A9 cooldown', 't:A10']);
  });

  it('M5: a late event crosses at its place, from the score before it', () => {
    expect(feed(milestone()).fires('A0=5 A9=6 A5=12')).toEqual(['t:A5 late']);
    expect(feed(milestone()).fires('A0=12 A9=6 A5=12')).toEqual(['t:A0']);
  });

  it('M5: a late event below the threshold makes a crossing of the one behind it', () => {
    const f = feed(milestone());
    expect(f.fires('A0=12 A9=15 A5=3')).toEqual(['t:A0', 't:A9 late']);
  });

  it('M5: with an event type the one behind it needs the type', () => {
    expect(feed(milestone({ eventType: 'A' })).fires('A0=12 B9=15 A5=3')).toEqual(['t:A0']);
    expect(feed(milestone({ eventType: 'B' })).fires('A0=12 B9=15 A5=3')).toEqual(['t:B9 late']);
  });

  it('M5: what has fired is neither repeated nor taken back by a late event', () => {
    const f = feed(milestone());
    expect(f.fires('A5=12')).toEqual(['t:A5']);
    expect(f.fires('A1=3 A2=12 A3=1')).toEqual([]);
    expect(f.fires('A6=13')).toEqual([]);
  });

  it('M5: events of one instant are in the order of the stream', () => {
    expect(feed(milestone()).fires('A5=12 B5=3 C5=12')).toEqual(['t:A5', 't:C5']);
  });

  it('M6: nothing fires while it is inactive, nor afterwards for what came meanwhile', () => {
    const f = feed(milestone({ active: false }));
    expect(f.fires('A0=5 A1=12')).toEqual([]);
    f.subject.setMilestone(milestone({ effectiveFrom: f.streamSequence }));
    expect(f.fires('A2=13')).toEqual([]);
    expect(f.fires('A3=5 A4=12')).toEqual(['t:A4']);
  });

  it('M6: a new trigger knows the scores of before, and fires by an event behind its creation alone', () => {
    const f = feed();
    expect(f.fires('A0=12')).toEqual([]);
    f.subject.setMilestone(milestone({ effectiveFrom: f.streamSequence }));
    // The one at 12 is a crossing still, but of before; a late one that puts it there changes nothing of that.
    expect(f.fires('A-1=3 A1=13')).toEqual([]);
    expect(f.fires('A2=9 A3=10')).toEqual(['t:A3']);
  });

  it('M7: an event whose id is held with a score is a duplicate, also one without a score or of another type', () => {
    const f = feed(milestone());
    expect(f.kinds('A0=5#x B1=12#x C2#x')).toEqual(['held', 'duplicate', 'duplicate']);
    expect(f.fires('A3=12')).toEqual(['t:A3']);
  });

  it('M7: an id counts as long as the event is within the lateness of the newest, to the microsecond', () => {
    // They arrive together, so that the lead does not go silent in between.
    const kinds = (text: string) => feed().kinds(text.replaceAll(/$| /g, '@200 ').trim());
    expect(kinds('A0=5#x B100=6 C100=7#x')).toEqual(['held', 'held', 'duplicate']);
    expect(kinds('A0=5#x B100.000001=6 C100.000001=7#x')).toEqual(['held', 'held', 'held']);
    // Also an event without a score moves the newest time.
    expect(kinds('A0=5#x B100.000001 C100.000001=7#x')).toEqual(['held', 'unlisted', 'held']);
  });

  it('M7: an id counts likewise where a lead has many events', () => {
    const many = Array.from({ length: 60 }, (_, index) => `A${index}=${index % 7}#x${index}@200`).join(' ');
    const f = feed();
    f.kinds(many);
    expect(f.kinds('A59=1#x0@200 A59=1#x31@200 A59=1#x59@200 A59=1#x60@200')).toEqual([
      'duplicate',
      'duplicate',
      'duplicate',
      'held',
    ]);
    // Those up to 9 s are not within the lateness any more.
    expect(f.kinds('A110=1#y@200 A110=1#x9@200 A110=1#x10@200 A110=1#x59@200')).toEqual([
      'held',
      'held',
      'duplicate',
      'duplicate',
    ]);
  });

  it('M7: too late and future events leave the score alone', () => {
    const f = feed(milestone());
    expect(f.kinds('A200=5 B99=12')).toEqual(['held', 'too_late']);
    expect(f.fires('A201=12')).toEqual(['t:A201']);
  });

  it('M8: silence leaves the score and what has fired, and forgets the order', () => {
    const once = milestone({ id: 'once', refire: { mode: 'once_per_lead' } });
    const f = feed(milestone(), once);
    expect(f.fires('A500=12')).toEqual(['once:A500', 't:A500']);
    // Silent by now. The score is above still, and an older event is not late any more.
    expect(f.fires('A10=13@700')).toEqual([]);
    expect(f.fires('A11=3 A12=12')).toEqual(['once:A12 once_per_lead', 't:A12']);
  });
});

describe('milestone triggers beside sequences', () => {
  it('M7: an event is a duplicate where either of the two holds its id', () => {
    const matcher = new Matcher(LIMITS);
    matcher.setSequence(sequenceOf('S,T', { windowSeconds: 1000 }));
    const f = new Feed(matcher);
    expect(f.kinds('S0#x A1=5#y A2=6#x T3#y')).toEqual(['held', 'held', 'duplicate', 'duplicate']);
  });

  it('an event may complete a sequence and cross a threshold at once', () => {
    const matcher = new Matcher(LIMITS);
    matcher.setSequence(sequenceOf('S,T'));
    matcher.setMilestone(milestone());
    const f = new Feed(matcher);
    const outcome = f.outcomes('S0=5 T1=12').at(-1);
    expect(outcome).toMatchObject({
      kind: 'held',
      completions: [{ sequenceId: 's', completingEventId: 'T1' }],
      crossings: [{ milestoneId: 't', event: { id: 'T1', type: 'T', timeMicros: micros(1) }, score: 12 }],
    });
  });

  it('M7: above the number of events that may be held the older half is settled, and what comes before its end is passed over', () => {
    const matcher = new Matcher({ ...LIMITS, heldEventsMax: 2 });
    matcher.setMilestone(milestone());
    const f = new Feed(matcher);
    expect(f.fires('A0=12 A1=13 A2=14')).toEqual(['t:A0']);
    // Settled are the events up to A1.
    expect(f.fires('A0.5=3')).toEqual([]);
    expect(matcher.insight.scoreStanding('ou', 'lead', 't')?.score).toBe(14);
    expect(f.kinds('A0.6=3')).toEqual(['held']);
    expect(f.fires('A1.5=3')).toEqual(['t:A2 late']);
  });

  it('keeps a silent lead that has a score through every sweep, and one without goes', () => {
    const matcher = new Matcher(LIMITS);
    const f = new Feed(matcher);
    f.outcomes('A0=5', 'scored');
    f.outcomes('A0', 'plain');
    f.outcomes('A500', 'awake');
    for (let round = 0; round < 3; round++) matcher.forgetSilent(100, matcher.silentBefore());
    expect([...matcher.leads()].map(({ leadId }) => leadId).sort()).toEqual(['awake', 'scored']);
    expect(matcher.insight.scoreStanding('ou', 'scored', 't')?.score).toBe(5);
    expect(matcher.insight.scoreStanding('ou', 'awake', 't')).toBeUndefined();
    expect(matcher.insight.scoreStanding('ou', 'nobody', 't')).toBeUndefined();
    expect(matcher.insight.scoreStanding('nowhere', 'scored', 't')).toBeUndefined();
  });

  it('leaves the encoding of a lead without a score as it was', () => {
    const matcher = new Matcher(LIMITS);
    const f = new Feed(matcher);
    f.outcomes('A0', 'plain');
    f.outcomes('A0=1', 'scored');
    expect(matcher.encodeLead('ou', 'plain')![0]).toBe(1);
    expect([...matcher.encodeLead('ou', 'scored')!.slice(0, 2)]).toEqual([2, 2]);
  });

  it('forgets with a trigger what leads remember of it, also where it went before they were loaded', () => {
    const once = milestone({ refire: { mode: 'once_per_lead' } });
    const matcher = new Matcher(LIMITS);
    matcher.setMilestone(once);
    const f = new Feed(matcher);
    f.outcomes('A0=5 A1=12');
    const remembering = matcher.encodeLead('ou', 'lead')!;
    expect(matcher.insight.scoreStanding('ou', 'lead', 't')).toEqual({
      score: 12,
      lastFireMicros: micros(1),
    });
    matcher.removeMilestone('ou', 't');
    const forgetful = matcher.encodeLead('ou', 'lead')!;
    expect(forgetful.length).toBeLessThan(remembering.length);

    const fresh = new Matcher(LIMITS);
    fresh.loadLead('ou', 'lead', remembering);
    expect(fresh.encodeLead('ou', 'lead')).toEqual(remembering);
    fresh.forgetUnknownTriggers();
    expect(fresh.encodeLead('ou', 'lead')).toEqual(forgetful);
  });

  it('refuses a state with a flag that it does not know, and one that is cut short', () => {
    const matcher = new Matcher(LIMITS);
    new Feed(matcher).outcomes('A0=5 B1=6');
    const state = matcher.encodeLead('ou', 'lead')!;
    const load = (bytes: Uint8Array) => () => new Matcher(LIMITS).loadLead('ou', 'lead', bytes);
    expect(load(state)).not.toThrow();
    expect(load(Uint8Array.from(state, (byte, at) => (at === 1 ? 130 : byte)))).toThrow(/flags 130/);
    for (let length = 0; length < state.length; length++) expect(load(state.slice(0, length))).toThrow();
  });

  it('forgets an OU of which there is nothing but a trigger only when the trigger goes', () => {
    const matcher = new Matcher(LIMITS);
    matcher.setMilestone(milestone());
    for (let round = 0; round < 2; round++) matcher.forgetSilent(10, matcher.silentBefore());
    const f = new Feed(matcher);
    expect(f.fires('A0=12')).toEqual(['t:A0']);
  });
});
