import { readFileSync } from 'node:fs';
import { type RunningProgram, startProgram } from '../program.ts';
import type { Row } from '../report.ts';

const SAMPLE_INTERVAL_MS = 50;
const LINE_END = 10;

/** Takes the whole export from the program as a process of its own, as fast as it comes. */
export async function measureExport(dataDir: string, rows: number): Promise<Row> {
  const program = await startProgram(dataDir, { HISTORY_MAX_AGE: '0' });
  try {
    const before = anonymousMebibytes(program);
    let peak = before;
    const sampling = setInterval(() => {
      peak = Math.max(peak, anonymousMebibytes(program));
    }, SAMPLE_INTERVAL_MS);
    const startedMs = performance.now();
    const { lines, bytes } = await take(program);
    const seconds = (performance.now() - startedMs) / 1_000;
    clearInterval(sampling);
    if (lines !== rows + 1) throw new Error(`the export has ${lines} lines instead of ${rows + 1}`);
    return {
      rows,
      MiB: Math.round(bytes / 2 ** 20),
      'rows/s': Math.round(rows / seconds),
      'memory before MiB': before,
      'at its peak MiB': peak,
    };
  } finally {
    await program.stop();
  }
}

async function take(program: RunningProgram): Promise<{ readonly lines: number; readonly bytes: number }> {
  const answer = await program.request('GET', '/sequence-events/export');
  let lines = 0;
  let bytes = 0;
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length;
    for (let at = chunk.indexOf(LINE_END); at !== -1; at = chunk.indexOf(LINE_END, at + 1)) lines += 1;
  }
  return { lines, bytes };
}

/** Memory of the process apart from the pages of the store's file, which the system lends it as long as nobody needs them. */
function anonymousMebibytes({ process }: RunningProgram): number {
  const status = readFileSync(`/proc/${process.pid}/status`, 'utf8');
  return Math.round(Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1]) / 1024);
}
