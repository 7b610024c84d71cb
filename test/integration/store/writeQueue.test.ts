import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Environment, openEnvironment, type Table } from '../../../src/store/environment.ts';
import { waitFor } from '../../support/nats.ts';
import { aDataDir } from '../../support/outbox.ts';
import { aSmallDisk, NO_SMALL_DISK, type SmallDisk } from '../../support/smallDisk.ts';

const DISK_BYTES = 4 * 2 ** 20;
/** More than the room that a test leaves, and less than the disk has when it is not filled. */
const LARGE = Buffer.alloc(300_000, 1);
const SMALL = Buffer.alloc(10, 1);

describe.skipIf(NO_SMALL_DISK !== null)(`a store on a full disk (${NO_SMALL_DISK ?? 'mounted'})`, () => {
  let disk: SmallDisk;
  let environment: Environment;
  let table: Table;
  let troubles: (string | null)[];

  beforeEach(() => {
    disk = aSmallDisk(DISK_BYTES);
    troubles = [];
    environment = openEnvironment(disk.path, (trouble) => troubles.push(trouble));
    table = environment.table('rows');
  });

  afterEach(async () => {
    environment.abandonWrites();
    await environment.close();
    disk.remove();
  });

  const put = (key: string, value: Buffer) => environment.write(() => void table.put([key], value));

  it('says so, waits, and writes by itself when there is room', async () => {
    disk.fill();
    const written = put('one', LARGE);
    await waitFor('the trouble', () => environment.trouble() !== null);
    expect(environment.trouble()).toMatch(/lmdb cannot be written: the disk is full \(\d+ bytes left\)$/);
    expect(table.get(['one'])).toBeUndefined();
    disk.makeRoom();
    await written;
    await environment.flushed();
    expect(table.get(['one'])).toEqual(LARGE);
    expect(environment.trouble()).toBeNull();
    expect(troubles).toEqual([expect.any(String), null]);
  });

  it('stores nothing before what was asked for earlier, also where there would be room for it', async () => {
    disk.fill(100_000);
    const order: string[] = [];
    const large = put('large', LARGE).then(() => order.push('large'));
    // The transaction of the first is under way by then.
    await sleep(50);
    const small = put('small', SMALL).then(() => order.push('small'));
    await waitFor('the trouble', () => environment.trouble() !== null);
    await sleep(1_500);
    expect(table.get(['small'])).toBeUndefined();
    expect(order).toEqual([]);
    disk.makeRoom();
    await Promise.all([large, small]);
    expect(order).toEqual(['large', 'small']);
  });

  it('brings to disk what was committed before, and says when', async () => {
    await put('before', SMALL);
    disk.fill();
    const after = put('after', LARGE);
    await waitFor('the trouble', () => environment.trouble() !== null);
    await environment.flushed();
    disk.makeRoom();
    await after;
    await environment.flushed();
  });

  it('gives up what it could not write when the program stops', async () => {
    disk.fill();
    const written = expect(put('one', LARGE)).rejects.toThrow('cannot be written: the disk is full');
    await waitFor('the trouble', () => environment.trouble() !== null);
    environment.abandonWrites();
    await written;
    disk.makeRoom();
    await put('two', SMALL);
    expect([...table.getKeys()]).toEqual(['two']);
  });

  it('tells a command, which does not wait, at once', async () => {
    await environment.close();
    environment = openEnvironment(disk.path);
    table = environment.table('rows');
    disk.fill();
    await expect(put('one', LARGE)).rejects.toThrow('cannot be written: the disk is full');
  });
});

describe('a write', () => {
  let dir: ReturnType<typeof aDataDir>;
  let environment: Environment;
  let table: Table;

  beforeEach(() => {
    dir = aDataDir();
    environment = openEnvironment(dir.path, () => {});
    table = environment.table('rows');
  });

  afterEach(async () => {
    await environment.close();
    dir.remove();
  });

  it('that throws takes back its own rows and nobody else’s', async () => {
    const first = environment.write(() => void table.put(['first'], SMALL));
    const second = environment.write(() => {
      void table.put(['second'], SMALL);
      throw new Error('a bad row');
    });
    const third = environment.write(() => table.doesExist(['first']));
    await expect(second).rejects.toThrow('a bad row');
    await first;
    expect(await third).toBe(true);
    expect([...table.getKeys()]).toEqual(['first']);
  });

  it('that others rest on and that throws fails the store, so that none of them overtakes it', async () => {
    const [bad, behind] = [
      environment.write(
        () => {
          void table.put(['bad'], SMALL);
          throw new Error('a bad row');
        },
        { othersRestOnIt: true },
      ),
      environment.write(() => void table.put(['behind'], SMALL)),
    ].map((written) => expect(written).rejects.toThrow('failed: a bad row'));
    await Promise.all([bad, behind]);
    await expect(environment.write(() => 1)).rejects.toThrow('failed: a bad row');
    expect((await environment.failed).message).toContain('a bad row');
    expect([...table.getKeys()]).toEqual([]);
  });

  it('that meets a damaged store fails it for good, with all that waits', async () => {
    const damaged = environment.write(() => {
      throw Object.assign(new Error('MDB_CORRUPTED'), { code: -30796 });
    });
    const behind = environment.write(() => void table.put(['behind'], SMALL));
    await expect(damaged).rejects.toThrow('failed: MDB_CORRUPTED');
    await expect(behind).rejects.toThrow('failed: MDB_CORRUPTED');
    await expect(environment.write(() => 1)).rejects.toThrow('failed: MDB_CORRUPTED');
    expect((await environment.failed).message).toContain('MDB_CORRUPTED');
    expect([...table.getKeys()]).toEqual([]);
  });
});
