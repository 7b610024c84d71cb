import { parseArgs } from 'node:util';
import { benchFireLatency } from './fireLatency/index.ts';
import { benchMatcher } from './matcher/index.ts';
import { type BenchReport, publish } from './report.ts';

const BENCHMARKS: Readonly<Record<string, (scale: number) => Promise<BenchReport>>> = {
  matcher: benchMatcher,
  fireLatency: benchFireLatency,
};

const USAGE = `usage: npm run bench -- [NAME ...] [--scale N]
  NAME     one of: ${Object.keys(BENCHMARKS).join(', ')}; all of them when absent
  --scale  share of the full workload, above 0 up to 1 (default 1)`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { scale: { type: 'string', default: '1' } },
});
const scale = Number(values.scale);
const unknown = positionals.find((name) => !(name in BENCHMARKS));
if (unknown !== undefined || !(scale > 0 && scale <= 1)) {
  console.error(
    unknown === undefined ? `--scale is "${values.scale}"` : `there is no benchmark "${unknown}"`,
  );
  console.error(USAGE);
  process.exit(2);
}
for (const name of positionals.length > 0 ? positionals : Object.keys(BENCHMARKS)) {
  publish(await BENCHMARKS[name]!(scale), 'bench/results');
}
