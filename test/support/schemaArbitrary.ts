import fc from 'fast-check';
import type { Schema } from './openapi.ts';

type Schemas = Readonly<Record<string, Schema>>;

/** Values that a schema lets through, as far as it says; `named` holds the parts that it refers to. */
export function valuesOf(schema: Schema, named: Schemas): fc.Arbitrary<unknown> {
  const { $ref, anyOf, enum: values, type } = schema;
  if (typeof $ref === 'string') return valuesOf(named[$ref.split('/').at(-1) ?? ''] ?? {}, named);
  if (Array.isArray(anyOf)) return fc.oneof(...(anyOf as Schema[]).map((each) => valuesOf(each, named)));
  if ('const' in schema) return fc.constant(schema.const);
  if (Array.isArray(values)) return fc.constantFrom(...(values as unknown[]));
  if (Array.isArray(type)) return fc.oneof(...type.map((each) => valuesOf({ ...schema, type: each }, named)));
  switch (type) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.integer(boundsOf(schema));
    case 'number':
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case 'string':
      return textsOf(schema);
    case 'array':
      return fc.array(valuesOf((schema.items ?? {}) as Schema, named), {
        minLength: Number(schema.minItems ?? 0),
        maxLength: Math.min(Number(schema.maxItems ?? 3), 3),
      });
    case 'object':
      return objectsOf(schema, named);
    default:
      return fc.jsonValue();
  }
}

function boundsOf({ minimum, maximum }: Schema) {
  return { min: Number(minimum ?? -(2 ** 31)), max: Math.min(Number(maximum ?? 2 ** 31 - 1), 2 ** 31 - 1) };
}

function textsOf({ format, pattern, minLength, maxLength }: Schema): fc.Arbitrary<string> {
  if (format === 'uri') return fc.webUrl();
  if (format === 'email') return fc.emailAddress();
  if (format === 'date-time') {
    return fc
      .date({ min: new Date('1990-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })
      .map((date) => date.toISOString());
  }
  if (typeof pattern === 'string') return fc.stringMatching(new RegExp(pattern), { maxLength: 20 });
  const most = Math.min(Number(maxLength ?? 20), 20);
  return fc.string({ minLength: Number(minLength ?? 0), maxLength: most });
}

function objectsOf({ properties = {}, required = [] }: Schema, named: Schemas): fc.Arbitrary<unknown> {
  const fields = Object.entries(properties as Schemas).map(
    ([name, schema]) => [name, valuesOf(schema, named)] as const,
  );
  return fc.record(Object.fromEntries(fields), { requiredKeys: required as never[] });
}

/** A value in which something is not as the schema says: a field more, one less, or another value in its place. */
export function spoiled(values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc
    .tuple(values, fc.nat(), fc.oneof(fc.jsonValue(), fc.string({ unit: 'binary' })), fc.nat({ max: 3 }))
    .map(([value, index, other, kind]) => {
      if (typeof value !== 'object' || value === null || kind === 0) return other;
      const names = Object.keys(value);
      const name = names[index % Math.max(names.length, 1)] ?? 'none';
      if (kind === 1) return { ...value, [`${name}x`]: other };
      if (kind === 2) return Object.fromEntries(Object.entries(value).filter(([each]) => each !== name));
      return { ...value, [name]: other };
    });
}
