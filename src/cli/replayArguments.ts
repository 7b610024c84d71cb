import { isOu, OU_ALLOWED } from '../stream/subject.ts';
import { parseOptions, UsageError } from './usage.ts';

export const USAGE = `Publishes an NDJSON file to the events subject of an OU, in the order of its lines.

  npm run replay -- FILE.ndjson[.gz] [--ou OU] [--rate N]

OU is "default" unless told. N is events per second; without it they go as fast as the server takes them. Every line is
stored, also one that the program will reject, and one whose id the lead has already, which the program then ignores.`;

export interface ReplayArguments {
  readonly file: string;
  readonly ou: string;
  /** Events per second; null: as fast as the server takes them. */
  readonly rate: number | null;
}

/** Reads the arguments behind `npm run replay --`; null: help is asked for. Throws UsageError. */
export function parseReplayArguments(args: readonly string[]): ReplayArguments | null {
  const { values, positionals } = parseOptions({
    args: [...args],
    allowPositionals: true,
    options: {
      ou: { type: 'string', default: 'default' },
      rate: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return null;
  const [file, ...others] = positionals;
  if (file === undefined) throw new UsageError('A file is required.');
  if (others.length > 0) throw new UsageError(`"${others.join(' ')}" is too much here.`);
  if (!isOu(values.ou)) throw new UsageError(`--ou is ${values.ou}, but must be ${OU_ALLOWED}`);
  const rate = values.rate === undefined ? null : Number(values.rate);
  if (rate !== null && !(rate > 0 && Number.isFinite(rate))) {
    throw new UsageError(`--rate is ${values.rate}, but must be a number of events per second above 0`);
  }
  return { file, ou: values.ou, rate };
}
