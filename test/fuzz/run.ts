/**
 * `npm run test:fuzz`: requests drawn from the OpenAPI document, valid and not, against a running program. Ends with 1
 * when an answer is not as the document says, or is a 5xx other than a documented 503.
 *
 *   npm run test:fuzz [-- --requests N] [--seed N]
 */
import { parseArgs } from 'node:util';
import { runCampaign } from './campaign.ts';

const SEED_END = 2 ** 31;

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '20000' },
    seed: { type: 'string', default: String(Date.now() % SEED_END) },
  },
});
const requests = wholeNumber('--requests', values.requests, 10_000_000);
const seed = wholeNumber('--seed', values.seed, SEED_END);

console.log(`${requests} requests, --seed ${seed}`);
const result = await runCampaign({
  requests,
  seed,
  onProgress: (made) => {
    if (made % 5_000 === 0) console.log(`${made} made`);
  },
});
const counts = [...result.statuses].sort(([one], [other]) => one - other);
console.log(counts.map(([status, count]) => `${status}: ${count}`).join('  '));
for (const failure of result.failures) console.log(`FAILED ${failure}`);
console.log(`${result.requests} requests, ${result.failures.length} failures, --seed ${seed}`);
process.exitCode = result.failures.length === 0 ? 0 : 1;

function wholeNumber(option: string, text: string, max: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && number <= max) return number;
  console.error(`${option} must be an integer from 1 to ${max}; got ${JSON.stringify(text)}`);
  process.exit(2);
}
