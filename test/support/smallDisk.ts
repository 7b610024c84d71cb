import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FILLER_CHUNK_BYTES = 4096;

/** A disk of a few megabytes that can be filled. */
export interface SmallDisk {
  readonly path: string;
  /** Fills it to the last page, but for the bytes given. */
  fill(bytesLeft?: number): void;
  /** Gives back what `fill` took. */
  makeRoom(): void;
  remove(): void;
}

/** Why tests that need a small disk are skipped; null where they can run. */
export const NO_SMALL_DISK = whyNot();

function whyNot(): string | null {
  const path = mkdtempSync(join(tmpdir(), 'sequence-triggers-mount-'));
  const isMounted = mount(path, FILLER_CHUNK_BYTES);
  if (isMounted) spawnSync('umount', [path]);
  rmSync(path, { recursive: true });
  return isMounted ? null : 'this user may not mount a tmpfs';
}

function mount(path: string, bytes: number): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path]).status === 0;
}

export function aSmallDisk(bytes: number): SmallDisk {
  const path = mkdtempSync(join(tmpdir(), 'sequence-triggers-disk-'));
  if (!mount(path, bytes)) throw new Error('a tmpfs cannot be mounted');
  const fillers = ['filler', 'reserve'].map((name) => join(path, name));
  return {
    path,
    fill: (bytesLeft = 0) => {
      const [filler, reserve] = fillers as [string, string];
      write(reserve, bytesLeft);
      write(filler, Number.POSITIVE_INFINITY);
      rmSync(reserve);
    },
    makeRoom: () => {
      for (const filler of fillers) rmSync(filler, { force: true });
    },
    remove: () => {
      spawnSync('umount', ['--lazy', path]);
      rmSync(path, { recursive: true });
    },
  };
}

/** Writes so many bytes, or as many as there is room for. */
function write(path: string, bytes: number): void {
  const file = openSync(path, 'w');
  const chunk = Buffer.alloc(FILLER_CHUNK_BYTES);
  try {
    for (let written = 0; written < bytes; written += chunk.length) writeSync(file, chunk);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(file);
  }
}
