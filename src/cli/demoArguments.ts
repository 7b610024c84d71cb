import { parseOptions, UsageError } from './usage.ts';

export const USAGE = `Shows the whole program at work on this machine: fires arrive at a webhook receiver and a mailbox.

  npm run demo                                      made-up shop visitors, until Ctrl-C
  npm run demo -- --seconds N                       the same, ends by itself
  npm run demo -- --rate N                          events a second, 1 to 1000 (8 when not given)
  npm run demo -- --port N                          port of the HTTP API (HTTP_PORT, or any free one)
  npm run demo -- --events FILE --sequences FILE    your own events (NDJSON, also .gz) and sequences
                                                    (a JSON array of POST /sequences bodies)

Its data lies in a directory of its own, which is removed in the end, or in DATA_DIR where that is set, and stays there.`;

export type DemoOptions =
  | {
      readonly mode: 'visitors';
      readonly port: number | null;
      /** null: until the signal to stop. */
      readonly seconds: number | null;
      readonly eventsPerSecond: number;
    }
  | {
      readonly mode: 'file';
      readonly port: number | null;
      readonly events: string;
      readonly sequences: string;
    }
  | { readonly mode: 'help' };

/** Reads the arguments behind `npm run demo --`. Throws UsageError. */
export function parseDemoArguments(args: readonly string[]): DemoOptions {
  const { values } = parseOptions({ args: [...args], options: OPTIONS });
  if (values.help === true) return { mode: 'help' };
  const port = values.port === undefined ? null : wholeNumber('--port', values.port, 0, 65_535);
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

const OPTIONS = {
  events: { type: 'string' },
  sequences: { type: 'string' },
  seconds: { type: 'string' },
  rate: { type: 'string' },
  port: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`${name} is ${JSON.stringify(text)}: allowed is an integer from ${min} to ${max}`);
}
