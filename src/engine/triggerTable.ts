import type { OuId } from '../model/event.ts';
import { isMilestone, isSequence, type Trigger } from '../model/trigger.ts';

/** Triggers by OU and id. */
export class TriggerTable {
  private readonly byOu = new Map<OuId, Map<string, Trigger>>();

  get(ou: OuId, id: string): Trigger | undefined {
    return this.byOu.get(ou)?.get(id);
  }

  set(trigger: Trigger): void {
    let byId = this.byOu.get(trigger.ou);
    if (byId === undefined) {
      byId = new Map();
      this.byOu.set(trigger.ou, byId);
    }
    byId.set(trigger.id, trigger);
  }

  delete(ou: OuId, id: string): void {
    this.byOu.get(ou)?.delete(id);
  }

  /** Those of an OU in the order of their creation. */
  of(ou: OuId): readonly Trigger[] {
    const triggers = [...(this.byOu.get(ou)?.values() ?? [])];
    return triggers.sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1));
  }

  /** How many of one kind an OU has. */
  count(ou: OuId, kind: 'sequence' | 'milestone'): number {
    const isOfKind = kind === 'milestone' ? isMilestone : isSequence;
    let count = 0;
    for (const trigger of this.byOu.get(ou)?.values() ?? []) if (isOfKind(trigger)) count++;
    return count;
  }

  *all(): Generator<Trigger> {
    for (const byId of this.byOu.values()) yield* byId.values();
  }
}
