import type { LeadEvent, OuId } from '../model/event.ts';
import type { MilestoneDefinition, MilestoneId } from '../model/milestone.ts';
import type { SequenceDefinition, SequenceId } from '../model/sequence.ts';
import { type CompiledSequence, compileSequence, hasGap } from './compiledSequence.ts';
import { Milestones } from './milestones.ts';
import { OrderedAutomaton } from './orderedAutomaton.ts';
import { Reduction } from './reduction.ts';
import { StepClasses } from './stepClasses.ts';
import { UnorderedAutomaton } from './unorderedAutomaton.ts';

/**
 * The compiled triggers of one OU: what the leads' logs and scores are run through. It holds nothing about any lead, so
 * a change of a sequence touches no lead.
 */
export class Program {
  readonly ou: OuId;
  readonly classes = new StepClasses();
  readonly ordered = new OrderedAutomaton(this.classes);
  /** The ordered sequences with a largest gap. */
  readonly gapped = new OrderedAutomaton(this.classes);
  readonly unordered = new UnorderedAutomaton(this.classes);
  readonly reduction = new Reduction(this.classes);
  readonly milestones = new Milestones();
  private readonly sequencesById = new Map<SequenceId, CompiledSequence>();
  /** By class: the sequences that have such a step or exclude it, and the largest of their windows, -1 without any. */
  private readonly sequencesByClass: (Set<CompiledSequence> | undefined)[] = [];
  private readonly holdMicrosByClass: number[] = [];
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
    return this.ordered.endsWith(type) || this.unordered.completes(type) || this.gapped.endsWith(type);
  }

  setSequence(definition: SequenceDefinition): void {
    const previous = this.sequencesById.get(definition.id);
    const next = compileSequence(definition, this.keyOf(definition.id), (step) => this.classes.acquire(step));
    if (previous !== undefined) this.unlink(previous);
    this.sequencesById.set(next.id, next);
    for (const stepClass of classesOf(next)) this.sequencesOf(stepClass).add(next);
    this.reduction.add(next);
    if (next.active) this.automatonOf(next).add(next);
    this.updateSpans(previous, next);
    if (previous !== undefined) this.release(previous);
  }

  removeSequence(id: SequenceId): void {
    const previous = this.sequencesById.get(id);
    if (previous === undefined) return;
    this.unlink(previous);
    this.sequencesById.delete(id);
    this.retire(id, previous.key);
    this.updateSpans(previous, undefined);
    this.release(previous);
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

  /** The type of an event, where some sequence lists its name now or did. */
  typeOf(event: LeadEvent): number | undefined {
    const plain = this.classes.plainType(event.type);
    if (plain === undefined || !this.classes.isJudged(plain)) return plain;
    return this.internType(event.type, this.classes.fulfilledNow(plain, event));
  }

  /** The number of a type by its name and the conditions that an event of it fulfilled, in order. */
  internType(name: string, fulfilled: readonly string[] = []): number {
    const type = this.classes.internType(name, fulfilled);
    // A type that is new to the classes of its name is held for as long as they are.
    if (this.holdMicrosByTypeValue[type] === undefined) this.updateHold(type);
    return type;
  }

  /** By type: the largest window of a sequence with a step for it, or that excludes it; -1: there is none (R15). */
  get holdMicrosByType(): readonly number[] {
    return this.holdMicrosByTypeValue;
  }

  holdMicros(type: number): number {
    return this.holdMicrosByTypeValue[type] ?? -1;
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
    for (const stepClass of classesOf(sequence)) this.sequencesOf(stepClass).delete(sequence);
    this.reduction.remove(sequence);
    if (sequence.active) this.automatonOf(sequence).remove(sequence);
  }

  private automatonOf(sequence: CompiledSequence): OrderedAutomaton | UnorderedAutomaton {
    if (!sequence.ordered) return this.unordered;
    return hasGap(sequence) ? this.gapped : this.ordered;
  }

  private release(sequence: CompiledSequence): void {
    for (const stepClass of classesOf(sequence)) this.classes.release(stepClass);
  }

  private sequencesOf(stepClass: number): Set<CompiledSequence> {
    let sequences = this.sequencesByClass[stepClass];
    if (sequences === undefined) {
      sequences = new Set();
      this.sequencesByClass[stepClass] = sequences;
    }
    return sequences;
  }

  /**
   * What a class is to be held for after a change. A popular one is listed by thousands of sequences, but none
   * other than the changed one lists it for longer than it was held, so the search can end there.
   */
  private holdMicrosNow(stepClass: number, changed: CompiledSequence | undefined): number {
    const before = this.holdMicrosByClass[stepClass] ?? -1;
    const sequences = this.sequencesOf(stepClass);
    let holdMicros = changed !== undefined && sequences.has(changed) ? changed.windowMicros : -1;
    for (const { windowMicros } of sequences) {
      if (holdMicros >= before) break;
      holdMicros = Math.max(holdMicros, windowMicros);
    }
    return holdMicros;
  }

  /** A type is held for as long as the class that holds it longest. */
  private updateHold(type: number): void {
    let holdMicros = -1;
    for (const stepClass of this.classes.classesOf(type)) {
      holdMicros = Math.max(holdMicros, this.holdMicrosByClass[stepClass]!);
    }
    const before = this.holdMicrosByTypeValue[type];
    this.holdMicrosByTypeValue[type] = holdMicros;
    // No lead holds anything of a type that is new.
    if (before !== undefined && before !== holdMicros) this.spanVersion++;
  }

  private updateSpans(previous: CompiledSequence | undefined, next: CompiledSequence | undefined): void {
    const changed = new Set([previous, next].flatMap((each) => (each === undefined ? [] : classesOf(each))));
    for (const stepClass of changed) {
      this.holdMicrosByClass[stepClass] = this.holdMicrosNow(stepClass, next);
    }
    for (const stepClass of changed) {
      for (const type of this.classes.membersOf(stepClass)) this.updateHold(type);
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

/** The class of each step and each excluded type, some maybe more than once. */
function classesOf({ steps, excluded }: CompiledSequence): readonly number[] {
  return excluded.length === 0 ? steps : [...steps, ...excluded];
}
