import { spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/**
 * A project of a few files with an `npm` and a compiler of our own, which write down when they run. The
 * compiler ends badly when a second one runs at the same time.
 */
let project: string;
const at = (...parts: string[]) => join(project, ...parts);

const LOCK = {
  packages: {
    '': {},
    'node_modules/a': { version: '1.2.3' },
    'node_modules/b': { version: '1.0.0', optional: true },
  },
};
const COMPILER = `
const { appendFileSync, mkdirSync, rmdirSync } = require('node:fs');
mkdirSync('busy');
appendFileSync('calls', 'compile\\n');
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
rmdirSync('busy');
process.exit(require('node:fs').existsSync('broken') ? 2 : 0);
`;
const NPM = `#!/usr/bin/env node
const { appendFileSync, cpSync, existsSync, mkdirSync } = require('node:fs');
appendFileSync('calls', 'npm ' + process.argv[2] + '\\n');
if (existsSync('strange-lock') && process.argv[2] === 'ci') { console.error('npm error code EUSAGE'); process.exit(1); }
if (existsSync('offline')) { console.error('npm error network'); process.exit(1); }
mkdirSync('node_modules/typescript/bin', { recursive: true });
cpSync('compiler.cjs', 'node_modules/typescript/bin/tsc');
cpSync('package-lock.json', 'node_modules/.package-lock.json');
`;

beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 'setup-test-'));
  mkdirSync(at('src', 'cli'), { recursive: true });
  mkdirSync(at('bin'));
  cpSync(
    fileURLToPath(new URL('../../../src/cli/setup.mjs', import.meta.url)),
    at('src', 'cli', 'setup.mjs'),
  );
  writeFileSync(at('package-lock.json'), JSON.stringify(LOCK));
  writeFileSync(at('compiler.cjs'), COMPILER);
  writeFileSync(at('bin', 'npm'), NPM);
  chmodSync(at('bin', 'npm'), 0o755);
});
afterEach(() => rmSync(project, { recursive: true }));

interface Result {
  readonly code: number | null;
  readonly output: string;
}

function setup(...flags: string[]): Promise<Result> {
  const child = spawn(process.execPath, [at('src', 'cli', 'setup.mjs'), ...flags], {
    cwd: tmpdir(),
    env: { ...process.env, PATH: `${at('bin')}${delimiter}${process.env.PATH}` },
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += `stdout: ${chunk}`;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
}

function calls(): string[] {
  if (!existsSync(at('calls'))) return [];
  const made = readFileSync(at('calls'), 'utf8').trim().split('\n');
  rmSync(at('calls'));
  return made;
}

function pretendInstalled(lock: object = LOCK): void {
  mkdirSync(at('node_modules', 'typescript', 'bin'), { recursive: true });
  cpSync(at('compiler.cjs'), at('node_modules', 'typescript', 'bin', 'tsc'));
  writeFileSync(at('node_modules', '.package-lock.json'), JSON.stringify(lock));
}

function pretendBuilt(): void {
  mkdirSync(at('dist', 'src'), { recursive: true });
  writeFileSync(at('dist', 'src', 'main.js'), '');
}

describe('setup', () => {
  it('installs and builds in a fresh clone, leaving standard output to the program', async () => {
    const { code, output } = await setup();
    expect(code).toBe(0);
    expect(calls()).toEqual(['npm ci', 'compile']);
    expect(output).toContain('Installing packages');
    expect(output).not.toContain('stdout:');
  });

  it('says nothing when packages and build are there', async () => {
    pretendInstalled();
    pretendBuilt();
    expect(await setup()).toEqual({ code: 0, output: '' });
    expect(calls()).toEqual(['compile']);
  });

  it('does not build with --no-build', async () => {
    pretendInstalled();
    expect(await setup('--no-build')).toEqual({ code: 0, output: '' });
    expect(calls()).toEqual([]);
  });

  it('installs when another version is there than the one locked, or one is missing', async () => {
    pretendInstalled({ packages: { ...LOCK.packages, 'node_modules/a': { version: '1.2.2' } } });
    await setup('--no-build');
    expect(calls()).toEqual(['npm ci']);
    pretendInstalled({ packages: { '': {} } });
    await setup('--no-build');
    expect(calls()).toEqual(['npm ci']);
  });

  it('does without optional packages, which are those of other platforms', async () => {
    pretendInstalled({ packages: { 'node_modules/a': { version: '1.2.3' } } });
    await setup('--no-build');
    expect(calls()).toEqual([]);
  });

  it('does nothing in an image for production: a build, packages, no compiler', async () => {
    mkdirSync(at('node_modules'));
    pretendBuilt();
    expect(await setup()).toEqual({ code: 0, output: '' });
    expect(calls()).toEqual([]);
  });

  it('ends with one message when npm fails, and does not build', async () => {
    writeFileSync(at('offline'), '');
    const { code, output } = await setup();
    expect(code).toBe(1);
    expect(output).toMatch(
      /\nnpm error network\nsetup: npm could not install the packages, see above; .+\n$/,
    );
    expect(calls()).toEqual(['npm ci']);
  });

  it('takes another way when npm ci does not like the lock file', async () => {
    writeFileSync(at('strange-lock'), '');
    const { code, output } = await setup();
    expect(code).toBe(0);
    expect(calls()).toEqual(['npm ci', 'npm install', 'compile']);
    expect(output).not.toContain('EUSAGE');
  });

  it('ends with one message when the build fails, and lets the next one in', async () => {
    pretendInstalled();
    writeFileSync(at('broken'), '');
    const { code, output } = await setup();
    expect(code).toBe(1);
    expect(output).toMatch(/setup: the build failed with the errors above\n$/);
    rmSync(at('broken'));
    expect((await setup()).code).toBe(0);
  });

  it('lets several start at once, one after the other', async () => {
    const results = await Promise.all([setup(), setup(), setup()]);
    expect(results.map((result) => result.code)).toEqual([0, 0, 0]);
    expect(calls().filter((call) => call === 'npm ci')).toHaveLength(1);
  });

  it('takes over from one that was killed, also when several find it', async () => {
    pretendInstalled();
    pretendBuilt();
    const dead = spawn(process.execPath, ['--version']);
    await new Promise((resolve) => dead.on('close', resolve));
    writeFileSync(at('dist', '.setup.lock'), String(dead.pid));
    const results = await Promise.all([setup(), setup(), setup()]);
    expect(results).toEqual(Array(3).fill({ code: 0, output: '' }));
    expect(existsSync(at('dist', '.setup.lock'))).toBe(false);
  });
});
