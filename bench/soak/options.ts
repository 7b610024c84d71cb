import { parseArgs } from 'node:util';
import { UsageError } from '../options.ts';

/** What a soak is asked to do. */
export interface SoakOptions {
  readonly minutes: number;
  /** Events per second. */
  readonly rate: number;
  /** Where the report and the plot go. */
  readonly directory: string;
  /** Variables of the program's configuration, over those of the soak. */
  readonly env: Readonly<Record<string, string>>;
}

export const USAGE = `usage: npm run soak -- --minutes M [--rate N] [--out DIR] [--env KEY=VALUE ...]
  --minutes  how long, a number above 0
  --rate     events per second, 1 to 100000 (default 2000)
  --out      where soak.json and soak.svg go (default bench/results)
  --env      a variable of the program's configuration; may be given several times`;

const RATE_MAX = 100_000;

/** @throws UsageError */
export function parseSoakOptions(args: readonly string[]): SoakOptions {
  const values = parse(args);
  if (values.minutes === undefined) throw new UsageError('--minutes is missing; it is a number above 0');
  const minutes = Number(values.minutes);
  if (!(minutes > 0 && Number.isFinite(minutes))) {
    throw new UsageError(`--minutes is "${values.minutes}"; it is a number above 0`);
  }
  const rate = Number(values.rate);
  if (!(Number.isInteger(rate) && rate >= 1 && rate <= RATE_MAX)) {
    throw new UsageError(`--rate is "${values.rate}"; it is an integer from 1 to ${RATE_MAX}`);
  }
  return { minutes, rate, directory: values.out, env: Object.fromEntries(values.env.map(pairOf)) };
}

function parse(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        minutes: { type: 'string' },
        rate: { type: 'string', default: '2000' },
        out: { type: 'string', default: 'bench/results' },
        env: { type: 'string', multiple: true, default: [] },
      },
    });
    return values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function pairOf(text: string): [string, string] {
  const [, key, value] = /^([A-Z_]+)=(.*)$/s.exec(text) ?? [];
  if (key === undefined || value === undefined) {
    throw new UsageError(`--env is "${text}"; it is KEY=VALUE, such as CHECKPOINT_INTERVAL_MS=1000`);
  }
  return [key, value];
}
