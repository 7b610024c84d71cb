import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { type Logger, messageOf } from './ports.ts';

const run = promisify(execFile);

/** Debian installs the server where the PATH of a plain user does not look. */
const MORE_DIRECTORIES = ['/usr/local/sbin', '/usr/sbin', '/usr/local/bin', '/opt/homebrew/bin'];
const INSTALL_TIMEOUT_MS = 180_000;

const WHAT_TO_INSTALL =
  'Install nats-server 2.9.10 or later (Debian and Ubuntu: apt-get install nats-server; macOS: brew install nats-server; else github.com/nats-io/nats-server/releases), ' +
  'or set NATS_SERVER_BIN to the program, or NATS_URL to a server that runs already';

export interface BinarySearch {
  /** NATS_SERVER_BIN. */
  readonly binary?: string | null;
  /** PATH. */
  readonly path: string;
  readonly moreDirectories?: readonly string[];
}

/**
 * The nats-server to run: the one named, else the one on PATH or in the usual places, else one installed
 * with apt-get where that works. Throws an Error that says what to install.
 */
export async function findServerBinary(search: BinarySearch, logger: Logger): Promise<string> {
  if (search.binary) {
    if (await isExecutable(search.binary)) return search.binary;
    throw new Error(`NATS_SERVER_BIN is ${search.binary}, but must be the path of a program that can be run`);
  }
  const directories = [...search.path.split(delimiter), ...(search.moreDirectories ?? MORE_DIRECTORIES)];
  const found = await findIn(directories, 'nats-server');
  if (found) return found;
  const aptGet = await findIn(directories, 'apt-get');
  if (!aptGet) throw new Error(`nats-server was not found. ${WHAT_TO_INSTALL}`);
  await install(aptGet, search.path, logger);
  const installed = await findIn(directories, 'nats-server');
  if (installed) return installed;
  throw new Error(`apt-get installed nats-server, but it was not found afterwards. ${WHAT_TO_INSTALL}`);
}

async function install(aptGet: string, path: string, logger: Logger): Promise<void> {
  logger.info({}, 'nats-server was not found; installing it with apt-get');
  const options = { timeout: INSTALL_TIMEOUT_MS, env: { PATH: path, DEBIAN_FRONTEND: 'noninteractive' } };
  try {
    await run(aptGet, ['update'], options);
    await run(aptGet, ['install', '-y', '--no-install-recommends', 'nats-server'], options);
  } catch (error) {
    const why = messageOf(error).split('\n').filter(Boolean).slice(0, 3).join('; ');
    throw new Error(
      `nats-server was not found and apt-get could not install it (${why}). ${WHAT_TO_INSTALL}`,
    );
  }
}

async function findIn(directories: readonly string[], name: string): Promise<string | undefined> {
  for (const directory of directories) {
    const path = join(directory, name);
    if (directory !== '' && (await isExecutable(path))) return path;
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
