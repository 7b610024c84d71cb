/**
 * Makes a fresh clone runnable: installs the packages of package-lock.json when they are not there, and
 * compiles TypeScript to dist/. The npm scripts run it first; it needs nothing but Node itself and is quiet
 * when there is nothing to do. An image for production has the build but no compiler: there it does nothing.
 *
 *   node src/cli/setup.mjs [--no-build]
 */
import { spawnSync } from 'node:child_process';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR_MIN = 20;
const NODE_MINOR_MIN = 19;
const LOCK_POLL_MS = 200;
const LOCK_TIMEOUT_MS = 15 * 60_000;

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const at = (...parts) => join(root, ...parts);
const compiler = at('node_modules', 'typescript', 'bin', 'tsc');
const lockPath = at('dist', '.setup.lock');
const build = !process.argv.includes('--no-build');

/** Ends with one message for the person at the terminal. */
class SetupError extends Error {}

/** The packages in an npm lock file: path in the project → version. Empty when there is no such file. */
function packagesIn(path) {
  if (!existsSync(path)) return {};
  return JSON.parse(readFileSync(path, 'utf8')).packages;
}

/** Whether node_modules holds what package-lock.json lists. Optional packages are those of other platforms. */
function isInstalled() {
  const installed = packagesIn(at('node_modules', '.package-lock.json'));
  return Object.entries(packagesIn(at('package-lock.json'))).every(
    ([path, { version, optional }]) =>
      path === '' ||
      (installed[path] === undefined ? optional === true : installed[path].version === version),
  );
}

function isProductionImage() {
  return existsSync(at('node_modules')) && !existsSync(compiler) && existsSync(at('dist', 'src', 'main.js'));
}

/**
 * `npm ci` refuses a lock file that lacks optional packages of other platforms, as one does that was written
 * behind a registry without them. `npm install` takes the locked versions all the same.
 */
function install() {
  console.error('Installing packages (npm ci) ...');
  let result = npm('ci');
  if (result.stderr?.includes('EUSAGE')) result = npm('install', '--no-save');
  if (result.error) throw new SetupError(`npm could not be run (${result.error.message}); is it on PATH?`);
  if (result.status === 0) return;
  process.stderr.write(result.stderr);
  throw new SetupError(
    'npm could not install the packages, see above; it needs the registry it is configured for',
  );
}

function npm(...command) {
  return spawnSync('npm', [...command, '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    // Standard output belongs to the program that is started afterwards.
    stdio: ['ignore', 2, 'pipe'],
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
}

function compile() {
  if (!existsSync(at('dist', 'src', 'main.js'))) console.error('Building (tsc) ...');
  const result = spawnSync(process.execPath, [compiler, '-p', at('tsconfig.json')], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (result.error) throw new SetupError(`the compiler could not be run (${result.error.message})`);
  if (result.status !== 0) throw new SetupError('the build failed with the errors above');
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Creates a file with this process's id in it, in one step; false when it exists. */
function claim(path) {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, String(process.pid));
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

function ownerOf(path) {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

/**
 * Removes the lock of a process that was killed. Only the one that claims the removal may do it, and only
 * while the lock is still the dead one's: otherwise a slow second one would remove the lock of the first.
 */
function removeDeadLock(owner) {
  const removal = `${lockPath}.removal-${owner}`;
  if (!claim(removal)) return;
  if (ownerOf(lockPath) === owner) rmSync(lockPath, { force: true });
  rmSync(removal, { force: true });
}

/** Runs `work` while no other process does; waits for one that does. */
function exclusively(work) {
  mkdirSync(dirname(lockPath), { recursive: true });
  const deadlineMs = Date.now() + LOCK_TIMEOUT_MS;
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  while (!claim(lockPath)) {
    const owner = ownerOf(lockPath);
    // Its own id in the lock is that of a predecessor, as happens in containers.
    if (owner !== null && (owner === process.pid || !isAlive(owner))) removeDeadLock(owner);
    else Atomics.wait(sleeper, 0, 0, LOCK_POLL_MS);
    if (Date.now() > deadlineMs) {
      throw new SetupError(
        `another setup (process ${owner}) does not end; if there is none, delete ${lockPath}`,
      );
    }
  }
  try {
    work();
  } finally {
    rmSync(lockPath, { force: true });
  }
}

function main() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < NODE_MAJOR_MIN || (major === NODE_MAJOR_MIN && minor < NODE_MINOR_MIN)) {
    throw new SetupError(
      `Node ${process.versions.node} is too old; ${NODE_MAJOR_MIN}.${NODE_MINOR_MIN} or later is needed`,
    );
  }
  if (isProductionImage()) return;
  exclusively(() => {
    if (!isInstalled()) install();
    if (build) compile();
  });
}

try {
  main();
} catch (error) {
  console.error(`setup: ${error instanceof SetupError ? error.message : error.stack}`);
  process.exitCode = 1;
}
