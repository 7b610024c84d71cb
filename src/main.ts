import { startProgram } from './compose.ts';
import { describeConfig, loadConfig } from './config/load.ts';
import { endNow, onStopSignal } from './signals.ts';
import { createLog } from './telemetry/log.ts';

/** A start that is told to stop is waited for this long; cutting it off loses nothing. */
const STARTING_MS_MAX = 5_000;
/** A program that failed may not be able to stop in good order. */
const FAILED_STOP_MS_MAX = 30_000;

async function main(): Promise<void> {
  const config = loadConfig();
  const log = createLog({ level: config.logLevel, format: config.logFormat });
  log.info({ config: describeConfig(config) }, 'starting');
  const starting = startProgram(config, log);
  let isStopping = false;
  const stop = (exitCode: number): void => {
    if (isStopping) return;
    isStopping = true;
    const late = setTimeout(endNow, STARTING_MS_MAX);
    starting
      .then((program) => {
        clearTimeout(late);
        return program.stop();
      })
      .then(
        () => process.exit(exitCode),
        (error: unknown) => {
          report(error);
          endNow();
        },
      );
  };
  onStopSignal((signal) => {
    log.info({ signal }, 'stopping');
    stop(0);
  });
  const { firstToken, failed } = await starting;
  if (firstToken !== null) console.log(`API token for OU default, shown only now: ${firstToken}`);
  const failure = await failed;
  if (isStopping) return;
  log.fatal(
    { err: failure },
    'the program cannot go on and ends; a restart goes on from the last checkpoint',
  );
  setTimeout(endNow, FAILED_STOP_MS_MAX).unref();
  stop(1);
}

function report(error: unknown): void {
  console.error(`sequence-triggers: ${error instanceof Error ? error.message : String(error)}`);
}

main().catch((error: unknown) => {
  report(error);
  process.exit(1);
});
