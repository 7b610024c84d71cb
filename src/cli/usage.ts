import { type ParseArgsConfig, parseArgs } from 'node:util';

/** What a command ends with whose command line cannot be understood. */
export const EXIT_USAGE = 2;

/** A command line that cannot be understood; the message says what to change. */
export class UsageError extends Error {}

/** As Node's, but that it throws UsageError, without Node's advice on how to pass what is no option. */
export function parseOptions<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(message.split(/\. |\n/)[0]);
  }
}
