import type { EncodedLead, LeadHandle, Matcher } from '../matcher/matcher.ts';
import type { Checkpoint, Reach } from '../model/checkpoint.ts';
import type { Clock } from './clock.ts';
import type { EngineMetrics, LoggerPort, StateStorePort } from './ports.ts';
import type { Turnstile } from './turnstile.ts';
import { inWritingOrder } from './writingOrder.ts';

/** Leads encoded in one turn: a few milliseconds, so that the feed is never held up for longer. */
export const LEADS_PER_TURN = 200;

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
 * Between two turns nothing is half done: the fires of all applied messages are committed and their
 * rejections are stored, so a written state never contains a message whose effects could still be lost.
 */
export class Checkpointer {
  private readonly matcher: Matcher;
  private readonly store: StateStorePort;
  private readonly turnstile: Turnstile;
  private readonly metrics: EngineMetrics;
  private readonly logger: LoggerPort;
  private readonly clock: Clock;
  private readonly leadsPerTurn: number;
  private running: Promise<Checkpoint> | null = null;

  constructor(options: {
    matcher: Matcher;
    store: StateStorePort;
    turnstile: Turnstile;
    metrics: EngineMetrics;
    logger: LoggerPort;
    clock: Clock;
    leadsPerTurn: number;
  }) {
    this.matcher = options.matcher;
    this.store = options.store;
    this.turnstile = options.turnstile;
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
    const { checkpoint, dirty } = await this.turnstile.run(async () => ({
      checkpoint: read(),
      dirty: this.matcher.takeDirty(),
    }));
    const { position } = checkpoint;
    this.logger.debug({ position, leads: dirty.length }, 'a checkpoint begins');
    let bytes = 0;
    let reach: Reach = checkpoint;
    for await (const handles of inWritingOrder(this.matcher, dirty, this.leadsPerTurn)) {
      bytes += await this.turnstile.run(() => {
        reach = read();
        return this.writeLeads(handles, reach);
      });
    }
    await this.store.putCheckpoint(checkpoint, reach);
    this.logger.debug({ position, bytes }, 'a checkpoint is on disk');
    await this.turnstile.run(() => this.sweep(checkpoint));
    this.metrics.onCheckpoint(dirty.length, bytes, (this.clock.nowMs() - startedMs) / 1000);
    return checkpoint;
  }

  private async writeLeads(handles: readonly LeadHandle[], reach: Reach): Promise<number> {
    const rows: EncodedLead[] = [];
    let bytes = 0;
    for (const handle of handles) {
      const row = this.matcher.encodeDirty(handle);
      if (row === undefined) continue;
      bytes += row.state.length;
      rows.push(row);
    }
    // An encoded lead counts as clean, so its state must not get lost here: the store waits for room.
    await this.store.putLeads(rows, reach);
    return bytes;
  }

  /** By the silence at the checkpoint that is on disk now, because a restart begins with that. */
  private async sweep({ silentBefore }: Checkpoint): Promise<void> {
    const leadsMax = Math.max(this.leadsPerTurn, Math.ceil(this.matcher.leadCount * SWEEP_FRACTION));
    const gone = this.matcher.forgetSilent(leadsMax, silentBefore);
    if (gone.length === 0) return;
    await this.store.removeLeads(gone);
  }
}
