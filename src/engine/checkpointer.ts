import type { EncodedLead, LeadHandle, Matcher } from '../matcher/matcher.ts';
import type { Checkpoint, Reach } from '../model/checkpoint.ts';
import type { Clock } from './clock.ts';
import type { EngineMetrics, LoggerPort, StateStorePort } from './ports.ts';
import { inWritingOrder } from './writingOrder.ts';

/** Leads encoded in one turn: a few milliseconds, so that the feed is never held up for longer. */
export const LEADS_PER_TURN = 200;

/**
 * Runs a step between two groups of messages, when what was rejected so far is stored. Whatever the step asks of the
 * store is made after what the groups before asked of it, and before what the groups behind will ask.
 */
export type RunTurn = <T>(step: () => T) => Promise<T>;

/** Silent leads are looked for in this fraction of all leads per checkpoint, at least in as many as one turn has. */
const SWEEP_FRACTION = 1 / 64;

/**
 * Brings the lead states to disk while the feed goes on (a fuzzy checkpoint, as ARIES calls it).
 *
 * It notes the position, then writes every lead that was changed up to then, a few per turn between two
 * groups of messages. A lead may have moved on by the time it is written; its state says up to which stream
 * sequence it is applied, so a replay from the noted position passes over what it contains already. When all
 * are written the noted position is: never ahead of the states it covers.
 *
 * In a turn nothing is half done: the fires of all applied messages are asked of the store before the states,
 * and the rejections are stored, so a state on disk never contains a message whose effects could still be lost.
 */
export class Checkpointer {
  private readonly matcher: Matcher;
  private readonly store: StateStorePort;
  private readonly turn: RunTurn;
  private readonly maySweep: () => boolean;
  private readonly fail: (error: unknown) => Error;
  private readonly metrics: EngineMetrics;
  private readonly logger: LoggerPort;
  private readonly clock: Clock;
  private readonly leadsPerTurn: number;
  private running: Promise<Checkpoint> | null = null;

  constructor(options: {
    matcher: Matcher;
    store: StateStorePort;
    turn: RunTurn;
    /** Whether silent leads may be removed. */
    maySweep: () => boolean;
    /** Told of a write that could not be made. */
    fail: (error: unknown) => Error;
    metrics: EngineMetrics;
    logger: LoggerPort;
    clock: Clock;
    leadsPerTurn: number;
  }) {
    this.matcher = options.matcher;
    this.store = options.store;
    this.turn = options.turn;
    this.maySweep = options.maySweep;
    this.fail = options.fail;
    this.leadsPerTurn = options.leadsPerTurn;
    this.metrics = options.metrics;
    this.logger = options.logger;
    this.clock = options.clock;
  }

  /**
   * Writes a checkpoint; `read` is called within turns and says where the engine stands. While one is being
   * written, a further call returns the same promise. Resolves with what was written.
   */
  run(read: () => Checkpoint): Promise<Checkpoint> {
    this.running ??= this.write(read).finally(() => {
      this.running = null;
    });
    return this.running;
  }

  /** Resolves when none is being written; never rejects. */
  async idle(): Promise<void> {
    await this.running?.catch(() => undefined);
  }

  private async write(read: () => Checkpoint): Promise<Checkpoint> {
    const startedMs = this.clock.nowMs();
    const { checkpoint, dirty } = await this.turn(() => ({
      checkpoint: read(),
      dirty: this.matcher.takeDirty(),
    }));
    const { position } = checkpoint;
    this.logger.debug({ position, leads: dirty.length }, 'a checkpoint begins');
    let bytes = 0;
    let reach: Reach = checkpoint;
    for await (const handles of inWritingOrder(this.matcher, dirty, this.leadsPerTurn)) {
      const asked = await this.turn(() => {
        reach = read();
        return this.putLeads(handles, reach);
      });
      bytes += await this.written(asked);
    }
    await this.store.putCheckpoint(checkpoint, reach);
    this.logger.debug({ position, bytes }, 'a checkpoint is on disk');
    if (this.maySweep()) await this.written(await this.turn(() => this.sweep(checkpoint)));
    this.metrics.onCheckpoint(dirty.length, bytes, (this.clock.nowMs() - startedMs) / 1000);
    return checkpoint;
  }

  private putLeads(handles: readonly LeadHandle[], reach: Reach): Asked {
    const rows: EncodedLead[] = [];
    let bytes = 0;
    for (const handle of handles) {
      const row = this.matcher.encodeDirty(handle);
      if (row === undefined) continue;
      bytes += row.state.length;
      rows.push(row);
    }
    // An encoded lead counts as clean, so its state must not get lost here: the store waits for room.
    return { bytes, written: this.store.putLeads(rows, reach) };
  }

  /** By the silence at the checkpoint that is on disk now, because a restart begins with that. */
  private sweep({ silentBefore }: Checkpoint): Asked {
    const leadsMax = Math.max(this.leadsPerTurn, Math.ceil(this.matcher.leadCount * SWEEP_FRACTION));
    const gone = this.matcher.forgetSilent(leadsMax, silentBefore);
    return { bytes: 0, written: gone.length === 0 ? Promise.resolve() : this.store.removeLeads(gone) };
  }

  /** Groups go on meanwhile. Memory is ahead of the disk after a failure, as if it were one of the turn. */
  private async written({ bytes, written }: Asked): Promise<number> {
    try {
      await written;
    } catch (error) {
      throw this.fail(error);
    }
    return bytes;
  }
}

/** A write that a turn asked for. */
interface Asked {
  readonly bytes: number;
  readonly written: Promise<void>;
}
