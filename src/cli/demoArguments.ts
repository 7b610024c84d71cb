import { parseArgs } from 'node:util';

export const USAGE = `Shows the whole program at work on this machine: fires arrive at a webhook receiver and a mailbox.

  npm run demo                                      made-up shop visitors, until Ctrl-C
  npm run demo -- --seconds N                       the same, ends by itself
  npm run demo -- --rate N                          events a second, 1 to 1000 (8 when not given)
  npm run demo -- --port N                          port of the HTTP API (any free one when not given)
  npm run demo -- --events FILE --sequences FILE    your own events (NDJSON, also .gz) and sequences
                                                    (a JSON array of POST /sequences bodies)`;

export type DemoOptions =
  | {
      readonly mode: 'visitors';
      readonly port: number;
      /** null: until the signal to stop. */
      readonly seconds: number | null;
      readonly eventsPerSecond: number;
    }
  | { readonly mode: 'file'; readonly port: number; readonly events: string; readonly sequences: string }
  | { readonly mode: 'help' };

/** A command line that cannot be understood; the message says what to change. */
export class UsageError extends Error {}

/** Reads the arguments behind `npm run demo --`. Throws UsageError. */
export function parseDemoArguments(args: readonly string[]): DemoOptions {
  const values = parse(args);
  if (values.help === true) return { mode: 'help' };
  const port = wholeNumber('--port', values.port ?? '0', 0, 65_535);
  if (values.events === undefined && values.sequences === undefined) {
    const seconds = values.seconds === undefined ? null : wholeNumber('--seconds', values.seconds, 1, 86_400);
    return {
      mode: 'visitors',
      port,
      seconds,
      eventsPerSecond: wholeNumber('--rate', values.rate ?? '8', 1, 1_000),
    };
  }
  if (values.events === undefined || values.sequences === undefined) {
    throw new UsageError('--events and --sequences go together: one file of events, one of sequences');
  }
  if (values.seconds !== undefined || values.rate !== undefined) {
    throw new UsageError('--seconds and --rate are for the made-up visitors; a file is fed at full speed');
  }
  return { mode: 'file', port, events: values.events, sequences: values.sequences };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        events: { type: 'string' },
        sequences: { type: 'string' },
        seconds: { type: 'string' },
        rate: { type: 'string' },
        port: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`${name} is ${JSON.stringify(text)}: allowed is an integer from ${min} to ${max}`);
}
