import type { LeadEvent } from '../model/event.ts';
import type { MilestoneId } from '../model/milestone.ts';
import type { Lead } from './lead.ts';
import { LeadScores, type ScoredEvent } from './leadScores.ts';
import type { CompiledMilestone } from './milestones.ts';
import { type Crossing, NO_CROSSINGS } from './outcome.ts';
import type { Program } from './program.ts';
import { suppression } from './refire.ts';

/** How a lead stands with a milestone trigger. */
export interface ScoreStanding {
  readonly score: number;
  /** Event time of the last crossing that fired; NaN: none yet. */
  readonly lastFireMicros: number;
}

/**
 * The scores of the leads that ever carried one, and the thresholds that they cross. Beside the lead table and
 * not in it: a lead without a score, as most are, costs nothing.
 */
export class Scores {
  /** By address. A lead that is scored is not removed; what is loaded in its place puts its own here. */
  private readonly byLead = new Map<number, LeadScores>();
  private readonly heldMax: number;

  /** @param heldMax above this number of held events the older half is folded into the base (R15). */
  constructor(heldMax: number) {
    this.heldMax = heldMax;
  }

  of(lead: Lead): LeadScores | undefined {
    return lead.isScored ? this.byLead.get(lead.address) : undefined;
  }

  hasId(lead: Lead, id: string): boolean {
    return lead.isScored && this.byLead.get(lead.address)!.hasId(id);
  }

  /**
   * Takes the score of an event that was just accepted, and gives the thresholds that are crossed for it: by the
   * event itself, or by the one behind it, which the event now comes before. What it crosses has fired before or
   * fires now, so no crossing stays above a horizon that the next event would find.
   */
  apply(lead: Lead, program: Program, event: LeadEvent, score: number, late: boolean): readonly Crossing[] {
    const scores = this.of(lead) ?? this.add(lead, new LeadScores());
    const { id, type, timeMicros, streamSequence } = event;
    const applied: ScoredEvent = { timeMicros, streamSequence, score, type, id };
    const position = scores.insert(applied);
    if (position === -1) return NO_CROSSINGS;
    const found: Crossing[] = [];
    for (const milestone of program.milestones.crossed(scores.scoreBefore(position), score)) {
      consider(lead, milestone, applied, late, found);
    }
    const next = scores.held[position + 1];
    if (next !== undefined) {
      for (const milestone of program.milestones.crossed(score, next.score)) {
        consider(lead, milestone, next, late, found);
      }
    }
    if (scores.held.length > this.heldMax) scores.fold(Math.ceil(scores.held.length / 2));
    // The order must not depend on how the triggers are kept (R20).
    return found.length < 2 ? found : found.sort((a, b) => (a.milestoneId < b.milestoneId ? -1 : 1));
  }

  /** A lead's score now, and when a milestone trigger last fired for it; undefined where the lead has none. */
  standing(lead: Lead, program: Program, milestoneId: MilestoneId): ScoreStanding | undefined {
    const scores = this.of(lead);
    if (scores === undefined) return undefined;
    const key = program.milestones.get(milestoneId)?.key;
    const mark = key === undefined ? -1 : lead.marks.find(key);
    return {
      score: scores.latest,
      lastFireMicros: mark < 0 ? Number.NaN : lead.marks.lastFireMicrosAt(mark),
    };
  }

  /** Settles what no accepted event can come before any more (R11). */
  foldBefore(lead: Lead, timeMicros: number): void {
    if (lead.isScored) this.byLead.get(lead.address)!.foldBefore(timeMicros);
  }

  /** For a lead that went silent: its score stays, the order of its events does not. */
  settle(lead: Lead): void {
    if (lead.isScored) this.byLead.get(lead.address)!.settle();
  }

  add(lead: Lead, scores: LeadScores): LeadScores {
    lead.isScored = true;
    this.byLead.set(lead.address, scores);
    return scores;
  }
}

/** Checks what the scores leave open: the type, the position of the last change, and the horizon of the trigger. */
function consider(
  lead: Lead,
  milestone: CompiledMilestone,
  at: ScoredEvent,
  late: boolean,
  found: Crossing[],
): void {
  if (milestone.eventType !== null && milestone.eventType !== at.type) return;
  if (at.streamSequence <= milestone.effectiveFrom) return;
  const { marks } = lead;
  const mark = marks.find(milestone.key);
  if (mark >= 0 && isSettled(at, marks.horizonMicrosAt(mark), marks.horizonStreamSequenceAt(mark))) return;
  const lastFireMicros = mark < 0 ? Number.NaN : marks.lastFireMicrosAt(mark);
  const suppressed = suppression(milestone.refire, lastFireMicros, at.timeMicros);
  marks.put(milestone.key, {
    horizonMicros: at.timeMicros,
    horizonStreamSequence: at.streamSequence,
    lastFireMicros: suppressed === null ? at.timeMicros : lastFireMicros,
    // Whatever the policy is now: a lead that fired once did so for good.
    outlivesSilence: true,
  });
  const { id, type, timeMicros, score } = at;
  found.push({ milestoneId: milestone.id, event: { id, type, timeMicros }, score, late, suppressed });
}

/** Whether a crossing lies at or before the horizon. */
function isSettled(at: ScoredEvent, horizonMicros: number, horizonStreamSequence: number): boolean {
  if (at.timeMicros !== horizonMicros) return at.timeMicros < horizonMicros;
  return at.streamSequence <= horizonStreamSequence;
}
