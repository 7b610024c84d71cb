import { z } from 'zod';
import { canonicalWhere, type StepEntry, stepsOf, type Where } from '../model/step.ts';
import {
  documented,
  exactObject,
  finiteNumber,
  integer,
  listOf,
  sentence,
  textOfBytes,
  textOfCharacters,
} from './validation.ts';

const ENTRIES_MAX = 20;
const STEPS_MAX = 40;
const PATHS_MAX = 20;
const PATH_CHARACTERS_MAX = 512;

const type = textOfBytes({ min: 1, max: 128 });

/** So many types, none of them twice. */
function differentTypes(min: number, max: number) {
  return listOf(type, min, max, 'different event types')
    .superRefine((types, context) => {
      const index = types.findIndex((each, at) => types.indexOf(each) < at);
      if (index < 0) return;
      const message = 'a type that does not stand in the list already';
      context.addIssue({ code: 'custom', path: [index], input: types[index], message });
    })
    .meta({
      items: documented(type),
      description: sentence(`a list of ${min} to ${max} different event types`),
    });
}

const scalarAllowed = 'a string of up to 256 characters, a number, true or false';
const scalar = z.union([z.string().max(256), z.number(), z.boolean()], { error: scalarAllowed });

const TEST_FIELDS = {
  eq: scalar.optional(),
  in: listOf(scalar, 1, 100, 'strings, numbers, true or false').optional(),
  prefix: textOfCharacters({ min: 1, max: 256 }).optional(),
  gte: finiteNumber.optional(),
  lte: finiteNumber.optional(),
  exists: z.boolean({ error: 'true or false' }).optional(),
};
const testAllowed = `an object with one or more of ${Object.keys(TEST_FIELDS).join(', ')}`;

const fieldTest = exactObject(TEST_FIELDS)
  .refine((test) => Object.keys(test).length > 0, {
    error: testAllowed,
    when: ({ issues }) => issues.length === 0,
  })
  .superRefine((test, context) => {
    if (test.exists !== false || Object.keys(test).length === 1) return;
    const message = 'true, or left out, beside what only a field that is there can be';
    context.addIssue({ code: 'custom', path: ['exists'], input: false, message });
  });

const PATH = /^(?:score|metadata(?:\.[^.\0\p{Surrogate}]+)+)$/u;
const pathAllowed = `score, or a path below metadata such as metadata.plan.name, of up to ${PATH_CHARACTERS_MAX} characters`;
const whereAllowed = `an object of 1 to ${PATHS_MAX} paths`;
const path = z
  .string()
  .refine((text) => text.length <= PATH_CHARACTERS_MAX && PATH.test(text))
  .meta({ pattern: '^(score|metadata(\\.[^.]+)+)$', maxLength: PATH_CHARACTERS_MAX });

const where = z
  .record(path, fieldTest, {
    error: (issue) => (issue.code === 'invalid_key' ? pathAllowed : whereAllowed),
  })
  .refine((tests) => Object.keys(tests).length >= 1 && Object.keys(tests).length <= PATHS_MAX, {
    error: whereAllowed,
  })
  .meta({
    minProperties: 1,
    maxProperties: PATHS_MAX,
    description:
      'What fields of the event must be, by `score` or a path below `metadata`: all of it. It looks back on events that were applied since a sequence had this condition.',
  });

const stepAllowed = 'event_type, or any_of and no event_type';
const step = exactObject({
  event_type: type.optional(),
  any_of: differentTypes(2, 20).optional(),
  where: where.nullish(),
  count: integer(1, 20).nullish().meta({ description: 'Stands for so many such steps; otherwise 1.' }),
})
  .refine((entry) => (entry.event_type === undefined) !== (entry.any_of === undefined), {
    error: `an object with ${stepAllowed}`,
  })
  .transform(
    ({ event_type, any_of, where: tests, count }): StepEntry => ({
      types: any_of ?? [event_type!],
      where: tests == null ? null : canonicalWhere(tests as Where),
      count: count ?? 1,
    }),
  );

/** An entry is looked at as what it is, so that an error names the field within it. */
const entry = z
  .unknown()
  .transform((value, context): StepEntry => {
    const schema = typeof value === 'object' && value !== null ? step : type;
    const result = (schema as z.ZodType<StepEntry>).safeParse(value, { reportInput: true });
    if (result.success) return result.data;
    context.issues.push(...result.error.issues.map((issue) => ({ ...issue }) as z.core.$ZodRawIssue));
    return z.NEVER;
  })
  .meta({ anyOf: [documented(type), documented(step)] });

const entriesAllowed = `a list of 1 to ${ENTRIES_MAX} event types that stand for at most ${STEPS_MAX} steps`;

/** `event_types`, as the model has it. */
export const eventTypes = listOf(entry, 1, ENTRIES_MAX, 'event types')
  .refine((entries) => stepsOf(entries).length <= STEPS_MAX, { error: entriesAllowed })
  .meta({ items: documented(entry) });

/** None is the same as null. */
export const excludedTypes = differentTypes(0, 20);

/** An entry of `event_types` in an answer. */
export const stepShown = z.union([
  z.string(),
  z.object({
    event_type: z.string().optional(),
    any_of: z.array(z.string()).optional().meta({ description: 'Instead of event_type: any of these.' }),
    where: z
      .record(
        z.string(),
        z.object({
          eq: z.union([z.string(), z.number(), z.boolean()]).optional(),
          in: z.array(z.union([z.string(), z.number(), z.boolean()])).optional(),
          prefix: z.string().optional(),
          gte: z.number().optional(),
          lte: z.number().optional(),
          exists: z.boolean().optional(),
        }),
      )
      .optional(),
    count: z.int().min(2).optional().meta({ description: 'How many such steps, where there is not one.' }),
  }),
]);

/** An entry as answers show it: a string as a string, an object in its one form. */
export function entryView(entry: StepEntry) {
  if (typeof entry === 'string') return entry;
  const { types, where: tests, count } = entry;
  return {
    ...(types.length === 1 ? { event_type: types[0]! } : { any_of: types }),
    ...(tests === null ? {} : { where: tests }),
    ...(count === 1 ? {} : { count }),
  };
}
