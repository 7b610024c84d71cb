import type { Delivery, DeliveryId } from '../../src/model/delivery.ts';
import type { Destination } from '../../src/model/destination.ts';
import { SimulatedReceivers } from '../support/simulatedReceivers.ts';
import { SimulatedRejectedStream, SimulatedStream } from '../support/simulatedStream.ts';
import { Tables } from '../support/simulatedTables.ts';
import { Chance, SimulatedTime, Trace } from '../support/simulatedTime.ts';
import { endAgain, scheduleFaults } from './faults.ts';
import { judge } from './judge.ts';
import { Life } from './life.ts';
import { drawProfile, type Profile } from './profile.ts';
import { schedulePublishing } from './publisher.ts';
import { returnSoon, scheduleUsers } from './users.ts';

export const EPOCH_MS = 1_700_000_000_000;
/** Virtual time in which everything must have come to rest once nothing disturbs it any more. */
const REST_MS_MAX = 30 * 24 * 3_600_000;
const STEPS_MAX = 400_000;

export interface SeedResult {
  readonly seed: number;
  /** null when every promise was kept. */
  readonly failure: string | null;
  /** Of the whole trace: equal for equal runs. */
  readonly digest: string;
  readonly lastLines: readonly string[];
  readonly steps: number;
  /** The step at which faults, users and publishers ended. */
  readonly calmAtStep: number;
  /** Whether it was asked to end the busy time early. */
  readonly isShrunk: boolean;
  readonly counts: Counts;
}

/** How much happened, so that a simulation in which nothing happens is noticed. */
export interface Counts {
  messages: number;
  crashes: number;
  stops: number;
  changesAcknowledged: number;
  changesLost: number;
  writesFailed: number;
  clockSteps: number;
  fires: number;
  deliveries: number;
  dead: number;
  received: number;
  duplicates: number;
  rejected: number;
}

/** All that one seed decides: the server, the disk, the receivers, the users, and one life of the program after another. */
export class World {
  readonly seed: number;
  readonly chance: Chance;
  readonly profile: Profile;
  readonly time = new SimulatedTime();
  readonly trace = new Trace();
  readonly stream = new SimulatedStream();
  readonly rejected: SimulatedRejectedStream;
  readonly receivers: SimulatedReceivers;
  readonly disk = new Tables();
  readonly faults = { diskFull: false };
  /** Deliveries that are delivered, dead or skipped on disk. */
  readonly ended = new Map<DeliveryId, Delivery>();
  /** The highest checkpoint that was ever on disk. */
  positionDurable = 0;
  /** Changes whose promise resolved, as `changeName` names them. */
  readonly acknowledged = new Set<string>();
  readonly counts: Counts = {
    messages: 0,
    crashes: 0,
    stops: 0,
    changesAcknowledged: 0,
    changesLost: 0,
    writesFailed: 0,
    clockSteps: 0,
    fires: 0,
    deliveries: 0,
    dead: 0,
    received: 0,
    duplicates: 0,
    rejected: 0,
  };
  /** The program that runs now; null between two lives. */
  life: Life | null = null;
  isCalm = false;
  namesGiven = 0;
  /** Changes that users asked for, and those of them that were refused. */
  requests = 0;
  requestsRefused = 0;
  #clockOffsetMs = 0;
  #failure: string | null = null;

  constructor(seed: number) {
    this.seed = seed;
    this.chance = new Chance(seed);
    this.profile = drawProfile(this.chance);
    this.rejected = new SimulatedRejectedStream(this.time, this.chance);
    this.receivers = new SimulatedReceivers(this.chance);
  }

  /** What the program takes for the time of day. */
  get wallClockMs(): number {
    return EPOCH_MS + Math.floor(this.time.nowMs) + this.#clockOffsetMs;
  }

  /** The server's clock, which never falls. */
  get arrivalMicros(): number {
    return EPOCH_MS * 1_000 + Math.floor(this.time.nowMs * 1_000);
  }

  stepClock(byMs: number): void {
    this.counts.clockSteps++;
    this.trace.add(`the wall clock steps by ${byMs} ms`);
    this.#clockOffsetMs += byMs;
  }

  /** Keeps the first thing that went wrong; the simulation ends with this step. */
  fail(message: string): void {
    if (this.#failure !== null) return;
    this.#failure = message;
    this.trace.add(`FAILED: ${message}`);
  }

  /** Something that happens at random moments while the world is busy, so many times. */
  scatter(times: number, what: () => void): void {
    for (let time = 0; time < times; time++) {
      this.time.after(this.chance.between(0, this.profile.activeMs), () => {
        if (!this.isCalm) what();
      });
    }
  }

  boot(): void {
    const { chance, profile, trace } = this;
    const emailConfigured = this.isCalm || !chance.happens(profile.emailUnconfiguredShare);
    const life = new Life(this, emailConfigured);
    this.life = life;
    trace.add(`a life begins at checkpoint ${this.disk.checkpoint?.position ?? 0}`);
    life.start().then(
      () => {
        returnSoon(this);
        endAgain(this);
      },
      (error: unknown) => {
        // A start waits for room on the disk; only one that is told to stop gives up.
        if (!life.isStopping) this.fail(`the start failed: ${String(error)}`);
        trace.add(`the start was given up: ${String(error)}`);
        this.endLife(life, (count) => count);
      },
    );
  }

  /** The process is gone, and is started again a while later. */
  endLife(life: Life, writesKept: (notDurable: number) => number): void {
    if (this.life !== life) return;
    life.kill(writesKept);
    this.life = null;
    this.#checkAcknowledged();
    this.time.after(this.chance.between(10, 5_000), () => {
      if (this.life === null) this.boot();
    });
  }

  /** @param calmAtStep ends the busy time at this step; up to there the run is the same as without */
  async run(calmAtStep = Number.POSITIVE_INFINITY): Promise<SeedResult> {
    const onUnhandled = (error: unknown): void => this.fail(`an unhandled rejection: ${String(error)}`);
    process.on('unhandledRejection', onUnhandled);
    schedulePublishing(this);
    scheduleUsers(this);
    scheduleFaults(this);
    this.boot();
    let calmedAtStep = 0;
    try {
      await this.#runUntil(
        () => this.time.nowMs > this.profile.activeMs || this.time.steps >= calmAtStep,
        'the busy time never ended',
      );
      calmedAtStep = this.time.steps;
      this.#calmDown();
      await this.#rest();
      if (this.#failure === null) judge(this);
      await this.#restartOnce();
    } catch (error) {
      this.fail(error instanceof Error ? (error.stack ?? error.message) : String(error));
    } finally {
      process.off('unhandledRejection', onUnhandled);
    }
    return {
      seed: this.seed,
      failure: this.#failure,
      digest: this.trace.digest(),
      lastLines: this.trace.lastLines(),
      steps: this.time.steps,
      calmAtStep: calmedAtStep,
      isShrunk: calmAtStep !== Number.POSITIVE_INFINITY,
      counts: this.counts,
    };
  }

  #calmDown(): void {
    this.trace.add('calm');
    this.isCalm = true;
    this.faults.diskFull = false;
    this.stream.isGone = false;
    this.rejected.isGone = false;
    this.receivers.calmDown();
  }

  /** Everything there is to do gets done: first the stream is read to its end, then the last delivery ends. */
  async #rest(): Promise<void> {
    const caughtUp = (): boolean =>
      this.life?.isUp === true &&
      !this.life.isStopping &&
      this.life.engine.committedPosition === this.stream.lastSequence;
    await this.#runUntil(caughtUp, 'the stream is never read to its end');
    if (this.#failure !== null) return;
    // Emails that wait for a setting go out after a start with it.
    if (!this.life!.sendsEmail) await this.#restart();
    if (this.#failure !== null) return;
    const { engine, outbox, database } = this.life!;
    // Hours of retries lie ahead, and a beat for checkpoints would fill them with steps.
    await this.#runUntil(settled(engine.drain()), 'the last checkpoint is never written');
    let isResuming = false;
    const resumeAll = async (): Promise<void> => {
      for (const { ou, channel, url } of [...outbox.destinationsSet()]) {
        await outbox.changeDestination({ ou, channel, destination: url }, resumed);
      }
      isResuming = false;
    };
    const isIdle = (): boolean => {
      const isPaused = [...outbox.destinationsSet()].some(({ pause }) => pause !== null);
      if (isPaused && !isResuming) {
        isResuming = true;
        this.time.after(0, () => void resumeAll());
      }
      return !isPaused && !isResuming && isAtRest();
    };
    const isAtRest = (): boolean =>
      outbox.entries.lanes === 0 && outbox.inFlight === 0 && database.isIdle && this.disk.due.size === 0;
    await this.#runUntil(isIdle, 'deliveries never come to an end, or lanes are never forgotten');
  }

  /** A clean stop and a start on what it left: nothing more may happen. */
  async #restartOnce(): Promise<void> {
    if (this.#failure !== null) return;
    const received = JSON.stringify([...this.receivers.receipts]);
    await this.#restart();
    await this.#runUntil(() => this.life?.isUp === true, 'the last start never ended');
    const until = this.time.nowMs + 60_000;
    this.time.after(60_000, () => {});
    await this.#runUntil(() => this.time.nowMs >= until, 'the last minute never ended');
    if (JSON.stringify([...this.receivers.receipts]) !== received) {
      this.fail('something was sent again after everything had ended');
    }
  }

  async #restart(): Promise<void> {
    const life = this.life!;
    await this.#runUntil(settled(life.stop()), 'the program never stops');
    if (this.#failure !== null) return;
    if (this.disk.checkpoint?.position !== this.stream.lastSequence) {
      this.fail(`the stop left the checkpoint at ${this.disk.checkpoint?.position ?? 0}`);
    }
    this.endLife(life, (count) => count);
    await this.#runUntil(() => this.life?.isUp === true, 'the start never ended');
  }

  async #runUntil(isDone: () => boolean, otherwise: string): Promise<void> {
    const { time } = this;
    const lastMs = time.nowMs + REST_MS_MAX;
    while (!isDone() && this.#failure === null) {
      if (!(await time.step()) || time.nowMs > lastMs || time.steps > STEPS_MAX) this.fail(otherwise);
      if (this.receivers.complaint !== null) this.fail(this.receivers.complaint);
    }
  }

  #checkAcknowledged(): void {
    const made = new Set(this.disk.changesEver.map(changeName));
    for (const name of this.acknowledged) {
      if (!made.has(name)) this.fail(`the acknowledged change ${name} is lost`);
    }
  }
}

/** Whether a promise was kept by now; one that is broken never is. */
function settled(promise: Promise<unknown>): () => boolean {
  let isSettled = false;
  promise.then(
    () => {
      isSettled = true;
    },
    () => {},
  );
  return () => isSettled;
}

/** A change by its outcome; every request gives the sequence a name of its own. */
export function changeName({ before, after }: Tables['changesEver'][number]): string {
  return after === null ? `removal of ${before!.id} ${before!.name}` : `${after.id} ${after.name}`;
}

export function runSeed(seed: number, calmAtStep?: number): Promise<SeedResult> {
  return new World(seed).run(calmAtStep);
}

/** Looks for the shortest busy time after which the seed still fails; returns the failure that came of it. */
export async function shrink(failed: SeedResult): Promise<SeedResult> {
  let shortest = failed;
  // Below `passing` it did not fail. A failure need not be monotonous in it: this finds a short one, not the shortest.
  for (let passing = 0; shortest.calmAtStep - passing > 1; ) {
    const middle = Math.floor((passing + shortest.calmAtStep) / 2);
    const result = await runSeed(failed.seed, middle);
    if (result.failure === null) passing = middle;
    else shortest = { ...result, calmAtStep: middle };
  }
  return shortest;
}

export function addCounts(sum: Counts | null, counts: Counts): Counts {
  const total = { ...counts };
  for (const name of Object.keys(total) as (keyof Counts)[]) total[name] += sum?.[name] ?? 0;
  return total;
}

function resumed(destination: Destination): Destination {
  return { ...destination, pause: null };
}
