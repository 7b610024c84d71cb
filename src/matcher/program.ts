import type { OuId } from '../model/event.ts';
import type { MilestoneDefinition, MilestoneId } from '../model/milestone.ts';
import type { SequenceDefinition, SequenceId } from '../model/sequence.ts';
import { type CompiledSequence, compileSequence } from './compiledSequence.ts';
import { Milestones } from './milestones.ts';
import { OrderedAutomaton } from './orderedAutomaton.ts';
import { Reduction } from './reduction.ts';
import { UnorderedAutomaton } from './unorderedAutomaton.ts';

/**
 * The compiled triggers of one OU: what the leads' logs and scores are run through. It holds nothing about any lead, so
 * a change of a sequence touches no lead.
 */
export class Program {
  readonly ou: OuId;
  readonly ordered = new OrderedAutomaton();
  readonly unordered = new UnorderedAutomaton();
  readonly reduction = new Reduction();
  readonly milestones = new Milestones();
  private readonly sequencesById = new Map<SequenceId, CompiledSequence>();
  private readonly typeIds = new Map<string, number>();
  private readonly typeNames: string[] = [];
  private readonly sequencesByType: Set<CompiledSequence>[] = [];
  private readonly holdMicrosByTypeValue: number[] = [];
  /** Ids of sequences and milestone triggers as small integers. An id that a lead's marks name may be compiled only later, in a replay. */
  private readonly keyById = new Map<SequenceId, number>();
  private readonly idByKey = new Map<number, SequenceId>();
  private nextKey = 1;
  /** Largest window of any sequence, 0 without sequences. */
  windowMicrosMax = 0;
  /** Rises whenever the time that some type is held for changes. */
  spanVersion = 0;

  constructor(ou: OuId) {
    this.ou = ou;
  }

  get isEmpty(): boolean {
    return this.sequencesById.size === 0 && this.milestones.isEmpty;
  }

  sequence(id: SequenceId): CompiledSequence | undefined {
    return this.sequencesById.get(id);
  }

  /** Whether an event of the type, arriving in order, can complete an active sequence. */
  completes(type: number): boolean {
    return this.ordered.endsWith(type) || this.unordered.completes(type);
  }

  setSequence(definition: SequenceDefinition): void {
    const previous = this.sequencesById.get(definition.id);
    const next = compileSequence(definition, this.keyOf(definition.id), (type) => this.internType(type));
    if (previous !== undefined) this.unlink(previous);
    this.sequencesById.set(next.id, next);
    for (const type of next.steps) this.sequencesByType[type]!.add(next);
    this.reduction.add(next);
    if (next.active) (next.ordered ? this.ordered : this.unordered).add(next);
    this.updateSpans(previous, next);
  }

  removeSequence(id: SequenceId): void {
    const previous = this.sequencesById.get(id);
    if (previous === undefined) return;
    this.unlink(previous);
    this.sequencesById.delete(id);
    this.retire(id, previous.key);
    this.updateSpans(previous, undefined);
  }

  setMilestone(definition: MilestoneDefinition): void {
    this.milestones.set(definition, this.keyOf(definition.id));
  }

  removeMilestone(id: MilestoneId): void {
    const previous = this.milestones.get(id);
    if (previous === undefined) return;
    this.milestones.remove(id);
    this.retire(id, previous.key);
  }

  /** The id that stands for a type name, where some sequence lists it now or did. */
  typeId(name: string): number | undefined {
    return this.typeIds.get(name);
  }

  internType(name: string): number {
    let id = this.typeIds.get(name);
    if (id === undefined) {
      id = this.typeNames.length;
      this.typeIds.set(name, id);
      this.typeNames.push(name);
      this.sequencesByType.push(new Set());
      this.holdMicrosByTypeValue.push(-1);
    }
    return id;
  }

  typeName(id: number): string {
    return this.typeNames[id]!;
  }

  /** By type: the largest window that lists it, or -1 when no sequence does (R15). */
  get holdMicrosByType(): readonly number[] {
    return this.holdMicrosByTypeValue;
  }

  holdMicros(type: number): number {
    return this.holdMicrosByTypeValue[type]!;
  }

  keyOf(id: SequenceId): number {
    let key = this.keyById.get(id);
    if (key === undefined) {
      key = this.nextKey++;
      this.keyById.set(id, key);
      this.idByKey.set(key, id);
    }
    return key;
  }

  /** Retires the keys of ids that no trigger has: marks of those that were removed before a lead was loaded. */
  retireUnknownIds(): void {
    for (const [id, key] of this.keyById) {
      if (!this.sequencesById.has(id) && this.milestones.get(id) === undefined) this.retire(id, key);
    }
  }

  /** The id behind a key; undefined when the sequence was removed. */
  idOf(key: number): SequenceId | undefined {
    return this.idByKey.get(key);
  }

  private retire(id: SequenceId, key: number): void {
    this.keyById.delete(id);
    this.idByKey.delete(key);
  }

  private unlink(sequence: CompiledSequence): void {
    for (const type of sequence.steps) this.sequencesByType[type]!.delete(sequence);
    this.reduction.remove(sequence);
    if (sequence.active) (sequence.ordered ? this.ordered : this.unordered).remove(sequence);
  }

  /**
   * What `holdMicros` is to be after a change. A popular type is listed by thousands of sequences, but none
   * other than the changed one lists it for longer than it was held, so the search can end there.
   */
  private holdMicrosNow(type: number, changed: CompiledSequence | undefined): number {
    let holdMicros = changed?.steps.includes(type) === true ? changed.windowMicros : -1;
    for (const { windowMicros } of this.sequencesByType[type]!) {
      if (holdMicros >= this.holdMicrosByTypeValue[type]!) break;
      holdMicros = Math.max(holdMicros, windowMicros);
    }
    return holdMicros;
  }

  private updateSpans(previous: CompiledSequence | undefined, next: CompiledSequence | undefined): void {
    for (const type of new Set([...(previous?.steps ?? []), ...(next?.steps ?? [])])) {
      const holdMicros = this.holdMicrosNow(type, next);
      if (holdMicros === this.holdMicrosByTypeValue[type]) continue;
      this.holdMicrosByTypeValue[type] = holdMicros;
      this.spanVersion++;
    }
    if ((next?.windowMicros ?? 0) >= this.windowMicrosMax) {
      this.windowMicrosMax = next!.windowMicros;
    } else if (previous?.windowMicros === this.windowMicrosMax) {
      this.windowMicrosMax = 0;
      for (const { windowMicros } of this.sequencesById.values()) {
        this.windowMicrosMax = Math.max(this.windowMicrosMax, windowMicros);
      }
    }
  }
}
