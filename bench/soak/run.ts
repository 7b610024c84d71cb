import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../options.ts';
import { publish, type Row } from '../report.ts';
import { soak } from './index.ts';
import { parseSoakOptions, USAGE } from './options.ts';

/** `npm run soak`: exit code 1 when a fire or a rejection is missing or a call of the API failed. */
async function main(): Promise<void> {
  const options = parseSoakOptions(process.argv.slice(2));
  const { report, svg, failures } = await soak(options, print);
  publish(report, options.directory);
  const path = join(options.directory, 'soak.svg');
  writeFileSync(path, svg);
  console.log(`written to ${path}`);
  for (const failure of failures) console.error(`failed: ${failure}`);
  if (failures.length > 0) process.exitCode = 1;
}

function print(row: Row): void {
  console.log(
    Object.entries(row)
      .map(([name, value]) => `${name} ${value}`)
      .join(', '),
  );
}

try {
  await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n${USAGE}`);
  process.exitCode = 2;
}
