import { parseArgs } from 'node:util';

/** What the command line asks for. */
export interface RunOptions {
  /** Benchmarks to run, in this order. */
  readonly names: readonly string[];
  /** Share of the full workload, above 0 up to 1. */
  readonly scale: number;
  /** Variants of the one benchmark named; null: all. */
  readonly only: readonly string[] | null;
}

/** The command line is wrong; the message says how, for the person who typed it. */
export class UsageError extends Error {}

/**
 * Reads the arguments of `npm run bench`.
 *
 * @param variantsByBenchmark the names that exist, and for each the variants that it has, maybe none.
 * @throws UsageError
 */
export function parseRunOptions(
  args: readonly string[],
  variantsByBenchmark: Readonly<Record<string, readonly string[]>>,
): RunOptions {
  const { values, positionals } = parse(args);
  const scale = Number(values.scale);
  if (!(scale > 0 && scale <= 1)) {
    throw new UsageError(`--scale is "${values.scale}"; it is a number above 0 up to 1`);
  }
  const names = positionals.length > 0 ? positionals : Object.keys(variantsByBenchmark);
  for (const name of names) requireKnown('benchmark', name, Object.keys(variantsByBenchmark));
  if (values.only === undefined) return { names, scale, only: null };
  if (positionals.length !== 1) throw new UsageError('--only needs exactly one benchmark before it');
  const only = values.only.split(',');
  for (const variant of only) {
    requireKnown(`variant of ${names[0]}`, variant, variantsByBenchmark[names[0]!]!);
  }
  return { names, scale, only };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { scale: { type: 'string', default: '1' }, only: { type: 'string' } },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function requireKnown(what: string, name: string, known: readonly string[]): void {
  if (known.includes(name)) return;
  throw new UsageError(`there is no ${what} "${name}"; there are: ${known.join(', ') || 'none'}`);
}
