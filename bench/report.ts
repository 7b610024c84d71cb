import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';

/** How much of a benchmark to run. */
export interface BenchOptions {
  /** Share of the full workload, above 0 up to 1. */
  readonly scale: number;
  /** Names of the variants to run; null: all. */
  readonly only: readonly string[] | null;
}

export type Row = Readonly<Record<string, string | number>>;

/** What a benchmark found: tables of rows with the same columns. */
export interface BenchReport {
  readonly name: string;
  readonly tables: readonly { readonly title: string; readonly rows: readonly Row[] }[];
}

/** Prints the tables, and writes the report with the machine it was made on to `<directory>/<name>.json`. */
export function publish(report: BenchReport, directory: string): void {
  for (const { title, rows } of report.tables) {
    console.log(`\n${report.name}: ${title}`);
    console.table(rows);
  }
  mkdirSync(directory, { recursive: true });
  const machine = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length };
  const path = join(directory, `${report.name}.json`);
  writeFileSync(
    path,
    `${JSON.stringify({ ...report, machine, madeAt: new Date().toISOString() }, null, 2)}\n`,
  );
  console.log(`written to ${path}`);
}
