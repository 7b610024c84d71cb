import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockDataDirectory, makeDirectory } from '../../../src/store/dataDirectory.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'data-directory-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function fileIn(path: string): string {
  const file = join(path, 'file');
  writeFileSync(file, '');
  return file;
}

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return (error as Error).message;
  }
  return 'nothing was refused';
}

describe('the lock of a data directory', () => {
  it('refuses a directory that a living process works on, and names the process', () => {
    const otherPid = process.ppid;
    writeFileSync(join(directory, 'program.lock'), `${otherPid} ${startTimeOf(otherPid)}`);
    expect(() => lockDataDirectory(directory)).toThrow(`DATA_DIR is in use: process ${otherPid}`);
  });

  it.each([
    ['cannot be made', () => '/proc/no-such-place', 'ENOENT'],
    ['cannot be written', () => '/proc', 'ENOENT'],
    ['is a file', () => fileIn(directory), 'EEXIST'],
    ['lies below a file', () => join(fileIn(directory), 'data'), 'ENOTDIR'],
  ])('refuses in one line by name a directory that %s', (_, pathOf, code) => {
    const path = pathOf();
    const told = refusal(() => lockDataDirectory(path));
    expect(told).toContain(`DATA_DIR is "${path}", which cannot be used (${code}: `);
    expect(told).toMatch(/; allowed: a directory that can be created and written$/);
  });

  it('takes over the lock of a process that is gone, or whose id another process has got', () => {
    const lock = join(directory, 'program.lock');
    writeFileSync(lock, '4194999 12345');
    lockDataDirectory(directory)();
    writeFileSync(lock, `${process.ppid} 1`);
    lockDataDirectory(directory)();
    expect(readdirSync(directory)).toEqual([]);
  });

  const noFlock = spawnSync('flock', ['--version']).status === 0 ? null : 'no flock command here';

  it.skipIf(noFlock !== null)(
    `refuses a directory that a process which cannot be seen from here works on (${noFlock ?? 'flock found'})`,
    async () => {
      writeFileSync(join(directory, 'program.lock'), '4194999 12345');
      const other = spawn('flock', [directory, 'sh', '-c', 'echo locked; read line'], { stdio: 'pipe' });
      await once(other.stdout, 'data');
      expect(() => lockDataDirectory(directory)).toThrow('DATA_DIR is in use: another program');
      expect(readFileSync(join(directory, 'program.lock'), 'utf8')).toBe('4194999 12345');
      other.stdin.end();
      await once(other, 'close');
      lockDataDirectory(directory)();
    },
  );

  it.skipIf(noFlock !== null)('holds the lock of the kernel until it is given free', () => {
    const unlock = lockDataDirectory(directory);
    const tryLock = () => spawnSync('flock', ['-n', directory, 'true']).status;
    expect(tryLock()).toBe(1);
    unlock();
    expect(tryLock()).toBe(0);
  });

  it('leaves nothing behind when it is given free', () => {
    const unlock = lockDataDirectory(join(directory, 'a', 'b'));
    expect(readdirSync(join(directory, 'a', 'b'))).toEqual(['program.lock']);
    unlock();
    expect(readdirSync(join(directory, 'a', 'b'))).toEqual([]);
  });
});

describe('making a data directory', () => {
  it('fails where the system refuses it, instead of trying for ever', () => {
    expect(() => makeDirectory('/proc/no-such-place/data')).toThrow('ENOENT');
    writeFileSync(join(directory, 'file'), '');
    expect(() => makeDirectory(join(directory, 'file', 'below'))).toThrow();
  });
});

function startTimeOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!;
}
