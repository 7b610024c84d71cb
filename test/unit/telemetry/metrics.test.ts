import { describe, expect, it } from 'vitest';
import { createMetrics, type MetricSources } from '../../../src/telemetry/metrics.ts';

const nothing = {
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

const sources: MetricSources = {
  storeWaits: () => 1,
  position: () => 42,
  lagMessages: () => 7,
  streamPlace: () => ({ verdict: 'recreated', halted: true }),
  leads: () => 3,
  heldEvents: () => 9,
  sequences: () => 2,
  deliveriesByState: () => Promise.resolve({ pending: 4, dead: 1 }),
  oldestFireSeconds: () => 60,
};

async function scrape(metrics: { render(): Promise<{ body: string }> }): Promise<Map<string, string>> {
  const { body } = await metrics.render();
  const samples = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(samples.map((line) => line.split(/ (?=\S+$)/) as [string, string]));
}

describe('metrics', () => {
  it('start every label of a counter at zero', async () => {
    const samples = await scrape(createMetrics());
    expect(samples.get('sequence_triggers_events_total{outcome="held"}')).toBe('0');
    expect(samples.get('sequence_triggers_events_rejected_total{reason="too_late"}')).toBe('0');
    expect(samples.get('sequence_triggers_fires_total{stale="true"}')).toBe('0');
    const attempts = 'sequence_triggers_delivery_attempt_duration_seconds_count';
    expect(samples.get(`${attempts}{channel="email",outcome="failed"}`)).toBe('0');
  });

  it('count a batch by outcome, reason and fire', async () => {
    const metrics = createMetrics();
    metrics.onGroup(
      {
        ...nothing,
        held: 5,
        duplicate: 2,
        fires: 3,
        staleFires: 1,
        milestoneFires: 2,
        suppressed: { once_per_lead: 1, cooldown: 4 },
        rejected: { not_json: 6 },
      },
      13,
      0.002,
    );
    metrics.onGroup({ ...nothing, held: 1 }, 1, 0.001);
    const samples = await scrape(metrics);
    const value = (name: string) => samples.get(`sequence_triggers_${name}`);
    expect(value('events_total{outcome="held"}')).toBe('6');
    expect(value('events_total{outcome="duplicate"}')).toBe('2');
    expect(value('events_rejected_total{reason="not_json"}')).toBe('6');
    expect(value('fires_total{stale="false"}')).toBe('2');
    expect(value('fires_total{stale="true"}')).toBe('1');
    expect(value('milestone_fires_total')).toBe('2');
    expect(value('completions_suppressed_total{reason="cooldown"}')).toBe('4');
    expect(value('batch_messages_sum')).toBe('14');
    expect(value('batch_duration_seconds_count')).toBe('2');
  });

  it('count checkpoints, attempts, removals, rebuilds and gaps', async () => {
    const metrics = createMetrics();
    metrics.onCheckpoint(10, 2_000, 0.02);
    metrics.onAttempt('webhook', 'delivered', 'example.com', 0.1);
    metrics.onRemoved({ fires: 3, deliveries: 5, attempts: 8 });
    metrics.onRemoved({ fires: 1, sequences: 2 });
    metrics.onFeedRebuild('heartbeats_missed');
    metrics.onFeedRebuild('never heard of: subject a.b.c');
    metrics.onGap(12);
    const samples = await scrape(metrics);
    const value = (name: string) => samples.get(`sequence_triggers_${name}`);
    expect(value('checkpoint_rows_total')).toBe('10');
    expect(value('checkpoint_bytes_total')).toBe('2000');
    expect(value('checkpoint_duration_seconds_count')).toBe('1');
    const attempt = 'delivery_attempt_duration_seconds_count{channel="webhook",outcome="delivered"}';
    expect(value(attempt)).toBe('1');
    const removed = ['fires', 'deliveries', 'attempts', 'sequences'].map((table) =>
      value(`history_removed_total{table="${table}"}`),
    );
    expect(removed).toEqual(['4', '5', '8', '2']);
    expect(value('feed_rebuilds_total{reason="heartbeats_missed"}')).toBe('1');
    expect(value('feed_rebuilds_total{reason="other"}')).toBe('1');
    expect(value('feed_gaps_total')).toBe('1');
    expect(value('feed_gap_messages_total')).toBe('12');
  });

  it('ask for gauges at each scrape', async () => {
    const metrics = createMetrics();
    let position: number | undefined = 42;
    metrics.observe({ ...sources, position: () => position });
    const first = await scrape(metrics);
    expect(first.get('sequence_triggers_stream_position')).toBe('42');
    expect(first.get('sequence_triggers_stream_lag_messages')).toBe('7');
    expect(first.get('sequence_triggers_store_waits')).toBe('1');
    expect(first.get('sequence_triggers_stream_verdict{verdict="recreated"}')).toBe('1');
    expect(first.get('sequence_triggers_stream_verdict{verdict="resume"}')).toBe('0');
    expect(first.get('sequence_triggers_stream_halted')).toBe('1');
    expect(first.get('sequence_triggers_leads')).toBe('3');
    expect(first.get('sequence_triggers_held_events')).toBe('9');
    expect(first.get('sequence_triggers_sequences')).toBe('2');
    expect(first.get('sequence_triggers_oldest_fire_age_seconds')).toBe('60');
    expect(first.get('sequence_triggers_deliveries{state="pending"}')).toBe('4');
    expect(first.get('sequence_triggers_deliveries{state="held"}')).toBe('0');
    position = 43;
    expect((await scrape(metrics)).get('sequence_triggers_stream_position')).toBe('43');
    position = undefined;
    expect((await scrape(metrics)).has('sequence_triggers_stream_position')).toBe(false);
  });

  it('include those of the process, and name all others with one prefix', async () => {
    const metrics = createMetrics();
    metrics.observe(sources);
    const names = [...(await scrape(metrics)).keys()];
    expect(names.some((name) => name.startsWith('nodejs_eventloop_lag_p99_seconds'))).toBe(true);
    expect(names.filter((name) => !/^(nodejs_|process_|sequence_triggers_)/.test(name))).toEqual([]);
  });

  it('are kept apart between two programs of one process', async () => {
    const one = createMetrics();
    one.onGap(1);
    expect((await scrape(createMetrics())).get('sequence_triggers_feed_gaps_total')).toBe('0');
  });

  it('render as Prometheus text', async () => {
    expect((await createMetrics().render()).contentType).toMatch(/^text\/plain/);
  });
});
