import { parseArgs } from 'node:util';
import { addCounts, type Counts, runSeed, type SeedResult, shrink } from './world.ts';

const USAGE = 'npm run test:simulation -- [--seeds N] [--seed FIRST] [--until STEP]';
const SEEDS_DEFAULT = 1_000;
const FAILURES_MAX = 10;

/** Runs many seeds, or one again; says what failed and how to see it again. Ends with 1 after a failure. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { seeds: { type: 'string' }, seed: { type: 'string' }, until: { type: 'string' } },
  });
  const firstSeed = wholeNumber('--seed', values.seed) ?? 1;
  const seeds = wholeNumber('--seeds', values.seeds) ?? (values.seed === undefined ? SEEDS_DEFAULT : 1);
  const until = wholeNumber('--until', values.until);
  const startedMs = Date.now();
  let counts: Counts | null = null;
  let failures = 0;
  let done = 0;
  for (let seed = firstSeed; seed < firstSeed + seeds && failures < FAILURES_MAX; seed++) {
    const result = await runSeed(seed, until);
    counts = addCounts(counts, result.counts);
    done++;
    if (result.failure === null) continue;
    failures++;
    console.log(report(until === undefined ? await shrink(result) : result));
  }
  const msPerSeed = ((Date.now() - startedMs) / done).toFixed(1);
  console.log(`${done} seeds from ${firstSeed}, ${failures} failed, ${msPerSeed} ms each`);
  console.log(counts);
  process.exitCode = failures === 0 ? 0 : 1;
}

function report({ seed, failure, steps, calmAtStep, lastLines, isShrunk }: SeedResult): string {
  const until = isShrunk ? ` --until ${calmAtStep}` : '';
  return [
    ...lastLines,
    `seed ${seed} failed at step ${steps}: ${failure}`,
    `to see it again: npm run test:simulation -- --seed ${seed}${until}`,
    '',
  ].join('\n');
}

function wholeNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new Error(`${option} is ${JSON.stringify(text)}, but must be a whole number\n${USAGE}`);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
