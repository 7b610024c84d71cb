import fc from 'fast-check';
import type { Matcher } from '../../src/matcher/matcher.ts';
import type { Outcome } from '../../src/matcher/outcome.ts';
import type { MatcherLimits } from '../../src/matcher/settings.ts';
import type { LeadEvent } from '../../src/model/event.ts';
import type { MilestoneDefinition } from '../../src/model/milestone.ts';
import type { Refire } from '../../src/model/triggerBase.ts';
import type { MilestoneOracle, MilestoneOutcome } from './milestoneOracle.ts';
import { SECOND_MICROS } from './oracleBench.ts';
import { type EventDraft, EventWriter, eventDrafts, OUS } from './oracleScripts.ts';
import { restarted } from './oracleSubjects.ts';

/** Random histories of scores, played to the matcher and to the oracle of milestones. */

/** Ids whose order by code unit differs from a reader's order. */
const IDS = ['trg-b', 'trg-B', 'trg-10', 'trg-9', 'trg-a'] as const;
const TYPES = ['A', 'B', 'C'] as const;
/** What the events and the drafts share: scores fall on thresholds often. */
const SCORE_MAX = 6;

export interface MilestoneDraft {
  readonly ou: number;
  readonly slot: number;
  readonly threshold: number;
  readonly type: number | null;
  readonly active: boolean;
  readonly refire: Refire;
}

export type MilestoneCommand =
  | { readonly kind: 'event'; readonly draft: EventDraft; readonly score: number | null }
  | { readonly kind: 'set'; readonly draft: MilestoneDraft }
  | { readonly kind: 'remove'; readonly ou: number; readonly slot: number }
  | { readonly kind: 'restart' }
  | { readonly kind: 'sweep' };

export interface MilestoneScript {
  readonly latenessSeconds: number;
  readonly milestones: readonly MilestoneDraft[];
  readonly commands: readonly MilestoneCommand[];
}

const refires = fc.oneof<fc.WeightedArbitrary<Refire>[]>(
  { weight: 2, arbitrary: fc.constant({ mode: 'once_per_lead' }) },
  { weight: 3, arbitrary: fc.constant({ mode: 'every' }) },
  {
    weight: 2,
    arbitrary: fc
      .integer({ min: 1, max: 9 })
      .map((cooldownSeconds) => ({ mode: 'cooldown', cooldownSeconds })),
  },
);

export const scores = fc.integer({ min: 0, max: SCORE_MAX });

export const milestoneDrafts: fc.Arbitrary<MilestoneDraft> = fc.record({
  ou: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(1) }),
  slot: fc.nat(IDS.length - 1),
  threshold: fc.integer({ min: 1, max: SCORE_MAX }),
  type: fc.option(fc.nat(1), { freq: 2 }),
  active: fc.oneof({ weight: 6, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  refire: refires,
});

const SHAPE = {
  typesMax: 2,
  leadsMax: 3,
  sequencesMax: 1,
  stepsMax: 1,
  commandsMax: 1,
  changeWeight: 0,
  disorder: true,
};

const commands: fc.Arbitrary<MilestoneCommand> = fc.oneof(
  {
    weight: 40,
    arbitrary: fc.record({
      kind: fc.constant('event' as const),
      draft: eventDrafts(SHAPE),
      score: fc.option(scores, { freq: 6 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('set' as const), draft: milestoneDrafts }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('remove' as const),
      ou: fc.nat(1),
      slot: fc.nat(IDS.length - 1),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'sweep' as const }) },
);

export const milestoneScripts: fc.Arbitrary<MilestoneScript> = fc.record({
  latenessSeconds: fc.integer({ min: 0, max: 20 }),
  milestones: fc.array(milestoneDrafts, { minLength: 1, maxLength: 5 }),
  commands: fc.array(commands, { minLength: 1, maxLength: 60, size: 'max' }),
});

export function limitsOf(
  script: Pick<MilestoneScript, 'latenessSeconds'>,
  heldEventsMax: number,
): MatcherLimits {
  return {
    allowedLatenessMicros: script.latenessSeconds * SECOND_MICROS,
    futureSkewMicros: 3 * SECOND_MICROS,
    heldEventsMax,
  };
}

export function definitionOfMilestone(draft: MilestoneDraft, effectiveFrom: number): MilestoneDefinition {
  return {
    ou: OUS[draft.ou]!,
    id: IDS[draft.slot]!,
    scoreThreshold: draft.threshold,
    eventType: draft.type === null ? null : TYPES[draft.type]!,
    active: draft.active,
    refire: draft.refire,
    effectiveFrom,
  };
}

export interface MilestoneTurn {
  readonly event: LeadEvent;
  readonly outcome: MilestoneOutcome;
}

/** Plays a script; restarts and sweeps are passed over unless asked for, and nothing but a matcher notices them. */
export function playMilestones(
  script: MilestoneScript,
  create: (limits: MatcherLimits) => Matcher | MilestoneOracle,
  options: { readonly restarts: boolean; readonly heldEventsMax?: number },
): { readonly turns: MilestoneTurn[]; readonly subject: Matcher | MilestoneOracle } {
  const limits = limitsOf(script, options.heldEventsMax ?? 1_000_000);
  let subject = create(limits);
  const standing = new Map<string, MilestoneDefinition>();
  const writer = new EventWriter();
  const turns: MilestoneTurn[] = [];
  const set = (draft: MilestoneDraft): void => {
    const wanted = definitionOfMilestone(draft, writer.streamSequence);
    const key = `${wanted.ou}/${wanted.id}`;
    const before = standing.get(key);
    const definition = before === undefined ? wanted : changed(before, wanted);
    standing.set(key, definition);
    subject.setMilestone(definition);
  };
  for (const draft of script.milestones) set(draft);
  for (const command of script.commands) {
    switch (command.kind) {
      case 'event': {
        const plain = writer.event(command.draft);
        const event = command.score === null ? plain : { ...plain, score: command.score };
        turns.push({ event, outcome: normalizedMilestone(subject.apply(event)) });
        break;
      }
      case 'set':
        set(command.draft);
        break;
      case 'remove': {
        const [ou, id] = [OUS[command.ou]!, IDS[command.slot]!];
        if (standing.delete(`${ou}/${id}`)) subject.removeMilestone(ou, id);
        break;
      }
      case 'restart':
        if (options.restarts && 'encodeLead' in subject) {
          subject = restarted(subject, limits, (fresh) => {
            for (const definition of standing.values()) fresh.setMilestone(definition);
          });
        }
        break;
      case 'sweep':
        if (options.restarts && 'forgetSilent' in subject) subject.forgetSilent(2, subject.silentBefore());
    }
  }
  return { turns, subject };
}

/** The change of a trigger as the catalog makes it: what fires otherwise counts from now on. */
function changed(before: MilestoneDefinition, wanted: MilestoneDefinition): MilestoneDefinition {
  const startsAnew =
    before.scoreThreshold !== wanted.scoreThreshold ||
    before.eventType !== wanted.eventType ||
    (!before.active && wanted.active);
  return startsAnew ? wanted : { ...wanted, effectiveFrom: before.effectiveFrom };
}

export function normalizedMilestone(outcome: Outcome | MilestoneOutcome): MilestoneOutcome {
  if (outcome.kind === 'rejected') return { kind: outcome.rejection.reason as 'in_future' | 'too_late' };
  if (outcome.kind !== 'held') return { kind: outcome.kind };
  const crossings = (outcome.crossings ?? []).map((crossing) =>
    'eventId' in crossing
      ? crossing
      : {
          milestoneId: crossing.milestoneId,
          eventId: crossing.event.id,
          crossedAtMicros: crossing.event.timeMicros,
          score: crossing.score,
          late: crossing.late,
          suppressed: crossing.suppressed,
        },
  );
  return { kind: 'held', crossings };
}
