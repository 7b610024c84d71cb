import { createHash } from 'node:crypto';
import type { LeadEvent } from '../model/event.ts';
import { parsedMetadata } from '../model/metadata.ts';
import { canonicalWhere, type FieldTest, type Where } from '../model/step.ts';

const METADATA = 'metadata';

const TEXT_CHARACTERS = 22;

/**
 * What stands for a condition: 128 bits of SHA-256, equal for equal conditions. It lies in the state of every lead that
 * holds an event which fulfilled it, and the condition itself may be half a megabyte.
 */
export function textOfWhere(where: Where): string {
  const digest = createHash('sha256')
    .update(JSON.stringify(canonicalWhere(where)))
    .digest('base64url');
  return digest.slice(0, TEXT_CHARACTERS);
}

/** Whether an event's fields are what a condition asks for. */
export function fulfils(event: LeadEvent, where: Where): boolean {
  for (const path of Object.keys(where)) if (!holds(valueAt(event, path), where[path]!)) return false;
  return true;
}

/** The value at a path; undefined where nothing is, or null. Only objects are looked into, no lists. */
function valueAt(event: LeadEvent, path: string): unknown {
  const [root, ...names] = path.split('.');
  let value: unknown = root === METADATA ? parsedMetadata(event.metadata) : event.score;
  for (const name of names) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    value = Object.hasOwn(value, name) ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
  }
  return value ?? undefined;
}

function holds(value: unknown, test: FieldTest): boolean {
  if (test.exists !== undefined && test.exists !== (value !== undefined)) return false;
  if (test.eq !== undefined && value !== test.eq) return false;
  if (test.in !== undefined && !test.in.some((listed) => listed === value)) return false;
  if (test.prefix !== undefined && !(typeof value === 'string' && value.startsWith(test.prefix)))
    return false;
  if (test.gte !== undefined && !(typeof value === 'number' && value >= test.gte)) return false;
  return test.lte === undefined || (typeof value === 'number' && value <= test.lte);
}
