import { afterEach, describe, expect, it, vi } from 'vitest';
import { insightPort } from '../../../src/composition/insight.ts';
import { Backfiller } from '../../../src/engine/backfiller.ts';
import { Backfills, newBackfill } from '../../../src/engine/backfills.ts';
import type { Catalog } from '../../../src/engine/catalog.ts';
import { LEADS_PER_TURN } from '../../../src/engine/checkpointer.ts';
import type { Engine } from '../../../src/engine/engine.ts';
import type { BackfillPortion, BackfillRequest } from '../../../src/engine/ports.ts';
import { Matcher } from '../../../src/matcher/matcher.ts';
import type { Backfill } from '../../../src/model/backfill.ts';
import type { FeedMessage, LeadEvent } from '../../../src/model/event.ts';
import { engineOn } from '../../support/engine.ts';
import { recordingLogger, waitFor } from '../../support/nats.ts';
import { aSequence } from '../../support/outbox.ts';
import { SimulatedStore } from '../../support/simulatedStore.ts';

const EPOCH_MICROS = 1_700_000_000_000_000;
const LIMITS = { allowedLatenessMicros: 10e6, futureSkewMicros: 1e6, heldEventsMax: 100 };
const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const ASKED = { startedAtMs: 1 };

function event(streamSequence: number, type: string, leadId = 'lead'): LeadEvent {
  const timeMicros = EPOCH_MICROS + streamSequence * 1e6;
  const id = `${leadId}-${type}-${streamSequence}`;
  return { ou: 'acme', leadId, id, type, timeMicros, streamSequence, arrivalMicros: timeMicros };
}

function message(decoded: LeadEvent): FeedMessage {
  const { streamSequence, arrivalMicros, ou, id } = decoded;
  const data = Buffer.from(id);
  return { streamSequence, arrivalMicros, ou, subject: 'events.acme', data, decoded: { event: decoded } };
}

/** An engine with a backfiller beside it, and a stream that gives a portion when it is told to. */
class Bench {
  readonly store: SimulatedStore;
  readonly matcher: Matcher;
  readonly logger = recordingLogger();
  readonly catalog: Catalog;
  readonly engine: Engine;
  readonly backfiller: Backfiller;
  readonly requests: BackfillRequest[] = [];
  created = 'then';
  isThere = true;
  stream: LeadEvent[] = [];
  private gates: (() => void)[] = [];

  constructor(store = new SimulatedStore()) {
    this.store = store;
    const parts = { limits: LIMITS, catalogLogger: this.logger };
    const { engine, catalog, matcher } = engineOn(store, { leadsPerTurn: LEADS_PER_TURN }, parts);
    this.engine = engine;
    this.catalog = catalog;
    this.matcher = matcher;
    this.backfiller = new Backfiller({
      matcher: this.matcher,
      limits: LIMITS,
      catalog: this.catalog,
      engine: this.engine,
      store,
      source: () => (this.isThere ? { read: (request) => this.read(request) } : null),
      logger: SILENT,
      leadsPerTurn: 1,
      clock: {
        nowMs: () => 0,
        dateMs: () => 2,
        pause: () => new Promise((resolve) => setImmediate(resolve)),
      },
    });
  }

  /** @param renumberedFrom the next message, where the stream counts anew */
  async start(renumberedFrom: number | null = null): Promise<void> {
    this.engine.load();
    const startSequence = renumberedFrom ?? this.engine.streamCursor + 1;
    await this.engine.start({
      streamName: 'EVENTS',
      streamCreated: this.created,
      startSequence,
      renumbered: renumberedFrom !== null,
    });
    this.backfiller.start();
  }

  apply(...events: readonly LeadEvent[]): Promise<void> {
    this.stream.push(...events);
    return this.engine.process(events.map(message));
  }

  /** Lets the next portion be read: one event. */
  async portion(): Promise<void> {
    await waitFor('a wish to read', () => this.gates.length > 0);
    this.gates.shift()!();
  }

  portionIfAny(): void {
    this.gates.shift()?.();
  }

  /** Lets everything be read from now on. */
  async readAll(): Promise<void> {
    while (this.backfill?.state === 'reading') {
      for (const open of this.gates.splice(0)) open();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Has everything that was begun go on for a while. */
  async turns(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) {
      for (const open of this.gates.splice(0)) open();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async stop(): Promise<void> {
    const stopping = this.backfiller.stop();
    for (const open of this.gates.splice(0)) open();
    await stopping;
  }

  get backfill(): Backfill | undefined {
    return this.catalog.backfills.of('acme', 'seq-1');
  }

  async done(): Promise<Backfill> {
    await this.readAll();
    await waitFor('the end', () => this.backfill?.state !== 'merging');
    return this.backfill!;
  }

  get fires(): string[] {
    return [...this.store.fires.values()].map(({ events }) => events.map(({ id }) => id).join(' '));
  }

  get rowCount(): number {
    return [0, 1, 2, 3, 4, 5].flatMap((id) => this.store.backfillLeads(id, null, 100)).length;
  }

  private async *read(request: BackfillRequest): AsyncGenerator<BackfillPortion> {
    this.requests.push(request);
    if (request.streamCreated !== this.created) throw new Error('it is another stream');
    const wanted = this.stream.filter(({ streamSequence }) => streamSequence <= request.throughSequence);
    for (const [index, next] of wanted.entries()) {
      await new Promise<void>((resolve) => this.gates.push(resolve));
      if (next.type === 'broken') throw new Error('the events stream was deleted');
      yield { events: [next], fraction: (index + 1) / wanted.length };
    }
  }
}

const benches: Bench[] = [];

async function running(store?: SimulatedStore): Promise<Bench> {
  const bench = new Bench(store);
  benches.push(bench);
  await bench.start();
  return bench;
}

afterEach(async () => {
  await Promise.all(benches.splice(0).map((bench) => bench.stop()));
});

const steps = aSequence({ ou: 'acme', id: 'seq-1', eventTypes: ['a', 'b'], windowSeconds: 100 });

describe('a backfill', () => {
  it('takes effect once everything up to its change was read, and tells of its progress', async () => {
    const bench = await running();
    await bench.apply(event(1, 'a'), event(2, 'a', 'other'));
    await bench.catalog.create(steps, ASKED);
    expect(bench.backfill).toMatchObject({ state: 'reading', throughPosition: 2, startedAtMs: 1 });
    await bench.portion();
    await bench.apply(event(3, 'b', 'other'));
    await waitFor('the progress', () => bench.backfill?.eventsRead === 1);
    expect(bench.backfill).toMatchObject({ fraction: 0.45, eventsAdded: 0 });
    expect(await bench.done()).toMatchObject({
      state: 'done',
      fraction: 1,
      eventsRead: 2,
      eventsAdded: 2,
      finishedAtMs: 2,
      merge: { position: 3 },
    });
    expect(bench.requests.map(({ ou, throughSequence }) => [ou, throughSequence])).toEqual([['acme', 2]]);
    expect(bench.logger.entries.at(-1)).toMatchObject({
      message: 'a backfill takes effect',
      fields: { ou: 'acme', sequenceId: 'seq-1', effectivePosition: 3 },
    });
    // The present less the window and the lateness.
    expect(bench.requests[0]?.fromMicros).toBe(EPOCH_MICROS + 2e6 - 110e6);
    expect(bench.fires).toEqual([]);
    await bench.apply(event(4, 'b'), event(5, 'b', 'other'));
    expect(bench.fires).toEqual(['lead-a-1 lead-b-4', 'other-a-2 other-b-5']);
    await waitFor('the rows to go', () => bench.rowCount === 0);
  });

  it('gives a lead its events before the next one, however far the merge has come', async () => {
    const bench = await running();
    const leads = Array.from({ length: 20 }, (_, index) => `lead-${index}`);
    await bench.apply(...leads.map((lead, index) => event(index + 1, 'a', lead)));
    await bench.catalog.create(steps, ASKED);
    await bench.readAll();
    await bench.apply(...leads.map((lead, index) => event(index + 21, 'b', lead)));
    expect(bench.fires).toHaveLength(20);
    expect((await bench.done()).eventsAdded).toBe(20);
  });

  it.each([
    { what: 'the steps', change: { eventTypes: ['a', 'c'] } },
    { what: 'the window', change: { windowSeconds: 99 } },
    { what: 'the order', change: { ordered: false } },
  ])('is stopped by a change of $what, and brings nothing', async ({ change }) => {
    const bench = await running();
    await bench.apply(event(1, 'a'), event(2, 'a'));
    await bench.catalog.create(steps, ASKED);
    await bench.portion();
    await bench.catalog.update('acme', 'seq-1', (current) => ({ ...current, ...change, updatedAtMs: 9 }));
    const stopped = { state: 'stopped', reason: 'the sequence was changed', finishedAtMs: 9 };
    expect(bench.backfill).toMatchObject(stopped);
    await bench.turns();
    await bench.apply(event(3, 'b'), event(4, 'c'));
    expect(bench.fires).toEqual([]);
    expect(bench.backfill).toMatchObject(stopped);
    expect(bench.store.allBackfills()).toMatchObject([stopped]);
  });

  it('is stopped also while it is written down, and leaves nothing behind', async () => {
    const bench = await running();
    await bench.apply(event(1, 'a', 'one'), event(2, 'a', 'two'), event(3, 'a', 'three'));
    await bench.catalog.create(steps, ASKED);
    while (bench.rowCount === 0) {
      bench.portionIfAny();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await bench.catalog.update('acme', 'seq-1', (current) => ({ ...current, eventTypes: ['a', 'c'] }));
    await waitFor('the rows to go', () => bench.rowCount === 0);
    expect(bench.backfill?.state).toBe('stopped');
  });

  it('goes on when the sequence is renamed, and leaves it its new name', async () => {
    const bench = await running();
    await bench.apply(event(1, 'a'));
    await bench.catalog.create(steps, ASKED);
    await bench.catalog.update('acme', 'seq-1', (current) => ({ ...current, name: 'renamed', version: 2 }));
    expect(await bench.done()).toMatchObject({ state: 'done', eventsAdded: 1 });
    expect(bench.catalog.get('acme', 'seq-1')).toMatchObject({ name: 'renamed', version: 2 });
  });

  it('gives way to one that is asked for after it', async () => {
    const bench = await running();
    await bench.apply(event(1, 'a'), event(2, 'c'));
    await bench.catalog.create(steps, ASKED);
    const first = bench.backfill!.id;
    await bench.catalog.update('acme', 'seq-1', (c) => ({ ...c, eventTypes: ['a', 'c', 'b'] }), ASKED);
    expect(bench.backfill!.id).toBeGreaterThan(first);
    expect(await bench.done()).toMatchObject({ state: 'done', eventsRead: 2, eventsAdded: 2 });
    await bench.apply(event(3, 'b'));
    expect(bench.fires).toEqual(['lead-a-1 lead-c-2 lead-b-3']);
  });

  it('goes on when it is asked for again of the same steps', async () => {
    const bench = await running();
    await bench.apply(event(1, 'a'), event(2, 'a'), event(3, 'a'));
    await bench.catalog.create(steps, ASKED);
    const { id } = bench.backfill!;
    await bench.portion();
    await bench.catalog.update('acme', 'seq-1', (current) => current, ASKED);
    expect(bench.backfill!.id).toBe(id);
    expect(await bench.done()).toMatchObject({ state: 'done', eventsAdded: 3 });
    expect(bench.requests).toHaveLength(1);
    await bench.catalog.update('acme', 'seq-1', (current) => current, ASKED);
    expect(bench.backfill!.id).toBeGreaterThan(id);
    expect(await bench.done()).toMatchObject({ state: 'done', eventsAdded: 0 });
  });

  it('knows an event again by its id, where the numbers of its stream are other ones (R13)', async () => {
    const first = await running();
    await first.catalog.create(aSequence({ ou: 'acme', id: 'holder', eventTypes: ['a', 'q'] }));
    const read = { ...event(1, 'a'), metadata: { n: 5 } };
    await first.apply(read, event(2, 'x'), event(3, 'x'));
    await first.engine.checkpoint();
    await first.stop();
    const bench = new Bench(first.store.crashedAfter(first.store.writeCount));
    benches.push(bench);
    bench.stream = [read];
    await bench.start(2);
    const where = { 'metadata.n': { gte: 2 } };
    const big = { ...steps, eventTypes: [{ types: ['a'], where, count: 1 }, 'b'] };
    await bench.catalog.create(big, ASKED);
    expect((await bench.done()).eventsAdded).toBe(0);
    await bench.apply(event(2, 'b'));
    expect(bench.fires).toEqual(['lead-a-1 lead-b-2']);
  });

  it('ends with its sequence', async () => {
    const bench = await running();
    await bench.apply(event(1, 'a'), event(2, 'a'));
    await bench.catalog.create(steps, ASKED);
    await bench.portion();
    await bench.catalog.remove('acme', 'seq-1');
    expect(bench.backfill).toBeUndefined();
    expect(bench.store.allBackfills()).toEqual([]);
    await bench.catalog.create(steps, ASKED);
    expect(await bench.done()).toMatchObject({ state: 'done', eventsAdded: 2 });
  });

  it('fails with the reason for which the stream cannot be read, and the next one is done', async () => {
    const bench = await running();
    await bench.apply(event(1, 'broken'));
    await bench.catalog.create(steps, ASKED);
    const failed = { state: 'failed', reason: 'the events stream was deleted', finishedAtMs: 2 };
    expect(await bench.done()).toMatchObject(failed);
    await waitFor('the row', () => bench.store.allBackfills()[0]?.state === 'failed');
    bench.stream = [event(1, 'a')];
    await bench.catalog.update('acme', 'seq-1', (current) => current, ASKED);
    expect(await bench.done()).toMatchObject({ state: 'done', reason: null });
  });

  it('fails when the stream is another one than when it was asked for', async () => {
    const bench = await running();
    await bench.apply(event(1, 'a'));
    bench.isThere = false;
    await bench.catalog.create(steps, ASKED);
    bench.created = 'later';
    bench.isThere = true;
    expect(await bench.done()).toMatchObject({ state: 'failed', reason: 'it is another stream' });
  });

  it('waits until the stream is there', async () => {
    const bench = await running();
    await bench.apply(event(1, 'a'));
    bench.isThere = false;
    await bench.catalog.create(steps, ASKED);
    await bench.turns();
    expect(bench.requests).toEqual([]);
    bench.isThere = true;
    expect((await bench.done()).state).toBe('done');
  });

  it('knows messages by their positions where the stream counts anew (R2)', async () => {
    const first = await running();
    const holder = aSequence({ ou: 'acme', id: 'holder', eventTypes: ['z', 'q'], windowSeconds: 100 });
    await first.catalog.create(holder);
    await first.apply(event(1, 'x'), event(2, 'x'), event(3, 'z'));
    await first.engine.checkpoint();
    await first.stop();
    const bench = new Bench(first.store.crashedAfter(first.store.writeCount));
    benches.push(bench);
    bench.created = 'later';
    await bench.start(1);
    // At the same time as the third message of the former stream, and so behind it.
    const { timeMicros } = event(3, 'z');
    await bench.apply({ ...event(1, 'a'), timeMicros, arrivalMicros: timeMicros }, event(2, 'y'));
    expect(bench.engine.position).toBe(5);
    await bench.catalog.create({ ...steps, eventTypes: ['z', 'a', 'b'] }, ASKED);
    expect(await bench.done()).toMatchObject({ state: 'done', eventsAdded: 1 });
    expect(bench.requests[0]?.throughSequence).toBe(2);
    await bench.apply(event(4, 'b'));
    expect(bench.fires).toEqual(['lead-z-3 lead-a-1 lead-b-4']);
  });

  it('lets nothing complete that came before it took effect, also by a late event (R16)', async () => {
    const bench = await running();
    await bench.apply(event(1, 'a'));
    await bench.catalog.create(steps, ASKED);
    await bench.apply(event(2, 'b'));
    await bench.done();
    await bench.apply({ ...event(3, 'a'), timeMicros: event(1, 'a').timeMicros + 1 });
    expect(bench.fires).toEqual([]);
    await bench.apply(event(4, 'b'));
    expect(bench.fires).toEqual(['lead-a-3 lead-b-4']);
  });

  it('is taken up by the next start, whether it was being read or merged', async () => {
    const first = await running();
    await first.apply(event(1, 'a'));
    await first.engine.checkpoint();
    await first.catalog.create(steps, ASKED);
    await first.stop();
    const second = await running(first.store.crashedAfter(first.store.writeCount));
    second.stream = [...first.stream];
    vi.spyOn(second.engine, 'checkpoint').mockImplementation(() => new Promise(() => {}));
    await second.readAll();
    expect(second.backfill?.state).toBe('merging');
    // Its rows are what is left: the stream holds nothing any more.
    benches.splice(benches.indexOf(second), 1);
    const third = await running(second.store.crashedAfter(second.store.writeCount));
    expect(await third.done()).toMatchObject({ state: 'done', eventsAdded: 1 });
    await third.apply(event(2, 'b'));
    expect(third.fires).toEqual(['lead-a-1 lead-b-2']);
  });
});

describe('a change while a backfill is merged', () => {
  /** Merging, with the checkpoints behind it held back until `release` is called. */
  async function merging() {
    const bench = await running();
    await bench.apply(event(1, 'a'));
    await bench.catalog.create(steps, ASKED);
    const checkpoint = bench.engine.checkpoint.bind(bench.engine);
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    vi.spyOn(bench.engine, 'checkpoint').mockImplementation(async () => {
      await released;
      return checkpoint();
    });
    await bench.readAll();
    expect(bench.backfill?.state).toBe('merging');
    return { bench, release };
  }

  it('waits until its leads are on disk, in the same OU', async () => {
    const { bench, release } = await merging();
    const made: string[] = [];
    const changes = [
      bench.catalog.update('acme', 'seq-1', (c) => ({ ...c, name: 'other' })).then(() => made.push('update')),
      bench.catalog.create(aSequence({ ou: 'acme', id: 'seq-2' })).then(() => made.push('create')),
    ];
    await bench.catalog.create(aSequence({ ou: 'elsewhere', id: 'seq-3' }));
    await bench.turns();
    expect(made).toEqual([]);
    const isMergedOnDisk = () => bench.store.allBackfills().some(({ state }) => state === 'done');
    expect(isMergedOnDisk()).toBe(false);
    release();
    await Promise.all(changes);
    expect(made).toEqual(['update', 'create']);
    expect(isMergedOnDisk()).toBe(true);
    expect(await bench.catalog.remove('acme', 'seq-1')).toEqual({ ok: true });
  });

  it('is refused when the program stops', async () => {
    const { bench, release } = await merging();
    const removing = bench.catalog.remove('acme', 'seq-1');
    const stopping = bench.stop();
    expect(await removing).toEqual({ ok: false, reason: 'unavailable' });
    release();
    await stopping;
    expect(bench.catalog.get('acme', 'seq-1')).toBeDefined();
  });

  it('is refused when it has waited for long', async () => {
    const { bench, release } = await merging();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const removing = bench.catalog.remove('acme', 'seq-1');
    await vi.advanceTimersByTimeAsync(10_000);
    vi.useRealTimers();
    expect(await removing).toEqual({ ok: false, reason: 'unavailable' });
    release();
    expect((await bench.done()).state).toBe('done');
  });
});

describe('a turn of merging', () => {
  it('ends after few leads, where those have many events', () => {
    const leads = ['one', 'two', 'three', 'four', 'five'];
    const store = new SimulatedStore();
    vi.spyOn(store, 'backfillLeads').mockImplementation((_, behind, countMax) =>
      leads.slice(behind === null ? 0 : leads.indexOf(behind) + 1).slice(0, countMax),
    );
    vi.spyOn(store, 'backfillLead').mockReturnValue(Buffer.alloc(20_000));
    const matcher = new Matcher(LIMITS);
    const merged: string[] = [];
    vi.spyOn(matcher, 'merge').mockImplementation((_ou, leadId, _point, stateOf) => {
      stateOf();
      merged.push(leadId);
      return 1;
    });
    const backfills = new Backfills(matcher, store);
    const place = { id: 1, throughPosition: 1, streamCreated: null, startedAtMs: 1 };
    const merge = { position: 1, silentBeforeMicros: 0, goneBeforeMicros: 0 };
    backfills.begin({ ...newBackfill(steps, place), merge });
    expect(Array.from({ length: 4 }, () => backfills.mergeNext(100))).toEqual([2, 2, 1, 0]);
    expect(merged).toEqual(leads);
  });
});

describe('a look at leads, while what a backfill read is added to them', () => {
  /** Twenty leads with an event of the past each, of which hardly any has got it. */
  async function merging() {
    const bench = await running();
    const leads = Array.from({ length: 20 }, (_, index) => `lead-${index}`);
    await bench.apply(...leads.map((lead, index) => event(index + 1, 'a', lead)));
    await bench.catalog.create(steps, ASKED);
    await bench.readAll();
    expect(bench.backfill?.state).toBe('merging');
    return { bench, leads, insight: insightPort(bench) };
  }

  it('sees each as if all had got it', async () => {
    const { leads, insight } = await merging();
    for (const lead of leads) {
      const found = await insight.leadStanding(steps, lead);
      expect('standing' in found && found.standing.filled.map(({ id }) => id)).toHaveLength(1);
    }
  });

  it('counts them once all have it', async () => {
    const { insight } = await merging();
    const progress = await insight.progress(steps);
    expect('steps' in progress && progress.steps.map(({ leadCount }) => leadCount)).toEqual([20, 0]);
  });

  it('is told to come again when that takes long', async () => {
    const { bench, insight } = await merging();
    bench.catalog.backfills.close();
    expect(await insight.progress(steps)).toEqual({ unavailable: 'a backfill is being added to the leads' });
  });

  it('goes on with a count that began before, and leaves out what was added since', async () => {
    const bench = await running();
    const leads = Array.from({ length: 20 }, (_, index) => `lead-${index}`);
    await bench.apply(...leads.map((lead, index) => event(index + 1, 'a', lead)));
    await bench.catalog.create(steps, ASKED);
    const census = bench.matcher.insight.beginCensus('acme', 'seq-1')!;
    expect((await bench.done()).eventsAdded).toBe(20);
    while (!census.count(1));
    // Nine leads had been silent for too long when the sequence came, and were forgotten then.
    expect([...census.leadsAtStep]).toEqual([11, 0, 0]);
    bench.matcher.insight.endCensus(census);
  });
});
