import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DocumentedOperation, type OpenApi, startDocumentedApi } from '../../support/openapi.ts';
import { spoiled, valuesOf } from '../../support/schemaArbitrary.ts';

/** A campaign: so many times the runs of an ordinary test. */
const RUNS = Number(process.env.RUNS ?? 1);

const { operations } = await startDocumentedApi();
const named = operations.map((each) => ({ ...each, name: `${each.method.toUpperCase()} ${each.path}` }));

/** Of two in three requests, what the document lets through. */
function mostlyValid<Value>(valid: fc.Arbitrary<Value>, wrong: fc.Arbitrary<Value>): fc.Arbitrary<Value> {
  return fc.oneof({ arbitrary: valid, weight: 2 }, { arbitrary: wrong, weight: 1 });
}

/** Text that the URL parser does not take for steps up and down. */
const otherId = fc.string({ unit: 'binary', maxLength: 9 }).filter((text) => !/^\.{1,2}$/.test(text));

/** Requests to an operation, drawn from what the document says of it. */
function requestsTo({ path, operation }: DocumentedOperation, document: OpenApi) {
  const { schemas } = document.components;
  const inPath = operation.parameters.filter((each) => each.in === 'path');
  const parts = inPath.map(({ example }) => mostlyValid(fc.constant(String(example)), otherId));
  const target = fc.tuple(...parts).map((ids) =>
    inPath.reduce((text, { name, example }, index) => {
      const id = (ids[index] || String(example)).replace(/\p{Surrogate}/gu, '');
      return text.replace(`{${name}}`, () => encodeURIComponent(id));
    }, path),
  );
  const fields = operation.parameters
    .filter((each) => each.in === 'query')
    .map(({ name, schema }) => [name, valuesOf(schema, schemas)] as const);
  const valid = fc.record(Object.fromEntries(fields), { requiredKeys: [] }) as fc.Arbitrary<object>;
  const query = mostlyValid(valid, spoiled(valid).map(Object) as fc.Arbitrary<object>).map(searchOf);

  const schema = operation.requestBody?.content['application/json']?.schema;
  const isRequired = operation.requestBody?.required === true;
  const bodies = schema === undefined ? fc.constant(undefined) : valuesOf(schema, schemas);
  const wrong = schema === undefined ? bodies : spoiled(bodies);
  const body = fc.option(mostlyValid(bodies, wrong), { nil: undefined, freq: isRequired ? 20 : 2 });
  return fc.record({ target, query, body, isUp: fc.integer({ min: 0, max: 9 }).map((n) => n > 0) });
}

function searchOf(query: object): string {
  const entries = Object.entries(query).map(([name, value]): [string, string] => [
    name,
    typeof value === 'object' ? JSON.stringify(value) : String(value),
  ]);
  return entries.length === 0 ? '' : `?${new URLSearchParams(entries)}`;
}

describe('requests drawn from the document are answered as it says', () => {
  it.each(named)('by $name', async (operation) => {
    const api = await startDocumentedApi();
    const { call, document, world, objections, refill } = api;
    const method = operation.method.toUpperCase();
    const statuses = new Set<number>();
    await fc.assert(
      fc.asyncProperty(requestsTo(operation, document), async ({ target, query, body, isUp }) => {
        refill();
        world.catalogAvailable = isUp;
        world.streamAvailable = isUp;
        const answer = await call(method, target + query, method === 'GET' ? {} : { body });
        statuses.add(answer.status);
        expect([target + query, body, answer.status, objections(operation, answer)]).toEqual([
          target + query,
          body,
          answer.status,
          [],
        ]);
        expect(answer.status).not.toBe(500);
      }),
      { numRuns: 100 * RUNS },
    );
    // Without these the runs would show little.
    expect([...statuses].some((status) => status < 300)).toBe(true);
    if ('400' in operation.operation.responses) expect(statuses).toContain(400);
    if ('404' in operation.operation.responses) expect(statuses).toContain(404);
  });
});
