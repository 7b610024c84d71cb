import { startProgram } from './compose.ts';
import { describeConfig, loadConfig } from './config/load.ts';
import { endNow, onStopSignal } from './signals.ts';
import { createLog } from './telemetry/log.ts';

/** A start that is told to stop is waited for this long; cutting it off loses nothing. */
const STARTING_MS_MAX = 5_000;

async function main(): Promise<void> {
  const config = loadConfig();
  const log = createLog({ level: config.logLevel, format: config.logFormat });
  log.info({ config: describeConfig(config) }, 'starting');
  const starting = startProgram(config, log);
  onStopSignal((signal) => {
    log.info({ signal }, 'stopping');
    const late = setTimeout(endNow, STARTING_MS_MAX);
    starting
      .then((program) => {
        clearTimeout(late);
        return program.stop();
      })
      .then(
        () => process.exit(0),
        (error: unknown) => {
          report(error);
          endNow();
        },
      );
  });
  const { firstToken } = await starting;
  if (firstToken !== null) console.log(`API token for OU default, shown only now: ${firstToken}`);
}

function report(error: unknown): void {
  console.error(`sequence-triggers: ${error instanceof Error ? error.message : String(error)}`);
}

main().catch((error: unknown) => {
  report(error);
  process.exit(1);
});
