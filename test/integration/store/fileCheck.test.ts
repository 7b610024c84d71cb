import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkEnvironment, openEnvironment } from '../../../src/store/environment.ts';
import { aDataDir } from '../../support/outbox.ts';
import { aSmallDisk, NO_SMALL_DISK } from '../../support/smallDisk.ts';

const ROWS = 40_000;
const CHECKS = 60;
const PAGE_BYTES = 4096;
const DISK_BYTES = 4 * 2 ** 20;
const STORE = fileURLToPath(new URL('../../../dist/src/store/', import.meta.url));
/** Creates a few tokens, rests, and so on until it is killed. */
const WRITER = `
  const { openEnvironment } = await import(${JSON.stringify(join(STORE, 'environment.js'))});
  const { openTokenStore } = await import(${JSON.stringify(join(STORE, 'tokens.js'))});
  const tokens = openTokenStore(openEnvironment(process.argv[1]));
  console.log('writing');
  for (;;) {
    for (let n = 0; n < 5; n++) await tokens.create('default', { name: 'one of many', role: 'write', expiresAtMs: null, ratePerSecond: null });
    await new Promise((resolve) => setTimeout(resolve, 100));
  }`;
const OPENER = `
  const { openEnvironment } = await import(${JSON.stringify(join(STORE, 'environment.js'))});
  const environment = openEnvironment(process.argv[1]);
  await environment.write(() => void environment.table('rows').put(['row'], Buffer.alloc(150)));
  await environment.close();`;

describe('the check of the file of a store', () => {
  let dir: ReturnType<typeof aDataDir>;
  let file: string;

  beforeEach(async () => {
    dir = aDataDir();
    file = join(dir.path, 'lmdb', 'data.mdb');
    const environment = openEnvironment(dir.path);
    const table = environment.table('rows');
    await environment.write(() => {
      for (let row = 0; row < ROWS; row++) void table.put([row], Buffer.alloc(150));
    });
    await environment.close();
  });

  afterEach(() => dir.remove());

  it('does not take what another process writes meanwhile for damage', async () => {
    const writer = spawn(process.execPath, ['--input-type=module', '-e', WRITER, dir.path], {
      stdio: 'pipe',
    });
    try {
      await once(writer.stdout, 'data');
      const before = readFileSync(file);
      for (let check = 0; check < CHECKS; check++) checkEnvironment(dir.path);
      expect(readFileSync(file).equals(before)).toBe(false);
    } finally {
      writer.kill('SIGKILL');
      await once(writer, 'close');
    }
  });

  it('says of one that ends before its second header does that it was never completed', () => {
    const sound = readFileSync(file);
    for (const bytes of [1, PAGE_BYTES, PAGE_BYTES + 100]) {
      writeFileSync(file, sound);
      truncateSync(file, bytes);
      expect(() => checkEnvironment(dir.path)).toThrow(`${file} was never completed`);
    }
  });
});

describe.skipIf(NO_SMALL_DISK !== null)(
  `a first start on a full disk (${NO_SMALL_DISK ?? 'mounted'})`,
  () => {
    it.each([0, 1, 2, 8])(
      'with room for %i pages is refused in words, and succeeds once there is room',
      (pages) => {
        const disk = aSmallDisk(DISK_BYTES);
        try {
          mkdirSync(join(disk.path, 'lmdb'));
          disk.fill(pages * PAGE_BYTES);
          const open = () =>
            spawnSync(process.execPath, ['--input-type=module', '-e', OPENER, disk.path], {
              encoding: 'utf8',
            });
          const { status, stderr } = open();
          expect(status).toBe(1);
          expect(stderr).toMatch(/a new store at \S+ needs 1048576 bytes on the disk, which has \d+ left/);
          expect(existsSync(join(disk.path, 'lmdb', 'data.mdb'))).toBe(false);
          disk.makeRoom();
          expect(open().status).toBe(0);
        } finally {
          disk.remove();
        }
      },
    );
  },
);
