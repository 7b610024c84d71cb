import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import type { Checkpoint } from '../model/checkpoint.ts';
import { MAP_BYTES, openEnvironment } from './environment.ts';
import { checkStoreFile, checkStoreHeader } from './fileCheck.ts';
import { StateStore } from './states.ts';

/** What a copy holds: the checkpoint that a start on it goes on from (null before the first), and its size. */
export interface Copied {
  readonly checkpoint: Checkpoint | null;
  readonly bytes: number;
}

/** Bytes of the store in a data directory, which a copy never exceeds; null where there is none. */
export function storeBytes(dataDir: string): number | null {
  return statSync(dataFile(dataDir), { throwIfNoEntry: false })?.size ?? null;
}

/**
 * Copies the store of a data directory as of one moment, also while a program works on it. What stands at
 * `<targetDir>/lmdb` afterwards is whole and on disk; an unfinished copy goes by another name.
 *
 * @param targetDir an existing directory without a store
 */
export async function copyStore(dataDir: string, targetDir: string): Promise<Copied> {
  checkStoreHeader(dataFile(dataDir));
  const unfinished = join(targetDir, 'lmdb.unfinished');
  mkdirSync(unfinished);
  try {
    const options = { mapSize: MAP_BYTES, maxDbs: 32, noSubdir: false, readOnly: true };
    const source = open({ path: join(dataDir, 'lmdb'), encoding: 'binary', ...options });
    try {
      // Compacted: what is free in the file is left out.
      await source.backup(unfinished, true);
    } finally {
      await source.close();
    }
    checkStoreFile(join(unfinished, 'data.mdb'));
    for (const path of [join(unfinished, 'data.mdb'), unfinished]) bringToDisk(path);
    renameSync(unfinished, join(targetDir, 'lmdb'));
    bringToDisk(targetDir);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return { checkpoint: await checkpointIn(targetDir), bytes: statSync(dataFile(targetDir)).size };
}

/** Opens the copy, which also shows that it can be opened. */
async function checkpointIn(dataDir: string): Promise<Checkpoint | null> {
  const environment = openEnvironment(dataDir);
  try {
    return new StateStore(environment).checkpoint();
  } finally {
    await environment.close();
  }
}

function dataFile(dataDir: string): string {
  return join(dataDir, 'lmdb', 'data.mdb');
}

function bringToDisk(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
