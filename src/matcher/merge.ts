import { decodeLead } from './codec.ts';
import type { Lead } from './lead.ts';
import type { LeadLog } from './leadLog.ts';
import { LeadTable } from './leadTable.ts';
import type { Program } from './program.ts';
import { Text } from './text.ts';

interface HeldEvent {
  readonly timeMicros: number;
  readonly streamSequence: number;
  readonly type: number;
  readonly id: Uint8Array;
}

/** Brings states of leads together. */
export class Merger {
  private readonly latenessMicros: number;
  private readonly eventId: Text;
  private readonly otherId = new Text(0).set('-');
  private readonly otherEventId = new Text(0);
  private others: LeadTable | null = null;

  /** @param hashSeed that of the leads' logs */
  constructor(latenessMicros: number, hashSeed: number) {
    this.latenessMicros = latenessMicros;
    this.eventId = new Text(hashSeed);
  }

  /** A lead as it was encoded, beside those of the matcher; valid until the next is read. Its types are interned. */
  read(state: Uint8Array, program: Program): Lead {
    this.others ??= new LeadTable();
    const previous = this.others.find(0, this.otherId);
    if (previous !== undefined) this.others.remove(previous, this.otherId);
    const lead = this.others.add(0, this.otherId, 0);
    decodeLead(lead, program, this.otherEventId, state);
    return lead;
  }

  /**
   * Adds the events of another state of a lead, each at its place in the lead's order (R2), but for those whose id
   * it holds (R13) and those whose time is over (R15). An event that both hold has fulfilled the conditions of both.
   * The times of the other state go on to the lead where they are later.
   *
   * @param heardMicros when the lead was last heard of at the least.
   * @returns how many events it added; null: the lead stays as it was.
   */
  absorb(lead: Lead, other: Lead, heardMicros: number, program: Program): { readonly added: number } | null {
    const newestMicros = Math.max(lead.newestMicros, other.newestMicros);
    const merged = new Map(heldIn(lead.log).map((event) => [keyOf(event), event]));
    let added = 0;
    let judged = 0;
    for (const event of heldIn(other.log)) {
      const same = merged.get(keyOf(event));
      if (same !== undefined) {
        const type = bothFulfilled(program, same, event);
        if (type === same.type) continue;
        merged.set(keyOf(same), { ...same, type });
        judged++;
      } else if (newestMicros - event.timeMicros <= program.holdMicros(event.type) + this.latenessMicros) {
        merged.set(keyOf(event), event);
        added++;
      }
    }
    if (added === 0 && judged === 0) return null;
    this.refill(lead.log, [...merged.values()].sort(inLeadsOrder));
    lead.newestMicros = newestMicros;
    lead.appliedStreamSequence = Math.max(lead.appliedStreamSequence, other.appliedStreamSequence);
    lead.lastHeardMicros = Math.max(heardMicros, other.lastHeardMicros);
    lead.nothingExpiresUntilMicros = Number.NEGATIVE_INFINITY;
    return { added };
  }

  private refill(log: LeadLog, events: readonly HeldEvent[]): void {
    log.clear();
    for (const { timeMicros, streamSequence, type, id } of events) {
      log.append(timeMicros, streamSequence, type, this.eventId.setBytes(id, 0, id.length));
    }
  }
}

/** The events of a log in its order; what is given stays when the log changes. */
function heldIn(log: LeadLog): readonly HeldEvent[] {
  const events: HeldEvent[] = [];
  for (let position = 0; position < log.length; position++) {
    if (!log.isHeld(position)) continue;
    events.push({
      timeMicros: log.timeAt(position),
      streamSequence: log.streamSequenceAt(position),
      type: log.typeAt(position),
      id: log.idBytesAt(position),
    });
  }
  return events;
}

/** Equal for equal ids. */
function keyOf({ id }: HeldEvent): string {
  return Buffer.from(id.buffer, id.byteOffset, id.length).toString('latin1');
}

/** R2 */
function inLeadsOrder(one: HeldEvent, other: HeldEvent): number {
  return one.timeMicros - other.timeMicros || one.streamSequence - other.streamSequence;
}

/**
 * The type of a held event that is judged by the conditions of another program as well; as it is where the other
 * event has nothing but the id in common with it.
 */
function bothFulfilled(program: Program, held: HeldEvent, other: HeldEvent): number {
  const { classes } = program;
  const name = classes.nameOf(held.type);
  if (held.type === other.type || held.timeMicros !== other.timeMicros) return held.type;
  if (name !== classes.nameOf(other.type)) return held.type;
  const fulfilled = new Set([...classes.fulfilledBy(held.type), ...classes.fulfilledBy(other.type)]);
  return program.internType(name, [...fulfilled].sort());
}
