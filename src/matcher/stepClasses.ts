import type { LeadEvent } from '../model/event.ts';
import type { StepTest, Where } from '../model/step.ts';
import { ClassLookup } from './classLookup.ts';
import { fulfils, textOfWhere } from './conditions.ts';

const NONE: readonly number[] = [];

/** A type of events as logs know it: a name, and the conditions on it that an event fulfilled. */
interface EventType {
  readonly name: string;
  /** Texts of conditions, in order. */
  readonly fulfilled: readonly string[];
}

/** What some steps accept: events of these names that fulfilled the condition. */
interface StepClass {
  readonly key: string;
  readonly names: readonly string[];
  readonly text: string | null;
  readonly members: Set<number>;
  /** How many sequences have such a step, or exclude its type. */
  useCount: number;
}

interface Condition {
  readonly text: string;
  readonly where: Where;
  useCount: number;
}

/**
 * The types of an OU's events and the classes that steps put them into, both as small integers of one range.
 *
 * What an event fulfils is found out once, when it is applied, and becomes a part of its type: "purchase" and
 * "purchase with an amount of 100 or more" are two types to a log. A step accepts a class of types. The class
 * of a plain step has the number of the type that has its name and fulfils nothing, so that where no sequence
 * asks for more, classes and types are the same and nobody has to tell them apart (`isPlain`).
 *
 * A class goes with the last sequence that uses it. A type stays for the life of the process: there is one for
 * each set of conditions that an event of its name fulfilled together, which takes some 850 bytes where there are ten.
 */
export class StepClasses extends ClassLookup {
  private readonly types: (EventType | undefined)[] = [];
  private readonly classes: (StepClass | undefined)[] = [];
  private readonly vacantIds: number[] = [];
  private readonly classesByType: number[][] = [];
  /** By name: the type that fulfils nothing. */
  private readonly plainTypes = new Map<string, number>();
  private readonly classIds = new Map<string, number>();
  /** By plain type: all types of that name, by the texts that they fulfil. */
  private readonly typesOfName: (Map<string, number> | undefined)[] = [];
  /** By plain type: the classes in use that have its name among theirs. */
  private readonly classesOfName: (number[] | undefined)[] = [];
  /** By plain type: the conditions that some class puts on its name, in the order of their texts. */
  private readonly conditions: (Condition[] | undefined)[] = [];
  /** Classes in use and types that are not plain. */
  private othersCount = 0;

  override get isPlain(): boolean {
    return this.othersCount === 0;
  }

  /** The type of a name that fulfils nothing; undefined when no sequence ever listed the name. */
  plainType(name: string): number | undefined {
    return this.plainTypes.get(name);
  }

  /** Whether there are conditions on the name of a plain type. */
  isJudged(plain: number): boolean {
    return this.conditions[plain] !== undefined;
  }

  /** The conditions on its name that an event fulfils, in the order of their texts. */
  fulfilledNow(plain: number, event: LeadEvent): readonly string[] {
    const { fulfilled } = event;
    const conditions = this.conditions[plain]!;
    const held =
      fulfilled === undefined
        ? conditions.filter(({ where }) => fulfils(event, where))
        : conditions.filter(({ text }) => fulfilled.includes(text));
    return held.map(({ text }) => text);
  }

  /** The number of a type, which it gets here when it has none. `fulfilled` is in order. */
  internType(name: string, fulfilled: readonly string[] = []): number {
    let plain = this.plainTypes.get(name);
    if (plain === undefined) {
      plain = this.addType({ name, fulfilled: [] });
      this.plainTypes.set(name, plain);
      this.typesOfName[plain] = new Map([['', plain]]);
      this.classesOfName[plain] = [];
    }
    if (fulfilled.length === 0) return plain;
    const types = this.typesOfName[plain]!;
    const key = fulfilled.join('\n');
    let type = types.get(key);
    if (type === undefined) {
      type = this.addType({ name, fulfilled });
      types.set(key, type);
      this.othersCount++;
      for (const id of this.classesOfName[plain]!) this.join(type, id);
    }
    return type;
  }

  nameOf(type: number): string {
    return this.types[type]!.name;
  }

  fulfilledBy(type: number): readonly string[] {
    return this.types[type]!.fulfilled;
  }

  /** The classes in use that a type belongs to. */
  classesOf(type: number): readonly number[] {
    return this.classesByType[type] ?? NONE;
  }

  override membersOf(stepClass: number): ReadonlySet<number> {
    return this.classes[stepClass]!.members;
  }

  /** What the types of a class are called, whatever they have to fulfil. */
  namesOf(stepClass: number): readonly string[] {
    return this.classes[stepClass]!.names;
  }

  /** The class of a step, for one more sequence. */
  acquire({ types, where }: StepTest): number {
    const names = types.toSorted();
    const text = where === null ? null : textOfWhere(where);
    const key = JSON.stringify([names, text]);
    const plainTypes = names.map((name) => this.internType(name));
    const known = this.classIds.get(key);
    if (known !== undefined) {
      this.classes[known]!.useCount++;
      return known;
    }
    const isPlain = names.length === 1 && text === null;
    const id = isPlain ? plainTypes[0]! : this.nextId();
    this.classes[id] = { key, names, text, members: new Set(), useCount: 1 };
    this.classIds.set(key, id);
    if (!isPlain) this.othersCount++;
    for (const plain of plainTypes) {
      if (text !== null) this.addCondition(plain, text, where!);
      this.classesOfName[plain]!.push(id);
      for (const type of this.typesOfName[plain]!.values()) this.join(type, id);
    }
    return id;
  }

  /** Takes back one `acquire`. */
  release(id: number): void {
    const { key, names, text, members, useCount } = this.classes[id]!;
    if (useCount > 1) {
      this.classes[id]!.useCount--;
      return;
    }
    for (const type of members) {
      this.classesByType[type] = this.classesByType[type]!.filter((each) => each !== id);
    }
    for (const name of names) {
      const plain = this.plainTypes.get(name)!;
      this.classesOfName[plain] = this.classesOfName[plain]!.filter((each) => each !== id);
      if (text !== null) this.removeCondition(plain, text);
    }
    this.classIds.delete(key);
    this.classes[id] = undefined;
    if (this.types[id] !== undefined) return;
    this.othersCount--;
    this.vacantIds.push(id);
  }

  /** Some classes as they are now, for whoever needs them when they may be gone. */
  frozen(classes: Iterable<number>): ClassLookup {
    return new FrozenClasses(
      this.isPlain,
      new Map(Array.from(classes, (id) => [id, new Set(this.membersOf(id))])),
    );
  }

  private nextId(): number {
    const vacant = this.vacantIds.pop();
    if (vacant !== undefined) return vacant;
    this.types.push(undefined);
    this.classes.push(undefined);
    this.classesByType.push([]);
    this.typesOfName.push(undefined);
    this.classesOfName.push(undefined);
    this.conditions.push(undefined);
    return this.types.length - 1;
  }

  private addType(type: EventType): number {
    const id = this.nextId();
    this.types[id] = type;
    this.classesByType[id] = [];
    return id;
  }

  /** Puts a type of one of a class's names into the class, where it belongs there. */
  private join(type: number, id: number): void {
    const { text, members } = this.classes[id]!;
    if (text !== null && !this.fulfilledBy(type).includes(text)) return;
    members.add(type);
    this.classesByType[type]!.push(id);
  }

  private addCondition(plain: number, text: string, where: Where): void {
    const conditions = this.conditions[plain] ?? [];
    this.conditions[plain] = conditions;
    const known = conditions.find((condition) => condition.text === text);
    if (known !== undefined) {
      known.useCount++;
      return;
    }
    conditions.push({ text, where, useCount: 1 });
    conditions.sort((a, b) => (a.text < b.text ? -1 : 1));
  }

  private removeCondition(plain: number, text: string): void {
    const conditions = this.conditions[plain]!;
    const known = conditions.find((condition) => condition.text === text)!;
    if (--known.useCount > 0) return;
    this.conditions[plain] =
      conditions.length === 1 ? undefined : conditions.filter((condition) => condition !== known);
  }
}

class FrozenClasses extends ClassLookup {
  override readonly isPlain: boolean;
  private readonly members: ReadonlyMap<number, ReadonlySet<number>>;

  constructor(isPlain: boolean, members: ReadonlyMap<number, ReadonlySet<number>>) {
    super();
    this.isPlain = isPlain;
    this.members = members;
  }

  override membersOf(stepClass: number): ReadonlySet<number> {
    return this.members.get(stepClass)!;
  }
}
