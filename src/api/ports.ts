import type { Attempt, Delivery, DeliveryId, DeliveryState } from '../model/delivery.ts';
import type { DestinationId, DestinationStatus } from '../model/destination.ts';
import type { OuId } from '../model/event.ts';
import type { Fire, FireId } from '../model/fire.ts';
import type { Sequence, SequenceId } from '../model/sequence.ts';
import type { SimulationReport } from '../model/simulation.ts';
import type { AsOf, LeadStanding, SequenceProgress } from '../model/standing.ts';
import type { NewToken, TokenInfo, TokenOwner } from '../model/token.ts';
import type { Awaitable, CatalogPort, IngestEvent, MilestonePort } from './catalogPorts.ts';

export interface LoggerPort {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface TokenPort {
  /** Whose bearer token it is, also when it has expired; undefined for a wrong or revoked one. Asked on every request. */
  lookup(token: string): Awaitable<TokenOwner | undefined>;
  /** Oldest first. */
  list(ou: OuId): Awaitable<readonly TokenInfo[]>;
  /** Resolves when it is on disk. One of the OU with this id gives way. `token` is not to be had again. */
  create(
    ou: OuId,
    wanted: NewToken,
    id: string,
  ): Promise<{ readonly token: string; readonly info: TokenInfo }>;
  /** Resolves, when it is on disk, to whether the OU had such a token. */
  revoke(id: string, ou: OuId): Promise<boolean>;
}

/** Under what the answer to a request with an Idempotency-Key is kept. */
export interface AnswerPlace {
  readonly tokenId: string;
  /** Hexadecimal; says nothing of the Idempotency-Key to who does not know it. */
  readonly key: string;
}

export interface KeptAnswer {
  /** Of the request. */
  readonly fingerprint: string;
  /** See `freshIdOf`. */
  readonly freshId: string;
  /** The answer, encrypted; null: the request was begun, and nobody knows how it ended. */
  readonly sealed: Uint8Array | null;
}

/** Answers of success to requests with an Idempotency-Key, for a day, or less where a token has very many. */
export interface AnswerPort {
  get(place: AnswerPlace): Awaitable<KeptAnswer | undefined>;
  /** Resolves to true when it is on disk, to false when it cannot be written at this moment. */
  put(place: AnswerPlace, answer: KeptAnswer): Promise<boolean>;
  remove(place: AnswerPlace): Promise<void>;
}

/** `reason` says in a few words why they are not stored; `isTooLarge`: for the size of one, as it would be again. */
export type PublishResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: string; readonly isTooLarge: boolean };

/** Resolves ok once the stream has stored every one of the events. */
export type Publish = (ou: OuId, events: readonly IngestEvent[]) => Promise<PublishResult>;

export interface Page {
  /** 1 for the first. */
  readonly page: number;
  /** Entries on a page, 1 to 100. */
  readonly limit: number;
}

/** Where an entry lies in a list: its time, in the unit of the list, and its id. */
export interface ListPlace {
  readonly time: number;
  readonly id: string;
}

/** A part of a list: a page of it, or what comes behind a place; null: the page counts. */
export interface Part extends Page {
  readonly after: ListPlace | null;
}

/** Filters of the fires; the range is over `firedAtMicros`, both ends included. */
export interface FireFilters {
  /** Whose: those of sequences where absent. */
  readonly kind?: 'milestone' | undefined;
  /** Or of the milestone trigger. */
  readonly sequenceId?: SequenceId | undefined;
  readonly leadId?: string | undefined;
  readonly fromMicros?: number | undefined;
  readonly toMicros?: number | undefined;
}

export interface FireHistoryPort {
  /**
   * Newest first; `total` counts what the filters let through, `next` is the place of the last one where more follow.
   * Places stay where they are, whatever is added or removed.
   */
  listFires(
    ou: OuId,
    query: FireFilters & Part,
  ): Awaitable<{ readonly fires: readonly Fire[]; readonly total: number; readonly next: ListPlace | null }>;
  /** The same for many, without a count and with their deliveries; null begins. */
  readFires(
    ou: OuId,
    filters: FireFilters,
    after: ListPlace | null,
    limit: number,
  ): Awaitable<{ readonly fires: readonly FireWithDeliveries[]; readonly next: ListPlace | null }>;
  fire(ou: OuId, id: FireId): Awaitable<Fire | undefined>;
  deliveriesOf(ou: OuId, id: FireId): Awaitable<readonly Delivery[]>;
}

export interface FireWithDeliveries {
  readonly fire: Fire;
  readonly deliveries: readonly Delivery[];
}

export interface DeliveryQuery extends Part {
  readonly status?: DeliveryState | undefined;
  /** Or of the milestone trigger. */
  readonly sequenceId?: SequenceId | undefined;
}

export interface DeliveryHistoryPort {
  /** Newest first by creation in milliseconds; `total` and `next` as of fires. */
  listDeliveries(
    ou: OuId,
    query: DeliveryQuery,
  ): Awaitable<{
    readonly deliveries: readonly Delivery[];
    readonly total: number;
    readonly next: ListPlace | null;
  }>;
  /** With the attempts in order. */
  delivery(ou: OuId, id: DeliveryId): Awaitable<DeliveryRecord | undefined>;
}

export interface DeliveryRecord {
  readonly delivery: Delivery;
  readonly attempts: readonly Attempt[];
}

/** Of a list of destinations: those that sequences of the OU name, and those with a pause or a rate of their own. */
export interface DestinationQuery extends Page {
  readonly paused?: boolean | undefined;
}

/** With how many deliveries are due or will be (`waiting`) and how many are held, each counted up to 10,000. */
export interface DestinationDetail extends DestinationStatus {
  readonly waiting: number;
  readonly held: number;
}

/** The destinations of the OU. Every method gives undefined for an id that the OU does not have. */
export interface DestinationPort {
  /** By URL; email comes first. */
  listDestinations(
    ou: OuId,
    query: DestinationQuery,
  ): Awaitable<{ readonly destinations: readonly DestinationStatus[]; readonly total: number }>;
  destination(ou: OuId, id: DestinationId): Awaitable<DestinationDetail | undefined>;
  /** Resolves once the pause is durable; what is under way is finished. */
  pause(ou: OuId, id: DestinationId, reason: string): Promise<DestinationDetail | undefined>;
  /** Resolves once what was held is due again; also closes an open breaker. */
  resume(ou: OuId, id: DestinationId): Promise<DestinationDetail | undefined>;
  setRate(ou: OuId, id: DestinationId, ratePerSecond: number | null): Promise<DestinationDetail | undefined>;
}

/** Which deliveries of a sequence to send again: by creation time, both ends included. */
export interface RedeliverQuery {
  readonly fromMs: number;
  readonly toMs: number;
  readonly status: 'dead' | 'delivered' | 'skipped_stale';
  readonly ratePerSecond: number;
  /** Where an earlier call has left off; null to begin. */
  readonly after: string | null;
}

export interface Redelivered {
  /** Deliveries that are due again, spread over time by the rate. */
  readonly queued: number;
  /** When the last of them is due; null when there is none. */
  readonly lastDueAtMs: number | null;
  /** For the next call; null when the range is through. */
  readonly after: string | null;
}

/** Deliveries made again at someone's wish, each with the whole retry schedule before it. */
export interface RedeliveryPort {
  /** At once. `under_way`: it is being attempted at this moment. `held`: its destination is paused, or email is not configured. */
  redeliver(
    ou: OuId,
    id: DeliveryId,
  ): Promise<
    | { readonly ok: true; readonly delivery: Delivery }
    | { readonly ok: false; readonly reason: 'not_found' | 'under_way' | 'held' }
  >;
  /**
   * In portions of at most 10,000 deliveries a call. A deleted sequence counts while it has deliveries; `fromMs` may
   * lie after `toMs`, which is a range with nothing in it. `unknown_cursor`: `after` was not given out.
   */
  redeliverRange(
    ou: OuId,
    id: SequenceId,
    query: RedeliverQuery,
  ): Promise<
    | ({ readonly ok: true } & Redelivered)
    | { readonly ok: false; readonly reason: 'not_found' | 'unknown_cursor' }
  >;
  /** Sends a marked sample the way of a fire, or finds the one with the id. `nowhere`: there is no webhook and no email. */
  sendSample(
    ou: OuId,
    id: SequenceId,
    fireId: FireId,
  ): Promise<
    | { readonly ok: true; readonly deliveries: readonly Delivery[] }
    | { readonly ok: false; readonly reason: 'not_found' | 'nowhere' }
  >;
}

/** What to try a sequence on. */
export type SimulationInput =
  /** As if they arrived now, in this order, of leads of which nothing is known. */
  | { readonly kind: 'events'; readonly events: readonly IngestEvent[] }
  /** The events of a lead that are held now. */
  | { readonly kind: 'lead'; readonly leadId: string }
  /** What the stream still holds of those days. */
  | { readonly kind: 'look_back'; readonly days: number; readonly timeLimitSeconds: number };

/** `reason` is a sentence for the user; it is worth another try. */
export type SimulateResult =
  | { readonly ok: true; readonly report: SimulationReport }
  | { readonly ok: false; readonly reason: string };

/** Says what a sequence, saved or not, would do, as if it were active. Sends nothing and changes nothing. */
export interface SimulationPort {
  /** @param signal ends it early, when nobody waits for it any more */
  simulate(sequence: Sequence, input: SimulationInput, signal: AbortSignal): Promise<SimulateResult>;
}

/** How far leads are. `unavailable` says in a few words why it cannot be told now. */
export interface InsightPort {
  progress(sequence: Sequence): Promise<SequenceProgress | { readonly unavailable: string }>;
  /** Of a lead that is not known nothing is held. */
  leadStanding(
    sequence: Sequence,
    leadId: string,
  ): Awaitable<{ readonly standing: LeadStanding; readonly asOf: AsOf } | { readonly unavailable: string }>;
}

/** A message that could not be used, as the rejected stream holds it. */
export interface RejectedEvent {
  readonly reason: string;
  readonly detail: string;
  readonly streamSequence: number;
  readonly rejectedAtMicros: number;
  readonly subject: string;
  /** The first 1 KiB of the original; what is not UTF-8 shows as U+FFFD. */
  readonly payloadText: string;
  /** Size of the whole original. */
  readonly payloadBytes: number;
}

export interface RejectedEventsPort {
  /** Newest first; `unavailable` says in a few words why the stream cannot be read now. */
  listRejected(
    ou: OuId,
    page: Page,
  ): Promise<
    { readonly events: readonly RejectedEvent[]; readonly total: number } | { readonly unavailable: string }
  >;
}

export interface Readiness {
  readonly ready: boolean;
  /** What is missing, a short sentence each; empty when ready. */
  readonly reasons: readonly string[];
  /** More to show on /readyz (positions, lag). */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
}

/** Whether a webhook may go to this URL at all, judged by its text alone; `reason` is for the user. */
export type CheckWebhookUrl = (
  url: string,
) => Awaitable<{ readonly ok: true } | { readonly ok: false; readonly reason: string }>;

/** Everything that the HTTP API needs from the rest of the program. */
export interface ApiPorts {
  readonly tokens: TokenPort;
  readonly answers: AnswerPort;
  readonly catalog: CatalogPort;
  readonly milestones: MilestonePort;
  readonly publish: Publish;
  readonly fires: FireHistoryPort;
  readonly deliveries: DeliveryHistoryPort;
  readonly destinations: DestinationPort;
  readonly redelivery: RedeliveryPort;
  readonly simulation: SimulationPort;
  readonly insight: InsightPort;
  readonly rejected: RejectedEventsPort;
  readonly checkWebhookUrl: CheckWebhookUrl;
  readonly readiness: () => Awaitable<Readiness>;
  readonly metrics: () => Promise<{ readonly contentType: string; readonly body: string }>;
  readonly logger: LoggerPort;
  /** Wall clock. */
  readonly nowMs: () => number;
  /** The limit that the catalog holds for either kind of trigger, to name it to the user. */
  readonly sequencesPerOuMax: number;
  /** Requests per second of a token that has no limit of its own; 0: no limit. */
  readonly requestsPerSecondMax: number;
  /** The origins whose pages may call; none: nothing is said of origins. */
  readonly corsOrigins: readonly string[];
}
