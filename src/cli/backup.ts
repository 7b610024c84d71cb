import { readdirSync, statfsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigError, loadConfig } from '../config/load.ts';
import { copyStore, storeBytes } from '../store/backup.ts';
import { makeDirectory } from '../store/dataDirectory.ts';

const USAGE = `Copies the store of DATA_DIR, also while the program runs.

  npm run backup -- DIR    into DIR, which must be empty or absent; DATA_DIR=DIR npm start starts on the copy`;

const EXIT_USAGE = 2;

/** A backup that cannot be made; the message is one line that says what is in the way. */
class RefusedError extends Error {}

function targetOf(args: readonly string[]): string | null {
  try {
    const { positionals } = parseArgs({ args: [...args], allowPositionals: true, options: {} });
    const [target] = positionals;
    return target === undefined || target === '' || positionals.length > 1 ? null : resolve(target);
  } catch {
    return null;
  }
}

async function backup(dataDir: string, targetDir: string): Promise<string> {
  const bytesMax = storeBytes(dataDir);
  if (bytesMax === null) throw new RefusedError(`DATA_DIR ${dataDir} holds no store`);
  makeDirectory(targetDir);
  if (readdirSync(targetDir).length > 0) throw new RefusedError(`${targetDir} is not empty`);
  const { bavail, bsize } = statfsSync(targetDir);
  if (bavail * bsize < bytesMax) {
    throw new RefusedError(
      `${targetDir} has room for ${bavail * bsize} bytes, but the copy may take ${bytesMax}`,
    );
  }
  const startedMs = performance.now();
  const { checkpoint, bytes } = await copyStore(dataDir, targetDir);
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
  const position = checkpoint === null ? 'before the first checkpoint' : `position ${checkpoint.position}`;
  return `copied ${position}, ${bytes} bytes in ${seconds} s, to ${targetDir}`;
}

const target = targetOf(process.argv.slice(2));
if (target === null) {
  process.stderr.write(`${USAGE}\n`);
  process.exitCode = EXIT_USAGE;
} else {
  try {
    process.stdout.write(`${await backup(loadConfig().dataDir, target)}\n`);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const isKnown = error instanceof RefusedError || error instanceof ConfigError;
    process.stderr.write(`${isKnown ? text : `the backup failed: ${text}`}\n`);
    process.exitCode = 1;
  }
}
