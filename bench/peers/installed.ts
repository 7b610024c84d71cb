import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { NotInstalled } from '../notInstalled.ts';

/** The packages of the peers are not among those of the project; benchmarks run from the root of the project. */
const PEERS_DIRECTORY = resolve('bench/peers');
const PACKAGES = ['chdb', '@duckdb/node-api'];

export const INSTALL_COMMAND = 'npm --prefix bench/peers install';

export function arePeersInstalled(): boolean {
  return PACKAGES.every((name) => existsSync(join(PEERS_DIRECTORY, 'node_modules', name)));
}

/** @throws NotInstalled with the one command that installs them. */
export function requirePeers(): void {
  if (arePeersInstalled()) return;
  throw new NotInstalled(`the peers are not installed (about 630 MB); to install them: ${INSTALL_COMMAND}`);
}

/**
 * A package of the peers. It is looked up from their directory, not from the compiled file that asks, and its
 * type is the caller's own narrow interface: the project compiles without the package.
 */
export function peerPackage<Interface>(name: string): Interface {
  return createRequire(join(PEERS_DIRECTORY, 'package.json'))(name) as Interface;
}
