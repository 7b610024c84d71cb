import { spawnSync } from 'node:child_process';
import {
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

const LOCK_NAME = 'program.lock';
/** What `flock` ends with when somebody else holds the lock. */
const FLOCK_HELD = 1;

/** With less room than this on its disk a store can be neither begun nor gone on with. */
export const ROOM_BYTES_MIN = 2 ** 20;

/** Bytes that the disk of a path has left for this process. */
export function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}

/** Creates a directory and those above it. Unlike Node's recursive form it fails where the system refuses. */
export function makeDirectory(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  if (dirname(path) !== path) makeDirectory(dirname(path));
  mkdirSync(path);
}

/**
 * Takes a data directory for this process, because two programs on one directory would both send what is due.
 * A file with the owner's process id and start time says who it is; one whose owner is gone is taken over.
 * Containers that share a directory do not see each other's processes, so the kernel's lock on the directory
 * itself is taken too, where the command `flock` (util-linux) is there to take it.
 *
 * @returns a function that gives the directory free
 * @throws Error when a living process owns it, or when it cannot be written
 */
export function lockDataDirectory(dataDir: string): () => void {
  try {
    return lock(dataDir);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const allowed = 'allowed: a directory that can be created and written';
    throw new Error(`DATA_DIR is ${JSON.stringify(dataDir)}, which cannot be used (${message}); ${allowed}`, {
      cause: error,
    });
  }
}

function lock(dataDir: string): () => void {
  makeDirectory(dataDir);
  const releaseKernelLock = takeKernelLock(dataDir);
  try {
    const releaseFile = claimFile(dataDir);
    return () => {
      releaseFile();
      releaseKernelLock();
    };
  } catch (error) {
    releaseKernelLock();
    throw error;
  }
}

/**
 * Node offers no call for locks of files, but a lock of this kind belongs to the open file: the command takes
 * it on ours, which it inherits, and it stays until we close it or end, however we end.
 */
function takeKernelLock(dataDir: string): () => void {
  const file = openSync(dataDir, 'r');
  const { status } = spawnSync('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', file] });
  if (status === FLOCK_HELD) {
    closeSync(file);
    const owner = readIfThere(join(dataDir, LOCK_NAME));
    const name =
      owner !== undefined && isAlive(owner) ? nameOf(owner) : 'another program, maybe in another container,';
    throw new Error(`DATA_DIR is in use: ${name} works on ${dataDir}`);
  }
  return () => closeSync(file);
}

function claimFile(dataDir: string): () => void {
  const path = join(dataDir, LOCK_NAME);
  const identity = `${process.pid} ${startTimeOf(process.pid)}`;
  const draft = `${path}.${process.pid}`;
  try {
    writeFileSync(draft, identity);
    while (!claim(draft, path)) {
      const owner = readIfThere(path);
      if (owner !== undefined && owner !== identity && isAlive(owner)) {
        throw new Error(`DATA_DIR is in use: ${nameOf(owner)} works on ${dataDir}`);
      }
      setAside(path, `${path}.stale.${process.pid}`, owner);
    }
  } finally {
    rmSync(draft, { force: true });
  }
  return () => {
    if (readIfThere(path) === identity) rmSync(path, { force: true });
  };
}

/** Creates the lock in one step; false when there is one. */
function claim(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Takes away the lock of an owner that is gone; puts it back when somebody else has just taken it over. */
function setAside(path: string, aside: string, owner: string | undefined): void {
  try {
    renameSync(path, aside);
    if (readIfThere(aside) !== owner) linkSync(aside, path);
  } catch (error) {
    if (!['ENOENT', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function nameOf(owner: string): string {
  return `process ${owner.split(' ')[0]}`;
}

function isAlive(owner: string): boolean {
  const [pid, startTime] = owner.split(' ');
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  // Another process may have got the id since.
  return startTime === startTimeOf(Number(pid));
}

/** When a process began, in the kernel's ticks; empty where the system does not tell. */
function startTimeOf(pid: number): string {
  const stat = readIfThere(`/proc/${pid}/stat`);
  // The name in parentheses may hold blanks; the start time is the twentieth field after it.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
