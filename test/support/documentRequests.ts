import fc from 'fast-check';
import type { DocumentedOperation, OpenApi } from './openapi.ts';
import { spoiled, valuesOf } from './schemaArbitrary.ts';

/** A request that was drawn from the document: valid by it, or wrong somewhere. */
export interface DrawnRequest {
  /** The path, with an id in it. */
  readonly target: string;
  /** The id as it was drawn; undefined where the path has none. */
  readonly id: string | undefined;
  /** With its question mark; empty where there is none. */
  readonly query: string;
  readonly body: unknown;
}

/** Of two in three requests, what the document lets through. */
function mostlyValid<Value>(valid: fc.Arbitrary<Value>, wrong: fc.Arbitrary<Value>): fc.Arbitrary<Value> {
  return fc.oneof({ arbitrary: valid, weight: 2 }, { arbitrary: wrong, weight: 1 });
}

/** Text that the URL parser does not take for steps up and down. */
const otherId = fc.string({ unit: 'binary', maxLength: 9 }).filter((text) => !/^\.{1,2}$/.test(text));

/** The ids that the document names as examples of the parameters of a path. */
export function exampleIdsOf({ operation }: DocumentedOperation): readonly string[] {
  return operation.parameters.filter((each) => each.in === 'path').map(({ example }) => String(example));
}

/** Requests to an operation, drawn from what the document says of it. */
export function requestsTo(documented: DocumentedOperation, document: OpenApi): fc.Arbitrary<DrawnRequest> {
  const { path, operation } = documented;
  const { schemas } = document.components;
  const ids = exampleIdsOf(documented);
  const id = mostlyValid(fc.constantFrom(...ids, ''), otherId).map((drawn) =>
    ids.length === 0 ? undefined : (drawn || (ids[0] ?? '')).replace(/\p{Surrogate}/gu, ''),
  );
  const fields = operation.parameters
    .filter((each) => each.in === 'query')
    .map(({ name, schema }) => [name, valuesOf(schema, schemas)] as const);
  const some = fc.record(Object.fromEntries(fields), { requiredKeys: [] }) as fc.Arbitrary<object>;
  const valid = fc.oneof({ arbitrary: some, weight: 9 }, { arbitrary: fc.constant({}), weight: 1 });
  const query = mostlyValid(valid, spoiled(valid).map(Object) as fc.Arbitrary<object>).map(searchOf);

  const { schema, example } = operation.requestBody?.content['application/json'] ?? {};
  const isRequired = operation.requestBody?.required === true;
  const drawn = schema === undefined ? fc.constant(undefined) : valuesOf(schema, schemas);
  // What no schema can say, as that one field goes with another, the example keeps to.
  const bodies = fc.oneof({ arbitrary: drawn, weight: 9 }, { arbitrary: fc.constant(example), weight: 1 });
  const wrong = schema === undefined ? bodies : spoiled(bodies);
  const body = fc.option(mostlyValid(bodies, wrong), { nil: undefined, freq: isRequired ? 20 : 2 });
  return fc.record({ id, query, body }).map((drawn) => ({ ...drawn, target: targetOf(path, drawn.id) }));
}

export function targetOf(path: string, id: string | undefined): string {
  return path.replace('{id}', encodeURIComponent(id ?? ''));
}

function searchOf(query: object): string {
  const entries = Object.entries(query).map(([name, value]): [string, string] => [
    name,
    typeof value === 'object' ? JSON.stringify(value) : String(value),
  ]);
  return entries.length === 0 ? '' : `?${new URLSearchParams(entries)}`;
}
