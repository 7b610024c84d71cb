import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requestsTo } from '../../support/documentRequests.ts';
import { startDocumentedApi } from '../../support/openapi.ts';

/** A campaign: so many times the runs of an ordinary test. */
const RUNS = Number(process.env.RUNS ?? 1);

const { operations } = await startDocumentedApi();
const named = operations.map((each) => ({ ...each, name: `${each.method.toUpperCase()} ${each.path}` }));

/** Of ten requests, one comes while neither the catalog nor the stream can be written. */
const isAvailable = fc.integer({ min: 0, max: 9 }).map((n) => n > 0);

describe('requests drawn from the document are answered as it says', () => {
  it.each(named)('by $name', async (operation) => {
    const api = await startDocumentedApi();
    const { call, document, world, objections, refill } = api;
    const method = operation.method.toUpperCase();
    const statuses = new Set<number>();
    await fc.assert(
      fc.asyncProperty(
        requestsTo(operation, document),
        isAvailable,
        async ({ target, query, body }, isUp) => {
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
        },
      ),
      { numRuns: 100 * RUNS },
    );
    // Without these the runs would show little.
    expect([...statuses].some((status) => status < 300)).toBe(true);
    if ('400' in operation.operation.responses) expect(statuses).toContain(400);
    if ('404' in operation.operation.responses) expect(statuses).toContain(404);
  });
});
