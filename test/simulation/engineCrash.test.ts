import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Backfiller } from '../../src/engine/backfiller.ts';
import { Catalog } from '../../src/engine/catalog.ts';
import { Engine } from '../../src/engine/engine.ts';
import { Matcher } from '../../src/matcher/matcher.ts';
import type { FeedMessage, LeadEvent } from '../../src/model/event.ts';
import type { Milestone } from '../../src/model/milestone.ts';
import type { Sequence } from '../../src/model/sequence.ts';
import type { Refire } from '../../src/model/triggerBase.ts';
import { aMilestone, aSequence } from '../support/outbox.ts';
import { SimulatedStore } from '../support/simulatedStore.ts';

const SECOND = 1_000_000;
const EPOCH = 1_700_000_000 * SECOND;
const LIMITS = {
  allowedLatenessMicros: 5 * SECOND,
  futureSkewMicros: 300 * SECOND,
  heldEventsMax: 1000,
};
const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

type Step =
  | {
      kind: 'group';
      messages: {
        lead: number;
        type: number;
        delay: number;
        lag: number;
        id: number | null;
        score?: number | null;
      }[];
    }
  | {
      kind: 'create';
      steps: number[];
      window: number;
      ordered: boolean;
      refire: number;
      backfill: boolean;
    }
  | {
      kind: 'edit';
      nth: number;
      steps: number[] | null;
      window: number;
      active: boolean;
      refire: number;
      backfill: boolean;
    }
  /** Backfills get to read what they want, and what they read takes effect here. */
  | { kind: 'read' }
  | { kind: 'remove'; nth: number }
  | { kind: 'createMilestone'; threshold: number; type: number | null; refire: number }
  | { kind: 'editMilestone'; nth: number; threshold: number; active: boolean; refire: number }
  | { kind: 'removeMilestone'; nth: number }
  | { kind: 'checkpoint' };

const ONE_LEAD = { leads: 1, bytes: 1 };
const CHECKPOINT_INTERVAL_MS = 1_000_000;

const REFIRES: readonly Refire[] = [
  { mode: 'every' },
  { mode: 'once_per_lead' },
  { mode: 'cooldown', cooldownSeconds: 5 },
];

const steps = fc.array(fc.nat(3), { minLength: 1, maxLength: 3 });
const groupStep = fc.record({
  kind: fc.constant('group' as const),
  messages: fc.array(
    fc.record({
      lead: fc.nat(2),
      type: fc.nat(4),
      delay: fc.oneof(
        { weight: 5, arbitrary: fc.nat(3) },
        { weight: 1, arbitrary: fc.integer({ min: 5, max: 20 }) },
      ),
      lag: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(10) }),
      id: fc.option(fc.nat(20), { freq: 6 }),
      score: fc.option(fc.nat(5), { freq: 2 }),
    }),
    { minLength: 1, maxLength: 8 },
  ),
});
const checkpointStep = fc.record({ kind: fc.constant('checkpoint' as const) });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: groupStep },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('create' as const),
      steps,
      window: fc.integer({ min: 1, max: 10 }),
      ordered: fc.boolean(),
      refire: fc.nat(2),
      backfill: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('edit' as const),
      nth: fc.nat(5),
      steps: fc.option(steps),
      window: fc.integer({ min: 1, max: 10 }),
      active: fc.boolean(),
      refire: fc.nat(2),
      backfill: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), nth: fc.nat(5) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('createMilestone' as const),
      threshold: fc.integer({ min: 1, max: 5 }),
      type: fc.option(fc.nat(1), { freq: 2 }),
      refire: fc.nat(2),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('editMilestone' as const),
      nth: fc.nat(3),
      threshold: fc.integer({ min: 1, max: 5 }),
      active: fc.boolean(),
      refire: fc.nat(2),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('removeMilestone' as const), nth: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('read' as const) }) },
  { weight: 3, arbitrary: checkpointStep },
);
const create = fc.record({
  kind: fc.constant('create' as const),
  steps,
  window: fc.integer({ min: 3, max: 10 }),
  ordered: fc.boolean(),
  refire: fc.constant(0),
  backfill: fc.constant(false),
});
const createMilestone = fc.record({
  kind: fc.constant('createMilestone' as const),
  threshold: fc.integer({ min: 1, max: 5 }),
  type: fc.constant(null),
  refire: fc.nat(2),
});
const script = fc
  .tuple(create, create, createMilestone, fc.array(step, { minLength: 3, maxLength: 25 }))
  .map(([first, second, third, rest]): Step[] => [first, second, third, ...rest]);

/** Events of types that no sequence lists, one that looks back on them, and whatever follows. */
const backfilledScript = fc
  .record({
    first: create.map((step) => ({ ...step, steps: [0], window: 10 })),
    before: fc.array(groupStep, { minLength: 2, maxLength: 4 }),
    looksBack: create.map((step) => ({ ...step, backfill: true })),
    meanwhile: fc.array(fc.oneof(groupStep, checkpointStep), { maxLength: 2 }),
    rest: fc.array(step, { minLength: 3, maxLength: 12 }),
  })
  .map(({ first, before, looksBack, meanwhile, rest }): Step[] => [
    first,
    ...before,
    looksBack,
    ...meanwhile,
    { kind: 'read' },
    ...rest,
  ]);

/** The whole stream of a script, with the messages of each group. */
function messagesOf(script: readonly Step[]): Map<number, FeedMessage[]> {
  const groups = new Map<number, FeedMessage[]>();
  let streamSequence = 0;
  let arrivalMicros = EPOCH;
  for (const [index, step] of script.entries()) {
    if (step.kind !== 'group') continue;
    groups.set(
      index,
      step.messages.map(({ lead, type, delay, lag, id, score }) => {
        streamSequence++;
        arrivalMicros += delay * SECOND;
        const event: LeadEvent = {
          ou: 'ou',
          leadId: `lead-${lead}`,
          id: id === null ? `own-${streamSequence}` : `shared-${id}`,
          type: `type-${type}`,
          timeMicros: arrivalMicros - lag * SECOND,
          streamSequence,
          arrivalMicros,
          ...(typeof score === 'number' && { score }),
        };
        // Type 4 stands for a message that cannot be decoded.
        const decoded =
          type === 4 ? { rejection: { reason: 'not_json', detail: 'not JSON' } as const } : { event };
        return {
          streamSequence,
          arrivalMicros,
          ou: 'ou',
          subject: 'events.ou',
          data: Buffer.from(event.id),
          decoded,
        };
      }),
    );
  }
  return groups;
}

/** A group of messages of one lead, a second apart. */
function eventsOfTypes(...types: number[]): FeedMessage[] {
  const messages = types.map((type) => ({ lead: 0, type, delay: 1, lag: 0, id: null }));
  return messagesOf([{ kind: 'group', messages }]).get(0)!;
}

/** A running program as far as the engine goes, on a simulated store. */
class Program {
  readonly store: SimulatedStore;
  readonly rejected: Set<number>;
  readonly matcher = new Matcher(LIMITS);
  readonly engine: Engine;
  readonly catalog: Catalog;
  readonly backfiller: Backfiller;
  /** What the stream holds. */
  readonly stream: readonly FeedMessage[];
  mayRead = false;
  readonly checkpoints: Promise<void>[] = [];
  refusesRejected = false;
  isDead = false;

  constructor(store: SimulatedStore, rejected: Set<number>, stream: readonly FeedMessage[] = []) {
    this.store = store;
    this.stream = stream;
    this.rejected = rejected;
    this.catalog = new Catalog({
      matcher: this.matcher,
      store,
      backfillStore: store,
      sequencesPerOuMax: 100,
      currentPosition: () => this.engine.position,
      currentMark: () => this.engine.mark(),
      logger: SILENT,
    });
    this.engine = new Engine({
      matcher: this.matcher,
      catalog: this.catalog,
      store,
      commitFires: store.commitFires,
      storeRejected: async (message) => {
        if (this.refusesRejected) throw new Error('the stream is full');
        // It takes its time, and a crash meanwhile loses it.
        await ticks(10);
        if (this.isDead) return;
        rejected.add(message.streamSequence);
      },
      planDeliveries: () => [],
      digestOf: (data) => Buffer.from(data).toString('hex'),
      onDeliveriesDurable: () => {},
      metrics: { onGroup: () => {}, onCheckpoint: () => {} },
      logger: SILENT,
      checkpointIntervalMs: CHECKPOINT_INTERVAL_MS,
      leadsPerTurn: 1,
      loading: { atStart: ONE_LEAD, perTurn: ONE_LEAD, intervalMs: 1 },
      clock: { nowMs: () => 0, every: (intervalMs, run) => this.every(intervalMs, run) },
    });
    this.backfiller = new Backfiller({
      matcher: this.matcher,
      limits: LIMITS,
      catalog: this.catalog,
      engine: this.engine,
      store,
      source: () => (this.mayRead || this.isMerging ? { read: this.read } : null),
      logger: SILENT,
      leadsPerTurn: 1,
      clock: { nowMs: () => 0, dateMs: () => 0, pause: () => ticks(3) },
    });
  }

  get isReading(): boolean {
    return this.catalog.list('ou').some(({ id }) => this.catalog.backfills.of('ou', id)?.state === 'reading');
  }

  get isMerging(): boolean {
    return this.catalog.backfills.next()?.state === 'merging';
  }

  /** Of the sequences that there are. */
  get eventsAdded(): number {
    const backfills = this.catalog.list('ou').map(({ id }) => this.catalog.backfills.of('ou', id));
    return backfills.reduce((sum, backfill) => sum + (backfill?.eventsAdded ?? 0), 0);
  }

  /** Whatever they wait for: all that is to be read counts. */
  async letRead(): Promise<void> {
    this.mayRead = true;
    while (this.isReading && !this.isDead) await ticks(1);
    this.mayRead = false;
  }

  private readonly read = async function* (this: Program, { throughSequence }: { throughSequence: number }) {
    const wanted = this.stream.filter(({ streamSequence }) => streamSequence <= throughSequence);
    for (let at = 0; at < wanted.length; at += 3) {
      await ticks(2);
      const events = wanted
        .slice(at, at + 3)
        .flatMap(({ decoded }) => ('event' in decoded ? decoded.event : []));
      yield { events, fraction: 0 };
    }
  }.bind(this);

  /** Checkpoints are asked for by the steps; leads are loaded now and then. */
  private every(intervalMs: number, run: () => void): () => void {
    let isOver = intervalMs === CHECKPOINT_INTERVAL_MS;
    const beat = async (): Promise<void> => {
      for (await ticks(7); !isOver && !this.isDead; await ticks(7)) run();
    };
    void beat();
    return () => {
      isOver = true;
    };
  }

  /** As a crash does to what has not reached the disk. */
  die(): void {
    this.isDead = true;
    void this.backfiller.stop();
  }

  async start(): Promise<void> {
    this.engine.load();
    this.engine.loadOthers();
    await this.engine.start({
      streamName: 'EVENTS',
      streamCreated: 'then',
      startSequence: this.engine.streamCursor + 1,
      renumbered: false,
    });
    this.backfiller.start();
  }

  async perform(step: Step, index: number, messages: readonly FeedMessage[]): Promise<void> {
    const nth = (n: number) => this.catalog.list('ou')[n]?.id ?? 'none';
    const nthMilestone = (n: number) => this.catalog.milestones.list('ou')[n]?.id ?? 'none';
    switch (step.kind) {
      case 'group':
        return this.engine.process(messages);
      case 'create':
        await this.catalog.create(sequenceOf(index, step), step.backfill ? { startedAtMs: 0 } : undefined);
        return;
      case 'edit':
        await this.catalog.update(
          'ou',
          nth(step.nth),
          (current) => ({
            ...current,
            eventTypes: step.steps?.map((type) => `type-${type}`) ?? current.eventTypes,
            windowSeconds: step.window,
            active: step.active,
            refire: REFIRES[step.refire]!,
            version: current.version + 1,
          }),
          step.backfill ? { startedAtMs: 0 } : undefined,
        );
        return;
      case 'read':
        return this.letRead();
      case 'remove':
        await this.catalog.remove('ou', nth(step.nth));
        return;
      case 'createMilestone':
        await this.catalog.milestones.create(milestoneOf(index, step));
        return;
      case 'editMilestone':
        await this.catalog.milestones.update('ou', nthMilestone(step.nth), (current) => ({
          ...current,
          scoreThreshold: step.threshold,
          active: step.active,
          refire: REFIRES[step.refire]!,
          version: current.version + 1,
        }));
        return;
      case 'removeMilestone':
        await this.catalog.milestones.remove('ou', nthMilestone(step.nth));
        return;
      case 'checkpoint':
        // Not awaited: the groups that follow go on between its turns.
        this.checkpoints.push(this.engine.checkpoint());
    }
  }

  /** The state of every lead that still has an event to come at this clock. */
  states(): Record<string, string> {
    // Leads that are silent at the last checkpoint may or may not have been swept.
    // The first call ends the round that the last checkpoint left unfinished.
    for (let round = 0; round < 2; round++) this.matcher.forgetSilent(1000, this.matcher.silentBefore());
    const states: Record<string, string> = {};
    for (const { ou, leadId } of this.matcher.leads()) {
      states[leadId] = Buffer.from(this.matcher.encodeLead(ou, leadId)!).toString('hex');
    }
    return states;
  }
}

function sequenceOf(index: number, step: Extract<Step, { kind: 'create' }>): Sequence {
  return aSequence({
    ou: 'ou',
    id: `seq-${index}`,
    eventTypes: step.steps.map((type) => `type-${type}`),
    windowSeconds: step.window,
    ordered: step.ordered,
    refire: REFIRES[step.refire]!,
    createdAtMs: index,
  });
}

function milestoneOf(index: number, step: Extract<Step, { kind: 'createMilestone' }>): Milestone {
  return aMilestone({
    ou: 'ou',
    id: `trg-${index}`,
    scoreThreshold: step.threshold,
    eventType: step.type === null ? null : `type-${step.type}`,
    refire: REFIRES[step.refire]!,
    createdAtMs: index,
  });
}

/** Lets other work go on for a while, without a clock. */
async function ticks(count: number): Promise<void> {
  for (let tick = 0; tick < count; tick++) await Promise.resolve();
}

/** The program, once nothing is merged any more and all is written. */
async function ended(program: Program): Promise<Program> {
  await program.engine.committed();
  while (program.isMerging || !program.engine.isLoaded) await ticks(1);
  await program.backfiller.stop();
  return program;
}

async function runWithoutCrash(script: readonly Step[]): Promise<Program> {
  const groups = messagesOf(script);
  const program = new Program(new SimulatedStore(), new Set(), [...groups.values()].flat());
  await program.start();
  for (const [index, step] of script.entries()) await program.perform(step, index, groups.get(index) ?? []);
  return ended(program);
}

/** Scripts, and half as many that look back; a long campaign sets it. */
const RUNS = Number(process.env.RUNS ?? 2_000);

/** Runs scripts with and without crashes, which must end alike, and says how much happened. */
async function withAndWithoutCrashes(scripts: fc.Arbitrary<Step[]>, numRuns: number) {
  const counts = { crashes: 0, fires: 0, milestoneFires: 0, mergesCut: 0, eventsAdded: 0 };
  const crashPlans = fc.array(fc.record({ at: fc.nat(27), lost: fc.nat(6), ticks: fc.nat(40) }), {
    maxLength: 3,
  });
  const property = fc.asyncProperty(scripts, crashPlans, async (script, crashPlan) => {
    const groups = messagesOf(script);
    const expected = await runWithoutCrash(script);
    const stream = [...groups.values()].flat();
    let program = new Program(new SimulatedStore(), new Set(), stream);
    await program.start();
    let keepAtLeast = 0;
    for (const [index, step] of script.entries()) {
      const crashes = crashPlan.filter(({ at }) => at === index);
      const performing = program.perform(step, index, groups.get(index) ?? []);
      // A crash comes in the midst of a group, which the replay then does again, or of a backfill.
      const isCut = crashes[0] !== undefined && (step.kind === 'group' || step.kind === 'read');
      if (isCut) await ticks(crashes[0]!.ticks);
      else await performing;
      // A change that was acknowledged is on disk, and with it all that was written before.
      const isAcknowledged = !isCut && step.kind !== 'group' && step.kind !== 'checkpoint';
      if (isAcknowledged) keepAtLeast = program.store.writeCount;
      for (const crash of crashes) {
        counts.crashes++;
        if (program.isMerging) counts.mergesCut++;
        const kept = Math.max(keepAtLeast, program.store.writeCount - crash.lost);
        program.die();
        program = new Program(program.store.crashedAfter(kept), program.rejected, stream);
        await program.start();
        keepAtLeast = 0;
        // A replay meets the messages in other groups than the first run did.
        const replayed = [...groups].filter(([at]) => at <= index).flatMap(([, messages]) => messages);
        await program.engine.process(replayed);
        expect(program.catalog.isReplaying).toBe(false);
        keepAtLeast = kept;
        if (step.kind !== 'read') continue;
        await program.letRead();
        keepAtLeast = program.store.writeCount;
      }
    }
    await ended(program);
    await Promise.all(program.checkpoints);
    counts.fires += expected.store.fires.size;
    for (const { milestone } of expected.store.fires.values()) if (milestone) counts.milestoneFires++;
    counts.eventsAdded += expected.eventsAdded;
    expect(Object.fromEntries(program.store.fires)).toEqual(Object.fromEntries(expected.store.fires));
    expect(program.rejected).toEqual(expected.rejected);
    expect(program.states()).toEqual(expected.states());
  });
  await fc.assert(property, { numRuns });
  return counts;
}

describe('an engine that crashes', () => {
  it('ends with the fires, rejections and lead states of one that did not, wherever the crash cut its writes (R20)', async () => {
    const { crashes, fires, milestoneFires } = await withAndWithoutCrashes(script, RUNS);
    expect(crashes).toBeGreaterThan(800);
    expect(fires).toBeGreaterThan(3_200);
    expect(milestoneFires).toBeGreaterThan(1_600);
  });

  it('ends with them also when the crash cuts a backfill that is read, written down or merged (R16, R20)', async () => {
    const { mergesCut, eventsAdded } = await withAndWithoutCrashes(backfilledScript, Math.ceil(RUNS / 2));
    expect(mergesCut).toBeGreaterThan(40);
    expect(eventsAdded).toBeGreaterThan(600);
  });
});

describe('a change of a sequence', () => {
  it('is refused until the replay has reached every message that fired before the crash (R9, R20)', async () => {
    const { create, events, crashed } = await crashedAfterFire();
    const program = new Program(crashed, new Set());
    await program.start();
    expect(program.catalog.isReplaying).toBe(true);
    expect(await program.catalog.remove('ou', create.id)).toEqual({ ok: false, reason: 'unavailable' });
    await program.engine.process(events.slice(0, 1));
    expect(await program.catalog.remove('ou', create.id)).toEqual({ ok: false, reason: 'unavailable' });
    await program.engine.process(events.slice(1));
    expect(program.catalog.isReplaying).toBe(false);
    expect(await program.catalog.remove('ou', create.id)).toEqual({ ok: true });
  });

  it('is taken again when the stream holds nothing more of what was reached before the crash', async () => {
    const { create, crashed } = await crashedAfterFire();
    const program = new Program(crashed, new Set());
    await program.start();
    program.catalog.replayThrough(Number.MAX_SAFE_INTEGER);
    expect(await program.catalog.remove('ou', create.id)).toEqual({ ok: true });
  });

  /** A store with a fire of message 2 on it, and neither a checkpoint nor a lead state. */
  async function crashedAfterFire() {
    const events = eventsOfTypes(1, 0);
    const program = new Program(new SimulatedStore(), new Set());
    await program.start();
    const step = {
      kind: 'create' as const,
      steps: [0],
      window: 3,
      ordered: true,
      refire: 0,
      backfill: false,
    };
    await program.perform(step, 1, []);
    await program.engine.process(events);
    expect(program.store.fires.size).toBe(1);
    return {
      create: sequenceOf(1, step),
      events,
      crashed: program.store.crashedAfter(program.store.writeCount),
    };
  }
});

describe('a checkpoint', () => {
  it('that waited behind a group whose effects could not be committed is not written', async () => {
    const store = new SimulatedStore();
    const program = new Program(store, new Set());
    program.refusesRejected = true;
    await program.start();
    const unusable = eventsOfTypes(4);
    await program.engine.process(unusable);
    const committed = expect(program.engine.committed()).rejects.toThrow();
    const checkpoint = expect(program.engine.checkpoint()).rejects.toThrow();
    await Promise.all([committed, checkpoint]);
    await expect(program.engine.drain()).rejects.toThrow('the stream is full');
    expect(store.checkpoint()).toBeNull();
    await expect(program.engine.process(unusable)).rejects.toThrow();
  });

  it('keeps the changes that a replay has not reached yet, before which the old steps use events up (R9, R16)', async () => {
    const events = eventsOfTypes(0, 1, 0);
    const first = new Program(new SimulatedStore(), new Set());
    await first.start();
    await first.perform(
      { kind: 'create', steps: [0, 1], window: 9, ordered: true, refire: 0, backfill: false },
      1,
      [],
    );
    await first.engine.process(events.slice(0, 2));
    await first.perform(
      { kind: 'edit', nth: 0, steps: [1, 0], window: 9, active: true, refire: 0, backfill: false },
      2,
      [],
    );
    // The stream is away when the second life starts, writes a checkpoint and ends.
    const second = new Program(first.store.crashedAfter(first.store.writeCount), new Set());
    await second.start();
    await second.engine.checkpoint();
    const third = new Program(second.store.crashedAfter(second.store.writeCount), new Set());
    await third.start();
    await third.engine.process(events);
    expect([...third.store.fires.values()].map(({ streamSequence }) => streamSequence)).toEqual([2]);
  });

  it('notes with the lead states how far they reach, which may be beyond its own position', async () => {
    const store = new SimulatedStore();
    const program = new Program(store, new Set());
    await program.start();
    const messages = messagesOf([
      { kind: 'group', messages: [0, 1, 2].map((lead) => ({ lead, type: 0, delay: 1, lag: 0, id: null })) },
    ]).get(0)!;
    await program.engine.process(messages.slice(0, 2));
    const checkpoint = program.engine.checkpoint();
    await Promise.all([checkpoint, program.engine.process(messages.slice(2))]);
    expect(store.checkpoint()?.position).toBe(2);
    expect(store.highWater()?.position).toBe(3);
  });
});

describe('a change of a sequence after a crash', () => {
  const lead = (type: number) => ({ lead: 0, type, delay: 1, lag: 0, id: null });
  const script: readonly Step[] = [
    { kind: 'create', steps: [0, 1], window: 10, ordered: true, refire: 0, backfill: false },
    { kind: 'group', messages: [lead(0), lead(1), lead(0)] },
  ];

  it.each([
    // The mark is that of the group which the fire came with.
    { what: 'a fire', hasCheckpoint: false, reach: 3 },
    { what: 'a lead state', hasCheckpoint: true, reach: 3 },
  ])(
    'is refused until the replay has passed the furthest message of which $what is on disk (R20)',
    async ({ hasCheckpoint, reach }) => {
      const crashed = await runWithoutCrash(script);
      expect(crashed.store.fires.size).toBe(1);
      if (hasCheckpoint) await crashed.engine.checkpoint();
      // Of a checkpoint all is kept but its last write: the position.
      const kept = crashed.store.writeCount - (hasCheckpoint ? 1 : 0);
      const program = new Program(crashed.store.crashedAfter(kept), crashed.rejected);
      await program.start();
      const messages = messagesOf(script).get(1)!;
      for (const message of messages) {
        const isBehind = program.engine.position < reach;
        expect(program.catalog.isReplaying).toBe(isBehind);
        if (isBehind) {
          expect(await program.catalog.remove('ou', 'seq-0')).toEqual({ ok: false, reason: 'unavailable' });
        }
        await program.engine.process([message]);
      }
      expect(program.catalog.isReplaying).toBe(false);
      expect(await program.catalog.remove('ou', 'seq-0')).toEqual({ ok: true });
    },
  );
});
