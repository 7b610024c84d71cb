import { parseArgs } from 'node:util';
import { runCampaign } from './campaign.ts';
import { describe, describeTable } from './report.ts';

const USAGE = `usage: npm run test:crash -- [--kills N] [--seed S] [--seeds K] [--minutes-max M]
  --kills        how many SIGKILLs, over all seeds (default 20)
  --seed         what decides on events, changes and kills (default: any)
  --seeds        this many campaigns, with the seeds S, S+1, ... (default 1)
  --minutes-max  after which no further kill is made, over all seeds (default: no limit)`;

/** The command line is wrong; the message says how, for the person who typed it. */
class UsageError extends Error {}

function readOptions(args: readonly string[]) {
  const values = parsed(args);
  return {
    kills: integer('kills', values.kills, 1),
    seed: integer('seed', values.seed ?? String(Math.floor(Math.random() * 2 ** 31)), 0),
    seeds: integer('seeds', values.seeds, 1),
    minutesMax: values['minutes-max'] === undefined ? null : integer('minutes-max', values['minutes-max'], 1),
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        kills: { type: 'string', default: '20' },
        seed: { type: 'string' },
        seeds: { type: 'string', default: '1' },
        'minutes-max': { type: 'string' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function integer(name: string, text: string, min: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && Number.isSafeInteger(value)) return value;
  throw new UsageError(`--${name} is "${text}"; it is a whole number, at least ${min}`);
}

async function main(): Promise<void> {
  const { kills, seed, seeds, minutesMax } = readOptions(process.argv.slice(2));
  const secondsMax = minutesMax === null ? Number.POSITIVE_INFINITY : (minutesMax * 60) / seeds;
  const results = [];
  for (let index = 0; index < seeds; index++) {
    // What does not divide evenly goes to the first ones.
    const share = Math.floor(kills / seeds) + (index < kills % seeds ? 1 : 0);
    const result = await runCampaign({ seed: seed + index, kills: share, secondsMax });
    console.log(describe(result));
    results.push(result);
    if (result.differences.length > 0) process.exitCode = 1;
  }
  if (results.length > 1) console.log(describeTable(results));
}

try {
  await main();
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`${error.message}\n${USAGE}`);
    process.exitCode = 2;
  } else {
    console.error(error);
    process.exitCode = 1;
  }
}
