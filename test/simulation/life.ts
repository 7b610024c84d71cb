import { Catalog } from '../../src/engine/catalog.ts';
import { Engine } from '../../src/engine/engine.ts';
import { Matcher } from '../../src/matcher/matcher.ts';
import type { FeedMessage, Rejection } from '../../src/model/event.ts';
import { limitsFor } from '../../src/outbox/options.ts';
import { Outbox } from '../../src/outbox/outbox.ts';
import { planDeliveries } from '../../src/outbox/plan.ts';
import type { Outgoing, Sender } from '../../src/outbox/sender.ts';
import { digestOf, reconcile } from '../../src/stream/reconcile.ts';
import { SimulatedDatabase } from '../support/simulatedDatabase.ts';
import { SimulatedFeed, STREAM_CREATED, STREAM_NAME } from '../support/simulatedStream.ts';
import type { Tables } from '../support/simulatedTables.ts';
import { SimulatedProcess } from '../support/simulatedTime.ts';
import { Witness } from './witness.ts';
import type { World } from './world.ts';

/** As in the composition of the program. */
const ONE_LEAD = { leads: 1, bytes: 1 };
const WRITES_STOP_MS = 5_000;
const OUTBOX_DRAIN_MS = 10_000;
const REJECTED_PAUSE_MS = 500;
const FUTURE_SKEW_MICROS = 300_000_000;

/**
 * The program from its start to its end, put together as the composition root does: real catalog, engine,
 * matcher and outbox between a simulated stream, store and world outside.
 */
export class Life {
  readonly process: SimulatedProcess;
  readonly database: SimulatedDatabase;
  readonly catalog: Catalog;
  readonly engine: Engine;
  readonly outbox: Outbox;
  readonly witness: Witness;
  readonly sendsEmail: boolean;
  /** Whether it consumes; changes of sequences are refused before. */
  isUp = false;
  readonly #world: World;
  readonly #matcher: Matcher;
  readonly #feed: SimulatedFeed;
  #isStopping = false;
  #givesUpRejected = false;

  /** @param sendsEmail whether a mail server is configured */
  constructor(world: World, sendsEmail: boolean) {
    const { profile, chance } = world;
    this.#world = world;
    this.sendsEmail = sendsEmail;
    this.process = new SimulatedProcess(world.time);
    this.database = this.#openDatabase(world.disk);
    this.#matcher = new Matcher(matcherLimits(world), { hashSeed: chance.integer(0, 2 ** 32 - 1) });
    this.witness = new Witness(world, this.database);
    this.witness.watch(this.#matcher);
    this.catalog = new Catalog({
      matcher: this.#matcher,
      store: this.database,
      backfillStore: this.database,
      sequencesPerOuMax: 4,
      currentPosition: () => this.engine.position,
      currentMark: () => this.engine.mark(),
      logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    });
    this.outbox = this.#createOutbox();
    this.engine = this.#createEngine();
    this.#feed = new SimulatedFeed(world.stream, this.process, chance, profile.repeatedShare);
  }

  /** Rejects where the real program would not start. */
  async start(): Promise<void> {
    const checkpoint = this.engine.load();
    this.engine.loadOthers();
    await this.outbox.start();
    const { stream } = this.#world;
    const highWater = this.engine.highWater();
    if (highWater !== null) {
      this.#expectResume(reconcile(highWater, stream.seenFrom(highWater.sequence), 'halt').verdict.outcome);
    }
    const mark = checkpoint?.stream ?? null;
    const found = reconcile(mark, stream.seenFrom(mark?.sequence ?? 0), 'halt');
    if (mark !== null) this.#expectResume(found.verdict.outcome);
    await this.engine.start({
      streamName: STREAM_NAME,
      streamCreated: STREAM_CREATED,
      startSequence: found.proceed ? found.startSequence : 1,
      renumbered: false,
    });
    this.#feed.start(this.engine.streamCursor, (group) => this.engine.process(group));
    this.isUp = true;
  }

  /** Stops as on SIGTERM; whatever it could not finish is left to the next life. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const cancel = this.process.after(WRITES_STOP_MS, () => {
      this.#givesUpRejected = true;
      this.database.abandonWrites();
    });
    try {
      await this.#feed.stop();
      await this.engine.drain();
    } catch {
      this.#world.trace.add('no last checkpoint was written');
    }
    cancel();
    this.database.abandonWrites();
    const { unfinished } = await this.outbox.drain(OUTBOX_DRAIN_MS);
    await this.database.flushed();
    this.#world.trace.add(`stopped at ${this.engine.position}, ${unfinished} attempts cut off`);
  }

  /** Ends the process between two instructions. */
  kill(writesKept: (notDurable: number) => number): void {
    this.process.kill();
    this.database.crash(writesKept);
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  #expectResume(outcome: string): void {
    if (outcome !== 'resume') this.#world.fail(`the start took the stream for ${outcome}`);
  }

  #openDatabase(disk: Tables): SimulatedDatabase {
    const { chance, faults, profile } = this.#world;
    return new SimulatedDatabase(disk, {
      process: this.process,
      chance,
      fails: () => {
        if (!faults.diskFull || !chance.happens(0.9)) return false;
        this.#world.counts.writesFailed++;
        return true;
      },
      onDurable: (kind, tables) => this.witness.onDurable(kind, tables),
      commitMsMax: profile.commitMsMax,
      flushMsMax: profile.flushMsMax,
    });
  }

  #createOutbox(): Outbox {
    const { profile, chance, trace } = this.#world;
    const sender = (timeoutMs: number): Sender => ({
      send: (outgoing, signal) => this.#send(outgoing, signal, timeoutMs),
      close: async () => {},
    });
    return new Outbox({
      queue: this.witness.queue(),
      destinations: this.database,
      fires: this.database,
      sequenceOf: (ou, id) => this.database.triggerOf(ou, id),
      webhookSender: sender(profile.webhookTimeoutMs),
      emailSender: this.sendsEmail ? sender(20 * profile.webhookTimeoutMs) : null,
      retryDelaysMs: profile.retryDelaysMs,
      log: {
        debug: () => {},
        info: () => {},
        warn: () => {},
        error: (_fields, message) => trace.add(message),
      },
      metrics: { onAttempt: () => {} },
      limits: limitsFor(profile.attemptsMax, Math.max(1, Math.floor(profile.attemptsMax / 16))),
      clock: {
        nowMs: () => this.#world.wallClockMs,
        after: (delayMs, run) => this.process.after(delayMs, run),
      },
      random: chance.unit,
    });
  }

  #createEngine(): Engine {
    const { profile, trace } = this.#world;
    return new Engine({
      matcher: this.#matcher,
      catalog: this.catalog,
      store: this.database,
      commitFires: (entries, reach) => this.database.commitFires(entries, reach),
      storeRejected: (message, rejection) => {
        this.witness.onRejection(message);
        return this.#storeRejected(message, rejection);
      },
      planDeliveries: (fire, sequence) => {
        this.witness.onFire(fire);
        return planDeliveries(fire, sequence, {
          emailConfigured: this.sendsEmail,
          pauseReason: (destination) => this.outbox.heldReason(destination),
          nowMs: this.#world.wallClockMs,
          firstDelayMs: profile.retryDelaysMs[0]!,
        });
      },
      digestOf,
      onDeliveriesDurable: (deliveries) => this.outbox.wake(deliveries),
      metrics: {
        onGroup: (_counts, messages) => trace.add(`applied ${messages} messages to ${this.engine.position}`),
        onCheckpoint: (rows) => trace.add(`checkpoint with ${rows} leads`),
      },
      logger: {
        debug: () => {},
        info: () => {},
        warn: () => {},
        error: (_fields, message) => trace.add(message),
      },
      checkpointIntervalMs: profile.checkpointIntervalMs,
      leadsPerTurn: profile.leadsPerTurn,
      loading: { atStart: ONE_LEAD, perTurn: ONE_LEAD, intervalMs: profile.loadIntervalMs },
      clock: this.process,
    });
  }

  /** Tries for as long as it takes, as the room of the stream does. */
  async #storeRejected(message: FeedMessage, rejection: Rejection): Promise<void> {
    for (;;) {
      try {
        return await this.#world.rejected.store(this.process, message, rejection);
      } catch (error) {
        if (this.#givesUpRejected) throw error;
        this.#world.trace.add('a rejected message could not be stored');
      }
      await this.process.sleep(REJECTED_PAUSE_MS);
    }
  }

  async #send(outgoing: Outgoing, signal: AbortSignal, timeoutMs: number) {
    const { trace, receivers } = this.#world;
    const { id, attemptsMade, destination } = outgoing.delivery;
    this.witness.onSend(outgoing);
    const result = await receivers.send(this.process, outgoing, signal, timeoutMs);
    trace.add(`attempt ${attemptsMade + 1} of ${id.slice(0, 12)} to ${destination}: ${result.outcome}`);
    return result;
  }
}

export function matcherLimits({ profile }: World) {
  return {
    allowedLatenessMicros: profile.latenessSeconds * 1_000_000,
    futureSkewMicros: FUTURE_SKEW_MICROS,
    heldEventsMax: 1_000,
  };
}
