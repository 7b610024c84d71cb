import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { type Channel, DELIVERY_STATES, type DeliveryState } from '../model/delivery.ts';
import type { RejectionReason } from '../model/event.ts';

const PREFIX = 'sequence_triggers_';

/** What became of the messages of one batch. */
export interface BatchCounts {
  readonly held: number;
  readonly unlisted: number;
  readonly duplicate: number;
  readonly replayed: number;
  readonly fires: number;
  /** Of these fires, those that the stale guard keeps from being sent. */
  readonly staleFires: number;
  /** Of these fires, those of milestone triggers. */
  readonly milestoneFires: number;
  readonly suppressed: Readonly<Record<SuppressionReason, number>>;
  readonly rejected: Readonly<Partial<Record<RejectionReason, number>>>;
}

type SuppressionReason = 'once_per_lead' | 'cooldown';
type HistoryTable = (typeof HISTORY_TABLES)[number];
type RebuildReason = (typeof REBUILD_REASONS)[number];

/** Asked for at each scrape. A value that cannot be had now is undefined, and missing from the scrape. */
export interface MetricSources {
  /** 1 while nothing can be written to the store, 0 otherwise. */
  storeWaits(): number | undefined;
  /** The stream sequence up to which messages are applied. */
  position(): number | undefined;
  /** Messages of the stream that are not applied yet. */
  lagMessages(): number | undefined;
  /** How the stream compares with what was read of it, and whether that keeps it from being read. */
  streamPlace(): { readonly verdict: string; readonly halted: boolean } | undefined;
  /** Leads with state in memory. */
  leads(): number | undefined;
  /** Events held, over all leads. */
  heldEvents(): number | undefined;
  sequences(): number | undefined;
  deliveriesByState():
    | Readonly<Partial<Record<DeliveryState, number>>>
    | undefined
    | Promise<Readonly<Partial<Record<DeliveryState, number>>> | undefined>;
  /** Age of the oldest fire that is stored. */
  oldestFireSeconds(): number | undefined;
}

/** Counts what the rooms report, each through the small part of this that it declares as its port. */
export interface Metrics {
  onGroup(counts: BatchCounts, messages: number, durationSeconds: number): void;
  onCheckpoint(rows: number, bytes: number, durationSeconds: number): void;
  onAttempt(channel: Channel, outcome: 'delivered' | 'failed', host: string, durationSeconds: number): void;
  /** Rows of the history that were removed because of their age. */
  onRemoved(rows: Readonly<Partial<Record<HistoryTable, number>>>): void;
  /** The consumer was made anew. A reason that is not in the list counts as `other`. */
  onFeedRebuild(reason: string): void;
  /** Stream sequences that were missing between two messages. */
  onGap(messages: number): void;
  /** Ties the gauges to the program, once it is composed. */
  observe(sources: MetricSources): void;
  /** The scrape. */
  render(): Promise<{ readonly contentType: string; readonly body: string }>;
}

const OUTCOMES = ['held', 'unlisted', 'duplicate', 'replayed'] as const;
const SUPPRESSION_REASONS: readonly SuppressionReason[] = ['once_per_lead', 'cooldown'];
const REJECTION_REASONS: readonly RejectionReason[] = [
  'not_json',
  'missing_field',
  'invalid_field',
  'too_large',
  'invalid_subject',
  'too_late',
  'in_future',
];
const HISTORY_TABLES = ['fires', 'deliveries', 'attempts', 'sequences'] as const;
const VERDICTS = ['fresh', 'resume', 'retention_gap', 'recreated', 'rolled_back', 'other_stream'] as const;
const CHANNELS: readonly Channel[] = ['webhook', 'email'];
const ATTEMPT_OUTCOMES = ['delivered', 'failed'] as const;
/** Hosts of destinations that are told apart; the others count as `other`. */
const ATTEMPT_HOSTS_MAX = 100;
/** Client reports are many and free in form; a label needs few values. */
const REBUILD_REASONS = [
  'heartbeats_missed',
  'consumer_deleted',
  'consumer_not_found',
  'stream_not_found',
  'disconnected',
  'reconnected',
  'stalled',
  'lost_on_the_way',
  'gap',
  'other',
] as const;

/** The metrics of one process, in a registry of their own, beside the usual ones of Node and the process. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const counters = createCounters(registry);
  const histograms = createHistograms(registry);
  const hosts = new BoundedLabel(ATTEMPT_HOSTS_MAX);
  return {
    onGroup(counts, messages, durationSeconds) {
      for (const outcome of OUTCOMES) counters.events.inc({ outcome }, counts[outcome]);
      for (const [reason, count] of Object.entries(counts.rejected)) counters.rejected.inc({ reason }, count);
      for (const reason of SUPPRESSION_REASONS)
        counters.suppressed.inc({ reason }, counts.suppressed[reason]);
      counters.fires.inc({ stale: 'false' }, counts.fires - counts.staleFires);
      counters.fires.inc({ stale: 'true' }, counts.staleFires);
      counters.milestoneFires.inc(counts.milestoneFires);
      histograms.batchMessages.observe(messages);
      histograms.batchSeconds.observe(durationSeconds);
    },
    onCheckpoint(rows, bytes, durationSeconds) {
      counters.checkpointRows.inc(rows);
      counters.checkpointBytes.inc(bytes);
      histograms.checkpointSeconds.observe(durationSeconds);
    },
    onAttempt(channel, outcome, host, durationSeconds) {
      histograms.attemptSeconds.observe({ channel, outcome }, durationSeconds);
      counters.attempts.inc({ channel, outcome, host: hosts.labelOf(host) });
    },
    onRemoved(rows) {
      for (const table of HISTORY_TABLES) counters.removed.inc({ table }, rows[table] ?? 0);
    },
    onFeedRebuild(reason) {
      const known = REBUILD_REASONS.find((name) => name === reason) ?? 'other';
      counters.rebuilds.inc({ reason: known satisfies RebuildReason });
    },
    onGap(messages) {
      counters.gaps.inc();
      counters.gapMessages.inc(messages);
    },
    observe: (sources) => registerGauges(registry, sources),
    render: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}

function createCounters(registry: Registry) {
  const counter = (name: string, help: string) =>
    new Counter({ name: `${PREFIX}${name}`, help, registers: [registry] });
  /** Every label value starts at zero, so that a rate over the first occurrence is right. */
  const labelled = <Label extends string>(
    name: string,
    help: string,
    label: Label,
    values: readonly string[],
  ) => {
    const labels = [label] as const;
    const made = new Counter({ name: `${PREFIX}${name}`, help, labelNames: labels, registers: [registry] });
    for (const value of values) made.labels(value).inc(0);
    return made;
  };
  return {
    events: labelled('events_total', 'Usable events, by what became of them.', 'outcome', OUTCOMES),
    rejected: labelled(
      'events_rejected_total',
      'Messages that were not used, by reason.',
      'reason',
      REJECTION_REASONS,
    ),
    suppressed: labelled(
      'completions_suppressed_total',
      'Completions that did not fire, by the policy that held them back.',
      'reason',
      SUPPRESSION_REASONS,
    ),
    fires: labelled('fires_total', 'Fires recorded; stale ones are not sent.', 'stale', ['false', 'true']),
    milestoneFires: counter('milestone_fires_total', 'Of the fires, those of milestone triggers.'),
    checkpointRows: counter('checkpoint_rows_total', 'Lead states written by checkpoints.'),
    checkpointBytes: counter('checkpoint_bytes_total', 'Bytes of lead states written by checkpoints.'),
    removed: labelled(
      'history_removed_total',
      'Rows of the history that were removed because of their age, by table.',
      'table',
      HISTORY_TABLES,
    ),
    rebuilds: labelled(
      'feed_rebuilds_total',
      'Consumers made anew, by the trouble before.',
      'reason',
      REBUILD_REASONS,
    ),
    attempts: new Counter({
      name: `${PREFIX}delivery_attempts_total`,
      help: 'Delivery attempts, by channel, outcome and host of the destination.',
      labelNames: ['channel', 'outcome', 'host'] as const,
      registers: [registry],
    }),
    gaps: counter('feed_gaps_total', 'Places where the stream skipped sequences.'),
    gapMessages: counter('feed_gap_messages_total', 'Stream sequences skipped at gaps.'),
  };
}

function createHistograms(registry: Registry) {
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `${PREFIX}${name}`, help, buckets, registers: [registry] });
  const attemptSeconds = new Histogram({
    name: `${PREFIX}delivery_attempt_duration_seconds`,
    help: 'Delivery attempts, by channel and outcome.',
    labelNames: ['channel', 'outcome'] as const,
    buckets: [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60],
    registers: [registry],
  });
  for (const channel of CHANNELS) {
    for (const outcome of ATTEMPT_OUTCOMES) attemptSeconds.zero({ channel, outcome });
  }
  return {
    batchMessages: histogram(
      'batch_messages',
      'Messages in a batch that was applied.',
      [1, 4, 16, 64, 256, 1_024, 4_096],
    ),
    batchSeconds: histogram(
      'batch_duration_seconds',
      'Time to apply a batch and hand over its fires.',
      [0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
    ),
    checkpointSeconds: histogram(
      'checkpoint_duration_seconds',
      'Time of a checkpoint until it is on disk.',
      [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30],
    ),
    attemptSeconds,
  };
}

function registerGauges(registry: Registry, sources: MetricSources): void {
  const gauge = (name: string, help: string, read: () => number | undefined) =>
    new Gauge({
      name: `${PREFIX}${name}`,
      help,
      registers: [registry],
      collect() {
        const value = read();
        if (value === undefined) this.remove();
        else this.set(value);
      },
    });
  gauge('store_waits', '1 while nothing can be written to the store.', () => sources.storeWaits());
  gauge('stream_position', 'Stream sequence up to which messages are applied.', () => sources.position());
  gauge('stream_lag_messages', 'Messages of the stream not applied yet.', () => sources.lagMessages());
  gauge('stream_halted', '1 while the stream is not read because of its verdict.', () => {
    const place = sources.streamPlace();
    return place && Number(place.halted);
  });
  new Gauge({
    name: `${PREFIX}stream_verdict`,
    help: 'The verdict of the last comparison of the stream with what was read of it: 1, the others 0.',
    labelNames: ['verdict'] as const,
    registers: [registry],
    collect() {
      const found = sources.streamPlace()?.verdict;
      for (const verdict of VERDICTS) this.set({ verdict }, Number(verdict === found));
    },
  });
  gauge('leads', 'Leads with state in memory.', () => sources.leads());
  gauge('held_events', 'Events held, over all leads.', () => sources.heldEvents());
  gauge('oldest_fire_age_seconds', 'Age of the oldest fire in the store.', () => sources.oldestFireSeconds());
  gauge('sequences', 'Sequences defined, over all OUs.', () => sources.sequences());
  new Gauge({
    name: `${PREFIX}deliveries`,
    help: 'Deliveries in the store, by state.',
    labelNames: ['state'] as const,
    registers: [registry],
    async collect() {
      this.reset();
      const counts = await sources.deliveriesByState();
      if (counts === undefined) return;
      for (const state of DELIVERY_STATES) this.set({ state }, counts[state] ?? 0);
    },
  });
}

/** A label whose values come from outside: the first ones seen are kept apart, as many as the limit says. */
class BoundedLabel {
  readonly #values = new Set<string>();
  readonly #valuesMax: number;

  constructor(valuesMax: number) {
    this.#valuesMax = valuesMax;
  }

  labelOf(value: string): string {
    if (this.#values.has(value)) return value;
    if (this.#values.size >= this.#valuesMax) return 'other';
    this.#values.add(value);
    return value;
  }
}
