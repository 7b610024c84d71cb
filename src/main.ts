import { startProgram } from './compose.ts';
import { describeConfig, loadConfig } from './config/load.ts';
import { endNow, onStopSignal } from './signals.ts';
import { createLog } from './telemetry/log.ts';

async function main(): Promise<void> {
  const config = loadConfig();
  const log = createLog({ level: config.logLevel, format: config.logFormat });
  log.info({ config: describeConfig(config) }, 'starting');
  const starting = startProgram(config, log);
  onStopSignal((signal) => {
    log.info({ signal }, 'stopping');
    starting
      .then((program) => program.stop())
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
