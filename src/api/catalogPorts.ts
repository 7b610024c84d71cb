import type { Backfill, BackfillWish } from '../model/backfill.ts';
import type { MatchedEvent, OuId } from '../model/event.ts';
import type { Milestone, MilestoneId } from '../model/milestone.ts';
import type { Sequence, SequenceId } from '../model/sequence.ts';

/** A value, or a promise of one: reads of the local store need not wait. */
export type Awaitable<T> = T | Promise<T>;

/** An event as a client handed it in, checked. */
export interface IngestEvent {
  readonly id: string;
  readonly leadId: string;
  readonly eventType: string;
  /** RFC 3339 in UTC with at most microseconds; null: the arrival time counts. */
  readonly createdAt: string | null;
  readonly metadata: Readonly<Record<string, unknown>> | null;
  /** The lead's score after the event. */
  readonly score: number | null;
}

/** Why a change of the catalog did not happen. */
export type CatalogRefusal =
  /** No such sequence or trigger in this OU. */
  | { readonly ok: false; readonly reason: 'not_found' }
  /** Changes cannot be taken now (still replaying, shutting down); worth another try. */
  | { readonly ok: false; readonly reason: 'unavailable' }
  /** The OU has as many of them as it may have, `sequencesPerOuMax`. */
  | { readonly ok: false; readonly reason: 'limit' };

export type CatalogResult = { readonly ok: true; readonly sequence: Sequence } | CatalogRefusal;

/**
 * The sequences, each under its OU. A change resolves when it is durable and takes effect (R16); the
 * catalog sets `effectiveFrom` itself.
 */
export interface CatalogPort {
  list(ou: OuId): Awaitable<readonly Sequence[]>;
  get(ou: OuId, id: SequenceId): Awaitable<Sequence | undefined>;
  create(sequence: Sequence, wish?: BackfillWish): Promise<CatalogResult>;
  /**
   * `change` is pure. It returns the very object it was given when there is nothing to write, and throws when the
   * change is not to be made to it.
   */
  update(
    ou: OuId,
    id: SequenceId,
    change: (current: Sequence) => Sequence,
    wish?: BackfillWish,
  ): Promise<CatalogResult>;
  /** `check` throws when it is not to be removed as it is; it is asked at the moment of the removal. */
  remove(
    ou: OuId,
    id: SequenceId,
    check?: (current: Sequence) => void,
  ): Promise<{ readonly ok: true } | CatalogRefusal>;
  /** The last backfill that was asked for of a sequence. */
  backfillOf(ou: OuId, id: SequenceId): Backfill | undefined;
}

/** How a lead stands with a milestone trigger. */
export interface ScoreStanding {
  readonly score: number;
  /** Event time of the event that it last fired by; null: it has not. */
  readonly lastFireMicros: number | null;
}

/** What a milestone trigger would have fired. */
export interface SimulatedCrossing {
  readonly leadId: string;
  readonly event: MatchedEvent;
  readonly score: number;
  readonly late: boolean;
}

export type MilestoneResult = { readonly ok: true; readonly trigger: Milestone } | CatalogRefusal;

/** The milestone triggers, each under its OU; they change as sequences do. */
export interface MilestonePort {
  /** The oldest first. */
  list(ou: OuId): Awaitable<readonly Milestone[]>;
  get(ou: OuId, id: MilestoneId): Awaitable<Milestone | undefined>;
  create(milestone: Milestone): Promise<MilestoneResult>;
  /** As `update` of the catalog; what `change` throws is thrown. */
  update(ou: OuId, id: MilestoneId, change: (current: Milestone) => Milestone): Promise<MilestoneResult>;
  /** As `remove` of the catalog. */
  remove(
    ou: OuId,
    id: MilestoneId,
    check?: (current: Milestone) => void,
  ): Promise<{ readonly ok: true } | CatalogRefusal>;
  /** What it would fire if it were active and these events arrived now, on leads of whom nothing is known. */
  simulate(
    milestone: Milestone,
    events: readonly IngestEvent[],
    nowMs: number,
  ): Awaitable<readonly SimulatedCrossing[]>;
  /** undefined where no event of the lead had a score. The trigger need not be stored. */
  standing(ou: OuId, leadId: string, id: MilestoneId): Awaitable<ScoreStanding | undefined>;
}
