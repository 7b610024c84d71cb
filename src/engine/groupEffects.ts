import type { Completion, Crossing, Outcome } from '../matcher/outcome.ts';
import type { FeedMessage, LeadEvent, Rejection } from '../model/event.ts';
import type { Fire } from '../model/fire.ts';
import type { Trigger } from '../model/trigger.ts';
import type { Catalog } from './catalog.ts';
import { fireOf, milestoneFireOf } from './fires.ts';
import type { FireEntry, GroupCounts, PlanDeliveries } from './ports.ts';

/** What the messages of a group lead to, as data: fires with their deliveries, rejections, and counts. */
export class GroupEffects {
  readonly fires: FireEntry[] = [];
  readonly rejections: (readonly [FeedMessage, Rejection])[] = [];
  readonly counts: GroupCounts = {
    held: 0,
    unlisted: 0,
    duplicate: 0,
    replayed: 0,
    fires: 0,
    staleFires: 0,
    milestoneFires: 0,
    suppressed: { once_per_lead: 0, cooldown: 0 },
    rejected: {},
  };
  private readonly catalog: Catalog;
  private readonly planDeliveries: PlanDeliveries;

  constructor(sources: { readonly catalog: Catalog; readonly planDeliveries: PlanDeliveries }) {
    this.catalog = sources.catalog;
    this.planDeliveries = sources.planDeliveries;
  }

  /** Bytes of the messages that were rejected. */
  get rejectedBytes(): number {
    return this.rejections.reduce((sum, [{ data }]) => sum + data.length, 0);
  }

  /** The bytes are copied: those of the message may lie among those of a thousand others. */
  addRejection(message: FeedMessage, rejection: Rejection): void {
    const { streamSequence, arrivalMicros, ou, subject, data, decoded } = message;
    const { rejected } = this.counts;
    rejected[rejection.reason] = (rejected[rejection.reason] ?? 0) + 1;
    const kept = { streamSequence, arrivalMicros, ou, subject, data: Uint8Array.from(data), decoded };
    this.rejections.push([kept, rejection]);
  }

  /** Adds what came of an event that was applied, by the triggers as they are in force at it. */
  addOutcome(message: FeedMessage, event: LeadEvent, outcome: Outcome): void {
    switch (outcome.kind) {
      case 'rejected':
        this.addRejection(message, outcome.rejection);
        return;
      case 'held':
        this.counts.held++;
        for (const completion of outcome.completions) this.addCompletion(completion, event);
        for (const crossing of outcome.crossings ?? []) this.addCrossing(crossing, event);
        return;
      default:
        this.counts[outcome.kind]++;
    }
  }

  private addCompletion(completion: Completion, event: LeadEvent): void {
    if (this.isSuppressed(completion)) return;
    const sequence = this.catalog.effectiveSequence(event.ou, completion.sequenceId);
    if (sequence === undefined)
      throw new Error(`the matcher fired ${completion.sequenceId}, which is not in the catalog`);
    this.addFire(fireOf(completion, event, sequence), sequence);
  }

  private addCrossing(crossing: Crossing, event: LeadEvent): void {
    if (this.isSuppressed(crossing)) return;
    const milestone = this.catalog.effectiveMilestone(event.ou, crossing.milestoneId);
    if (milestone === undefined)
      throw new Error(`the matcher fired ${crossing.milestoneId}, which is not in the catalog`);
    this.counts.milestoneFires++;
    this.addFire(milestoneFireOf(crossing, event, milestone), milestone);
  }

  private addFire(fire: Fire, trigger: Trigger): void {
    this.counts.fires++;
    if (fire.stale) this.counts.staleFires++;
    this.fires.push({ fire, deliveries: this.planDeliveries(fire, trigger) });
  }

  private isSuppressed({ suppressed }: Completion | Crossing): boolean {
    if (suppressed === null) return false;
    this.counts.suppressed[suppressed]++;
    return true;
  }
}
