import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

/**
 * Inputs and answers that are kept beside the repository rather than in it. Tests that need them say so
 * and skip where they are absent.
 */
const FOLDER = fileURLToPath(new URL('../../../shared/', import.meta.url));

export function sharedFileExists(name: string): boolean {
  return existsSync(FOLDER + name);
}

/** Reads a JSON file of the folder; the caller vouches for its shape. */
export function readSharedJson<T>(name: string): T {
  return JSON.parse(readFileSync(FOLDER + name, 'utf8')) as T;
}

/** Reads a gzipped file of JSON lines; the caller vouches for the shape of a line. */
export function readSharedLines<T>(name: string): T[] {
  return gunzipSync(readFileSync(FOLDER + name))
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}
