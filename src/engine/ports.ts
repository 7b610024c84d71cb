import type { Backfill } from '../model/backfill.ts';
import type { Checkpoint, Reach, StreamMark } from '../model/checkpoint.ts';
import type { Delivery } from '../model/delivery.ts';
import type { FeedMessage, LeadEvent, LeadId, OuId, Rejection, RejectionReason } from '../model/event.ts';
import type { Fire } from '../model/fire.ts';
import type { LoggedChange, Trigger, TriggerChange } from '../model/trigger.ts';

/**
 * What the engine needs of the store. Writes become durable in the order in which they are asked for. One that
 * cannot be made waits, and those behind it with it; it rejects only when the program stops or has to.
 */
export interface StateStorePort {
  /** Why writes wait, in a sentence; null while they do not. */
  readonly trouble: string | null;
  checkpoint(): Checkpoint | null;
  allTriggers(): Trigger[];
  changesSinceCheckpoint(): LoggedChange[];
  /** How many changes were ever recorded, those included that wait to be written. */
  changeCount(): number;
  /** Lead states in the order of their keys, from behind one on; null begins. Each is valid until the next is read. */
  leadsBehind(
    place: { readonly ou: OuId; readonly leadId: LeadId } | null,
  ): Iterable<{ readonly ou: OuId; readonly leadId: LeadId; readonly state: Uint8Array }>;
  /** The state of one lead, valid until the next is read. */
  leadState(ou: OuId, leadId: LeadId): Uint8Array | undefined;
  /** Resolves when on disk. */
  recordChange(change: TriggerChange, highWater: StreamMark | null): Promise<void>;
  /** How far into the stream any lead state, change or fire on disk reaches; null before the first. */
  highWater(): Reach | null;
  /** Resolves when committed; that it reaches so far is noted in the same transaction. */
  putLeads(rows: readonly { ou: OuId; leadId: LeadId; state: Uint8Array }[], reach: Reach): Promise<void>;
  /** Resolves when committed. */
  removeLeads(keys: readonly { readonly ou: OuId; readonly leadId: LeadId }[]): Promise<void>;
  /** Resolves when on disk. */
  putCheckpoint(checkpoint: Checkpoint, reach: Reach): Promise<void>;
}

/** What backfills need of the store; as for the rest of it, writes become durable in their order. */
export interface BackfillStorePort {
  allBackfills(): Backfill[];
  /** Replaces the row of the sequence, unless that is of another backfill by now; resolves when on disk. */
  putBackfill(backfill: Backfill): Promise<void>;
  /** Resolves when committed. */
  putBackfillLeads(
    id: number,
    rows: readonly { readonly leadId: LeadId; readonly state: Uint8Array }[],
  ): Promise<void>;
  /** The state is valid until the next is taken. */
  backfillLead(id: number, leadId: LeadId): Uint8Array | undefined;
  /** Leads of a backfill behind one (null: from the first), at most so many. */
  backfillLeads(id: number, behind: LeadId | null, countMax: number): LeadId[];
  /** Removes at most so many rows of other backfills than one (null: of all). Resolves with how many those were. */
  removeBackfillLeads(keptId: number | null, countMax: number): Promise<number>;
}

/** Which messages of the stream are wanted. */
export interface BackfillRequest {
  readonly ou: OuId;
  /** Creation time of the stream that is to be read; null: of whichever is there. */
  readonly streamCreated: string | null;
  /** Those that arrived at this time or later, in microseconds. */
  readonly fromMicros: number;
  /** Up to this stream sequence. */
  readonly throughSequence: number;
  /** Ends it early. */
  readonly signal: AbortSignal;
}

/** Some messages in stream order. */
export interface BackfillPortion {
  /** Those of them that are events of the OU; their stream sequences are the stream's own. */
  readonly events: readonly LeadEvent[];
  /** How much of what is wanted was read with them, from 0 to 1. */
  readonly fraction: number;
}

/**
 * Reads what the stream retains, a portion at a time, no faster than portions are taken. Waits for a server that is
 * away; throws an Error in plain words when the stream is gone or is another one.
 */
export interface BackfillSourcePort {
  read(request: BackfillRequest): AsyncIterable<BackfillPortion>;
}

export interface FireEntry {
  readonly fire: Fire;
  readonly deliveries: readonly Delivery[];
}

/**
 * Writes fires and their deliveries in one transaction, and how far into the stream the messages reach that led
 * to them; those that stand already are left as they are.
 */
export type CommitFires = (
  entries: readonly FireEntry[],
  reach: Reach | null,
) => {
  readonly committed: Promise<void>;
  /** Resolves when on disk, with the deliveries that are new. */
  readonly flushed: Promise<readonly Delivery[]>;
};

/**
 * Stores a message that cannot be used, with its reason; resolves when it is stored, however long that takes.
 * Rejects only when the program stops; the message is replayed then.
 */
export type StoreRejected = (message: FeedMessage, rejection: Rejection) => Promise<void>;

/** The deliveries that a fire asks for. */
export type PlanDeliveries = (fire: Fire, trigger: Trigger) => readonly Delivery[];

export interface LoggerPort {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What became of the messages of one group. */
export interface GroupCounts {
  held: number;
  unlisted: number;
  duplicate: number;
  replayed: number;
  fires: number;
  staleFires: number;
  /** Of the fires, those of milestone triggers. */
  milestoneFires: number;
  suppressed: { once_per_lead: number; cooldown: number };
  rejected: Partial<Record<RejectionReason, number>>;
}

export interface EngineMetrics {
  onGroup(counts: GroupCounts, messages: number, durationSeconds: number): void;
  onCheckpoint(rows: number, bytes: number, durationSeconds: number): void;
}
