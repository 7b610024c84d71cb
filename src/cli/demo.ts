import { onStopSignal } from '../signals.ts';
import { parseDemoArguments, USAGE } from './demoArguments.ts';
import { runDemo } from './demoRun.ts';
import { EXIT_USAGE, UsageError } from './usage.ts';

const stopping = new AbortController();
onStopSignal(() => stopping.abort());

try {
  await runDemo(parseDemoArguments(process.argv.slice(2)), stopping.signal, (line) => console.log(line));
  process.exit(0);
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`${error.message}\n\n${USAGE}`);
    process.exit(EXIT_USAGE);
  }
  console.error(`demo: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
