import { z } from 'zod';
import type { FieldError } from './problem.ts';

/**
 * How the schemas of this room speak: the `error` of a schema is the sentence part that says what is
 * allowed ("a string of 1 to 128 bytes"), and `fieldErrors` puts the value that came beside it.
 */
export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly errors: readonly FieldError[] };

/** As many as a batch of 1,000 events has when each of their seven fields is wrong; more in one answer help nobody. */
const ERRORS_MAX = 7_000;
const UNKNOWN_FIELDS_NAMED_MAX = 20;
const SHOWN_CHARACTERS_MAX = 60;

/** Checks `input` against the schema; `at` is the path of the input itself, for entries of a list. */
export function check<T>(schema: z.ZodType<T>, input: unknown, at: string = ''): Checked<T> {
  const result = schema.safeParse(input, { reportInput: true });
  if (result.success) return { ok: true, value: result.data };
  return { ok: false, errors: fieldErrors(result.error.issues, at) };
}

function fieldErrors(issues: readonly z.core.$ZodIssue[], at: string): readonly FieldError[] {
  const byPath = new Map<string, FieldError>();
  for (const error of issues.flatMap((issue) => issueErrors(issue, at))) {
    if (byPath.size >= ERRORS_MAX) break;
    if (!byPath.has(error.path)) byPath.set(error.path, error);
  }
  return [...byPath.values()];
}

function issueErrors(issue: z.core.$ZodIssue, at: string): readonly FieldError[] {
  const path = issue.path.reduce<string>(joinPath, at);
  if (issue.code === 'unrecognized_keys') {
    const { known, setByServer } = JSON.parse(issue.message) as UnknownFields;
    return issue.keys.slice(0, UNKNOWN_FIELDS_NAMED_MAX).map((key) => ({
      path: joinPath(path, cut(key)),
      message: setByServer.includes(key)
        ? 'is set by the server and cannot be sent'
        : `is not known here; known are ${known}`,
    }));
  }
  return [{ path, message: expectation(issue.message, issue.input) }];
}

function joinPath(path: string, part: PropertyKey): string {
  if (typeof part === 'number') return `${path}[${part}]`;
  return path === '' ? String(part) : `${path}.${String(part)}`;
}

/** "must be …; got …", or what is required where nothing came. */
export function expectation(allowed: string, input: unknown): string {
  return input === undefined ? `is required: ${allowed}` : `must be ${allowed}; got ${show(input)}`;
}

/** A value for a message: short, and never a whole object. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value === 'string') return describeString(value);
  return String(value);
}

function describeString(value: string): string {
  const shown = JSON.stringify(withoutCredentials(value).slice(0, SHOWN_CHARACTERS_MAX));
  if (value.length <= SHOWN_CHARACTERS_MAX) return shown;
  // Some fields are measured in the one, some in the other.
  return `${shown}… (${[...value].length} characters, ${Buffer.byteLength(value)} bytes)`;
}

/** Answers end up in logs of clients, where the password of a URL has no place. */
function withoutCredentials(value: string): string {
  return value.replace(/\/\/[^/\s]*@/, '//…@');
}

function cut(text: string): string {
  return text.length <= SHOWN_CHARACTERS_MAX ? text : `${text.slice(0, SHOWN_CHARACTERS_MAX)}…`;
}

export type JsonSchema = z.core.JSONSchema.BaseSchema;

/** The JSON Schema (2020-12) of what a schema takes. Where it has parts with names, they are in `$defs`. */
export function documented(schema: z.ZodType): JsonSchema {
  const { $schema: _version, ...document } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return document;
}

/** What the error of an object says of fields that it does not have, as JSON. */
interface UnknownFields {
  readonly known: string;
  readonly setByServer: readonly string[];
}

/**
 * An object with these fields and no others.
 *
 * @param setByServer fields that answers show beside these, which somebody may well send back
 */
export function exactObject<S extends z.ZodRawShape>(shape: S, setByServer: readonly string[] = []) {
  const known = Object.keys(shape).join(', ') || 'none';
  const unknown = JSON.stringify({ known, setByServer } satisfies UnknownFields);
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? unknown : 'a JSON object'),
  });
}

interface TextRule {
  readonly min: number;
  readonly max: number;
  /** Also refuse text of white space alone. */
  readonly notBlank?: boolean;
  /** NUL is refused unless told otherwise: `any` accepts every character, `line` no control character. */
  readonly characters?: 'any' | 'line';
}

/** A string measured in bytes of UTF-8. */
export function textOfBytes(rule: TextRule) {
  return text(rule, 'bytes', (value) => Buffer.byteLength(value));
}

/** A string measured in characters (Unicode code points). */
export function textOfCharacters(rule: TextRule) {
  return text(rule, 'characters', (value) => [...value].length);
}

function text(rule: TextRule, unit: string, lengthOf: (value: string) => number) {
  const length = `${rule.min === 0 ? 'up to' : `${rule.min} to`} ${rule.max.toLocaleString('en-US')} ${unit}`;
  const error = `a string of ${length}${rule.notBlank ? ', not blank' : ''}, ${charactersAllowed(rule)}`;
  return z
    .string({ error })
    .refine((value) => obeys(rule, value, lengthOf), { error })
    .meta({ minLength: rule.min, maxLength: rule.max, description: sentence(error) });
}

/** For the document: what is allowed, as a sentence. */
export function sentence(allowed: string): string {
  return `${allowed.slice(0, 1).toUpperCase()}${allowed.slice(1)}.`;
}

function charactersAllowed({ characters }: TextRule): string {
  if (characters === 'any') return 'well-formed Unicode';
  return characters === 'line'
    ? 'well-formed Unicode without line breaks or other control characters'
    : 'well-formed Unicode without NUL';
}

function obeys(rule: TextRule, value: string, lengthOf: (value: string) => number): boolean {
  // A code point takes at most two units of UTF-16, so this spares measuring what is far too long.
  if (value.length > rule.max * 2 || LONE_SURROGATE.test(value) || hasRefusedCharacter(rule, value))
    return false;
  const length = lengthOf(value);
  return length >= rule.min && length <= rule.max && !(rule.notBlank === true && value.trim() === '');
}

const LONE_SURROGATE = /\p{Surrogate}/u;
const CONTROL = /\p{Cc}|[\u2028\u2029]/u;

function hasRefusedCharacter({ characters }: TextRule, value: string): boolean {
  if (characters === 'any') return false;
  return characters === 'line' ? CONTROL.test(value) : value.includes('\0');
}

/** A number that JSON can hold. */
export const finiteNumber = z.number({ error: 'a number' });

/** An integer within bounds, both included. */
export function integer(min: number, max: number) {
  const error = `an integer from ${min} to ${max.toLocaleString('en-US')}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

/**
 * A list of `min` to `max` entries. The length is checked first, so that a list of a million wrong entries
 * costs one error and not a million.
 */
export function listOf<T>(entry: z.ZodType<T>, min: number, max: number, what: string) {
  const error = `a list of ${min} to ${max} ${what}`;
  return z
    .array(z.unknown(), { error })
    .min(min, { error })
    .max(max, { error })
    .pipe(z.array(entry))
    .meta({ items: documented(entry) });
}
