import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageDirectory } from './packageDirectory.ts';

/** The version in package.json. */
export function programVersion(): string {
  const path = join(packageDirectory(), 'package.json');
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}
