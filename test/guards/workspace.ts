import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Guard } from './guards.ts';

export interface Trial {
  readonly failed: number;
  readonly passed: number;
  /** What the run printed, for a trial that did not go as it should. */
  readonly output: string;
}

/** A copy of the project, in which lines can be taken out while the project itself stays as it is. */
export class Workspace {
  readonly #root: string;
  readonly #copy = mkdtempSync(join(tmpdir(), 'sequence-triggers-guards-'));
  /** Trials with every line in place, by the tests that ran. */
  readonly #whole = new Map<string, Trial>();

  constructor(root: string) {
    this.#root = root;
    const isFile = (path: string) => statSync(join(root, path), { throwIfNoEntry: false })?.isFile() === true;
    const listing = git(root, 'ls-files', '-z', '--cached', '--others', '--exclude-standard');
    for (const path of listing.split('\0')) {
      if (path !== '' && isFile(path)) cpSync(join(root, path), join(this.#copy, path));
    }
    symlinkSync(join(root, 'node_modules'), join(this.#copy, 'node_modules'));
    // The architecture test asks git which files there are.
    git(this.#copy, 'init', '--quiet');
  }

  /** Runs the tests that hold a guard, with the line and without it; the former once for all guards of the same tests. */
  try(guard: Guard): { readonly whole: Trial; readonly without: Trial } {
    const path = join(this.#copy, guard.file);
    const text = readFileSync(path, 'utf8');
    const tests = guard.heldBy.join(' ');
    const whole = this.#whole.get(tests) ?? this.#run(guard.heldBy);
    this.#whole.set(tests, whole);
    writeFileSync(
      path,
      text.replace(guard.line, () => guard.without),
    );
    try {
      // One failure is enough, and tests that wait for what never comes take long.
      return { whole, without: this.#run(guard.heldBy, '--bail=1') };
    } finally {
      writeFileSync(path, text);
    }
  }

  remove(): void {
    rmSync(this.#copy, { recursive: true, force: true });
  }

  #run(tests: readonly string[], ...options: string[]): Trial {
    const report = join(this.#copy, 'report.json');
    rmSync(report, { force: true });
    const vitest = join(this.#root, 'node_modules', 'vitest', 'vitest.mjs');
    const args = [
      vitest,
      'run',
      ...tests,
      '--reporter=default',
      '--reporter=json',
      ...options,
      `--outputFile.json=${report}`,
    ];
    // Output is taken for the report alone; a child of a test run must not think that it is a worker of it.
    const env = {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      NATS_SERVER_BIN: process.env.NATS_SERVER_BIN,
    };
    const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: this.#copy, env, encoding: 'utf8' });
    const output = `${stdout}${stderr}`;
    try {
      const { numFailedTests, numPassedTests } = JSON.parse(readFileSync(report, 'utf8'));
      return { failed: numFailedTests, passed: numPassedTests, output };
    } catch {
      return { failed: 0, passed: 0, output };
    }
  }
}

function git(directory: string, ...args: string[]): string {
  return execFileSync('git', args, { cwd: directory, encoding: 'utf8' });
}
