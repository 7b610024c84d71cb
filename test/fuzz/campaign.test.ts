import { describe, expect, it } from 'vitest';
import type { OpenApi } from '../support/openapi.ts';
import { runCampaign } from './campaign.ts';

const seed = Date.now() % 2 ** 31;

describe('a campaign of requests drawn from the document', () => {
  it('finds a running program that answers all of them as the document says', async () => {
    const { statuses, failures } = await runCampaign({ requests: 1_000, seed });
    expect([seed, failures]).toEqual([seed, []]);
    // Without these it would show little.
    for (const status of [200, 201, 202, 204, 400, 401, 403, 404])
      expect([...statuses.keys()]).toContain(status);
  });

  it('notices an answer that the document does not have', async () => {
    const judgedBy = (document: OpenApi): OpenApi => {
      const { Sequence = {}, ...others } = document.components.schemas;
      const { version: _gone, ...properties } = Sequence.properties as Record<string, unknown>;
      return { ...document, components: { schemas: { ...others, Sequence: { ...Sequence, properties } } } };
    };
    const { failures } = await runCampaign({ requests: 1_000, seed: 1, judgedBy });
    expect(failures.join('\n')).toMatch(/was answered 200.*\n.*additional properties.*"version"/);
  });
});
