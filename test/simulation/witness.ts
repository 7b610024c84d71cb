import type { Matcher } from '../../src/matcher/matcher.ts';
import type { DeliveryId } from '../../src/model/delivery.ts';
import type { FeedMessage } from '../../src/model/event.ts';
import type { Fire, FireId } from '../../src/model/fire.ts';
import type { DeliveryQueue } from '../../src/outbox/ports.ts';
import type { Outgoing } from '../../src/outbox/sender.ts';
import type { SimulatedDatabase, WriteKind } from '../support/simulatedDatabase.ts';
import { leadKey, type Tables } from '../support/simulatedTables.ts';
import type { World } from './world.ts';

/** A fire or a rejection that the engine derived from a message and must make durable. */
interface Effect {
  readonly position: number;
  /** null where the message names no lead. */
  readonly lead: string | null;
  /** null for a rejection. */
  readonly fireId: FireId | null;
}

/** Watches one life, and speaks up at the very moment at which a promise of the program is broken. */
export class Witness {
  readonly #world: World;
  readonly #database: SimulatedDatabase;
  readonly #effects: Effect[] = [];
  /** Positions of the messages that each lead's state contains, as far as this life applied them. */
  readonly #accepted = new Map<string, number[]>();
  /** Attempts already sent by this life, by delivery: a further one needs a record of the last. */
  readonly #sent = new Map<DeliveryId, number>();

  constructor(world: World, database: SimulatedDatabase) {
    this.#world = world;
    this.#database = database;
  }

  /** Notes which messages change the matcher's state. */
  watch(matcher: Matcher): void {
    const apply = matcher.apply.bind(matcher);
    const forgetSilent = matcher.forgetSilent.bind(matcher);
    matcher.apply = (event) => {
      const outcome = apply(event);
      if (outcome.kind === 'held' || outcome.kind === 'unlisted') {
        const key = leadKey(event);
        const positions = this.#accepted.get(key) ?? [];
        positions.push(event.streamSequence);
        this.#accepted.set(key, positions);
      }
      return outcome;
    };
    matcher.forgetSilent = (leadsMax, silentBefore) => {
      const gone = forgetSilent(leadsMax, silentBefore);
      for (const key of gone) this.#accepted.delete(leadKey(key));
      return gone;
    };
  }

  /** The queue, with an eye on attempts that could not be recorded: those are made again. */
  queue(): DeliveryQueue {
    const database = this.#database;
    return {
      lanes: (after, count) => database.lanes(after, count),
      heldLanes: (after, count) => database.heldLanes(after, count),
      laneOf: (delivery) => database.laneOf(delivery),
      partsOf: (lane) => database.partsOf(lane),
      due: (lane, nowMs, skip, count) => database.due(lane, nowMs, skip, count),
      postpone: (lane, id, untilMs) => database.postpone(lane, id, untilMs),
      move: (id, url, nowMs) => database.move(id, url, nowMs),
      hold: (lane, reason, nowMs) => database.hold(lane, reason, nowMs),
      release: (lane, nowMs) => database.release(lane, nowMs),
      giveUp: (...change) => database.giveUp(...change),
      recordAttempts: async (settlements) => {
        try {
          return await database.recordAttempts(settlements);
        } catch (error) {
          for (const { delivery } of settlements) this.#sent.delete(delivery.id);
          throw error;
        }
      },
    };
  }

  onFire(fire: Fire): void {
    this.#effects.push({ position: fire.streamSequence, lead: leadKey(fire), fireId: fire.id });
  }

  onRejection({ streamSequence, decoded }: FeedMessage): void {
    const lead = 'event' in decoded ? leadKey(decoded.event) : null;
    this.#effects.push({ position: streamSequence, lead, fireId: null });
  }

  onSend({ delivery, fire, nowMs }: Outgoing): void {
    const { id, attemptsMade, attemptsBefore, dueAtMs } = delivery;
    const { profile } = this.#world;
    const attempt = `attempt ${attemptsMade + 1} of ${id}`;
    if (!this.#database.isDurable(fire.id, id)) this.#fail(`${attempt} was sent before its row was on disk`);
    if (dueAtMs === null || dueAtMs > nowMs) this.#fail(`${attempt} was sent before it was due`);
    if (attemptsMade - attemptsBefore >= profile.retryDelaysMs.length)
      this.#fail(`${attempt} is beyond the schedule`);
    if (this.#sent.get(id) === attemptsMade) this.#fail(`${attempt} was sent twice in one life`);
    if (this.#world.ended.has(id)) this.#fail(`${attempt} was sent after its end was on disk`);
    this.#sent.set(id, attemptsMade);
  }

  onDurable(kind: WriteKind, disk: Tables): void {
    this.#world.trace.add(`durable: ${kind}`);
    if (kind === 'leads') this.#checkLeads(disk);
    if (kind === 'checkpoint') this.#checkCheckpoint(disk);
    if (kind === 'change') this.#checkReach(disk, disk.changesEver.at(-1)!.position, 'a change');
    if (kind === 'fires') {
      for (const { fire } of disk.fires.values())
        this.#checkReach(disk, fire.streamSequence, `the fire ${fire.id}`);
    }
    if (kind === 'fires' || kind === 'attempt' || kind === 'lane') this.#checkEnded(disk);
  }

  /** A state on disk contains no message whose effects could still be lost. */
  #checkLeads(disk: Tables): void {
    for (const [key, { state }] of disk.leads) {
      const position = appliedPosition(state);
      this.#checkReach(disk, position, `the state of ${key}`);
      const lost = this.#effects.find(
        (effect) => effect.lead === key && effect.position <= position && !this.#isDurable(effect, disk),
      );
      if (lost !== undefined) {
        this.#fail(`the state of ${key} holds message ${lost.position}, an effect of which is not on disk`);
      }
    }
  }

  /** A position on disk is never ahead of the states and the effects that it covers, and never falls. */
  #checkCheckpoint(disk: Tables): void {
    const { position } = disk.checkpoint!;
    this.#checkReach(disk, position, 'the checkpoint');
    if (position < this.#world.positionDurable) this.#fail(`the checkpoint fell to ${position}`);
    this.#world.positionDurable = position;
    for (const effect of this.#effects) {
      if (effect.position <= position && !this.#isDurable(effect, disk)) {
        this.#fail(
          `the checkpoint at ${position} covers ${effect.position}, an effect of which is not on disk`,
        );
      }
    }
    for (const [key, positions] of this.#accepted) {
      const covered = positions.findLast((accepted) => accepted <= position);
      const row = disk.leads.get(key);
      const written = row === undefined ? 0 : appliedPosition(row.state);
      if (covered !== undefined && covered > written) {
        this.#fail(`the checkpoint at ${position} is ahead of ${key}, which stands at ${written}`);
      }
    }
  }

  #checkReach(disk: Tables, position: number, what: string): void {
    const reach = disk.highWater?.position ?? 0;
    if (reach < position) this.#fail(`${what} reaches to ${position}, but the high-water mark to ${reach}`);
  }

  /** What was delivered, given up or skipped stays so. */
  #checkEnded({ deliveries }: Tables): void {
    const { ended } = this.#world;
    for (const [id, delivery] of deliveries) {
      const before = ended.get(id);
      if (before !== undefined && before !== delivery)
        this.#fail(`${id} ended as ${before.state} and went on`);
      if (delivery.dueAtMs === null && delivery.state !== 'held') ended.set(id, delivery);
    }
  }

  #isDurable({ position, fireId }: Effect, disk: Tables): boolean {
    return fireId === null ? this.#world.rejected.stored.has(position) : disk.fires.has(fireId);
  }

  #fail(message: string): void {
    this.#world.fail(message);
  }
}

/** The position up to which a lead's state is applied: a varint behind the version and the newest time. */
function appliedPosition(state: Uint8Array): number {
  let position = 0;
  let factor = 1;
  for (let at = 9; ; at++) {
    const byte = state[at]!;
    position += (byte & 0x7f) * factor;
    if (byte < 0x80) return position;
    factor *= 128;
  }
}
