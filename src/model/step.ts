/** What a field may be compared with. Values are compared as they are: "1" is not 1. */
export type Scalar = string | number | boolean;

/**
 * What the value of one field must be; all that is given must hold. A field that is absent, or null, fulfils
 * `exists: false` and nothing else.
 */
export interface FieldTest {
  readonly eq?: Scalar;
  readonly in?: readonly Scalar[];
  /** A string that begins so. */
  readonly prefix?: string;
  /** A number of at least, and of at most, so much. */
  readonly gte?: number;
  readonly lte?: number;
  readonly exists?: boolean;
}

/** Tests of an event's fields by path: `score`, or names below `metadata` with dots between. All must hold. */
export type Where = Readonly<Record<string, FieldTest>>;

/** What a step asks of an event: one of the types, and what its fields must be. */
export interface StepTest {
  /** 1 to 20 different types, any of which will do. */
  readonly types: readonly string[];
  readonly where: Where | null;
}

/** An entry of `event_types` with more to say than the name of a type; it stands for `count` such steps in a row. */
export interface StepObject extends StepTest {
  readonly count: number;
}

/** An entry of `event_types`. */
export type StepEntry = string | StepObject;

/** The steps one by one: an entry with a count stands in it so many times. */
export function stepsOf(entries: readonly StepEntry[]): StepTest[] {
  return entries.flatMap((entry): StepTest[] => {
    if (typeof entry === 'string') return [{ types: [entry], where: null }];
    const { types, where, count } = entry;
    return Array.from({ length: count }, () => ({ types, where }));
  });
}

/** A word for each step, for people: its type, or its types with a bar between. */
export function labelsOf(entries: readonly StepEntry[]): string[] {
  return stepsOf(entries).map(labelOf);
}

export function labelOf({ types }: StepTest): string {
  return types.join('|');
}

/** The same conditions in the one form in which they are kept: paths, tests and listed values in order, none twice. */
export function canonicalWhere(where: Where): Where {
  const paths = Object.keys(where).sort();
  return Object.fromEntries(paths.map((path) => [path, canonicalTest(where[path]!)]));
}

function canonicalTest(test: FieldTest): FieldTest {
  const { eq, prefix, gte, lte, exists } = test;
  const values = test.in?.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  const listed = values?.filter((value, index) => index === 0 || value !== values[index - 1]);
  return {
    ...(eq === undefined ? {} : { eq }),
    ...(listed === undefined ? {} : { in: listed }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(gte === undefined ? {} : { gte }),
    ...(lte === undefined ? {} : { lte }),
    ...(exists === undefined ? {} : { exists }),
  };
}
